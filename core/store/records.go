package store

import (
	"bytes"
	"runtime"
	"sync"
)

// load returns a record of the caller's own, or nil where there is none, as
// under a nil key.
func load[V any](s *state, key []byte) (*V, error) {
	if key == nil {
		return nil, nil
	}
	v := new(V)
	found, err := s.read(key, func(value []byte) error { return decode(key, value, v) })
	if !found || err != nil {
		return nil, err
	}
	return v, nil
}

// each calls fn with the records below a prefix, in order of their keys, until
// it returns an error. There are none below nil. It decodes ahead on all
// processors: the appliance reads everything at start.
func each[V any](s *state, prefix []byte, fn func(*V) error) error {
	if prefix == nil {
		return nil
	}
	c := chunk[V]{fn: fn, size: 1}
	if err := s.scan(prefix, false, c.add); err != nil {
		return err
	}
	return c.flush()
}

// maxChunk bounds what is decoded ahead. Chunks grow up to it, so that who
// wants only the first record does not pay for many.
const maxChunk = 512

// chunk gathers stored records, decodes them together and hands them on.
type chunk[V any] struct {
	fn   func(*V) error
	size int // records to gather
	raw  []rawRecord
}

type rawRecord struct{ key, value []byte }

func (c *chunk[V]) add(key, value []byte) error {
	c.raw = append(c.raw, rawRecord{bytes.Clone(key), bytes.Clone(value)})
	if len(c.raw) < c.size {
		return nil
	}
	c.size = min(2*c.size, maxChunk)
	return c.flush()
}

// flush hands on what comes before the first record that cannot be decoded.
func (c *chunk[V]) flush() error {
	records, errs := make([]V, len(c.raw)), make([]error, len(c.raw))
	workers := min(runtime.GOMAXPROCS(0), 1+len(c.raw)/32)
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { decodeShare(c.raw, records, errs, w, workers) })
	}
	decodeShare(c.raw, records, errs, 0, workers)
	wg.Wait()
	c.raw = c.raw[:0]
	for i := range records {
		if errs[i] != nil {
			return errs[i]
		}
		v := records[i] // one by one, so that none keeps the others alive
		if err := c.fn(&v); err != nil {
			return err
		}
	}
	return nil
}

// decodeShare decodes every n-th record, from the w-th.
func decodeShare[V any](raw []rawRecord, records []V, errs []error, w, n int) {
	for i := w; i < len(raw); i += n {
		errs[i] = decode(raw[i].key, raw[i].value, &records[i])
	}
}
