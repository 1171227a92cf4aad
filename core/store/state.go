package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/dgraph-io/badger/v4"
)

// layer is what a transaction has written and Badger does not show yet: the
// new value of a key, or nil where it was deleted.
type layer map[string][]byte

// state reads records at one moment: what Badger holds in a snapshot, below
// layers of which the last wins. It serves one goroutine.
type state struct {
	txn    *badger.Txn
	layers []layer
}

// read calls fn with the key's value, which is valid until fn returns, and
// reports whether there is one.
func (s *state) read(key []byte, fn func(value []byte) error) (bool, error) {
	for _, l := range slices.Backward(s.layers) {
		if value, written := l[string(key)]; written {
			if value == nil {
				return false, nil
			}
			return true, fn(value)
		}
	}
	item, err := s.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read record %q: %w", describe(key), err)
	}
	return true, item.Value(fn)
}

// scan calls fn for each key with the prefix, in order, until it returns an
// error. It shows the state at its beginning: fn may write. Key and value are
// valid until fn returns; the value is nil where keysOnly is set.
func (s *state) scan(prefix []byte, keysOnly bool, fn func(key, value []byte) error) error {
	written := s.written(prefix)
	it := s.iterator(prefix, keysOnly, false)
	defer it.Close()
	it.Rewind()
	for it.Valid() || len(written) > 0 {
		if it.Valid() && (len(written) == 0 || string(it.Item().Key()) < written[0].key) {
			if err := visit(it.Item(), keysOnly, fn); err != nil {
				return err
			}
			it.Next()
			continue
		}
		next := written[0]
		written = written[1:]
		if it.Valid() && string(it.Item().Key()) == next.key {
			it.Next() // hidden by what was written
		}
		if next.value == nil {
			continue
		}
		if err := fn([]byte(next.key), next.value); err != nil {
			return err
		}
	}
	return nil
}

// scanBack is scan from the highest key downwards, beginning below before
// where that is not nil. It reads snapshots only, which have no layers.
func (s *state) scanBack(prefix, before []byte, keysOnly bool, fn func(key, value []byte) error) error {
	it := s.iterator(prefix, keysOnly, true)
	defer it.Close()
	from := before
	if from == nil {
		from = append(bytes.Clone(prefix), 0xFF) // no kind has keys above this
	}
	for it.Seek(from); it.ValidForPrefix(prefix); it.Next() {
		if before != nil && bytes.Compare(it.Item().Key(), before) >= 0 {
			continue
		}
		if err := visit(it.Item(), keysOnly, fn); err != nil {
			return err
		}
	}
	return nil
}

// scanFrom is scan of the keys above after, in a snapshot.
func (s *state) scanFrom(prefix, after []byte, fn func(key, value []byte) error) error {
	it := s.iterator(prefix, false, false)
	defer it.Close()
	from := prefix
	if after != nil {
		from = append(bytes.Clone(after), 0)
	}
	for it.Seek(from); it.Valid(); it.Next() {
		if err := visit(it.Item(), false, fn); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) iterator(prefix []byte, keysOnly, reverse bool) *badger.Iterator {
	opts := badger.IteratorOptions{PrefetchSize: 1, Reverse: reverse, Prefix: prefix}
	// Values lie beside their keys, so that fetching them ahead, in a
	// goroutine and a copy each, would only cost.
	opts.PrefetchValues = false
	return s.txn.NewIterator(opts)
}

func visit(item *badger.Item, keysOnly bool, fn func(key, value []byte) error) error {
	if keysOnly {
		return fn(item.Key(), nil)
	}
	return item.Value(func(value []byte) error { return fn(item.Key(), value) })
}

type write struct {
	key   string
	value []byte // nil: deleted
}

// written returns the newest write to each key with the prefix, in order.
func (s *state) written(prefix []byte) []write {
	var found []write
	for i, l := range s.layers {
		for key, value := range l {
			if bytes.HasPrefix([]byte(key), prefix) && !overwritten(s.layers[i+1:], key) {
				found = append(found, write{key, value})
			}
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].key < found[j].key })
	return found
}

func overwritten(above []layer, key string) bool {
	for _, l := range above {
		if _, ok := l[key]; ok {
			return true
		}
	}
	return false
}
