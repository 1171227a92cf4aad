package store

import (
	"github.com/skiffhq/skiff/core/fault"
)

// maxRecord is the largest record, in bytes. What is larger belongs into
// files, as code does.
const maxRecord = 8 << 20

// tx is a transaction: a state of which the last layer is its own writes.
type tx struct {
	state
	own layer
}

func newTx(base state) *tx {
	own := layer{}
	base.layers = append(base.layers[:len(base.layers):len(base.layers)], own)
	return &tx{base, own}
}

func (t *tx) put(key []byte, record any) error {
	value, err := encode(record)
	if err != nil {
		return err
	}
	if len(value) > maxRecord {
		return fault.New(fault.TooLarge, "record_too_large", "write record %q: its %d bytes are over the limit of %d",
			describe(key), len(value), maxRecord)
	}
	t.own[string(key)] = value
	return nil
}

// delete does nothing where nothing is, as under a nil key.
func (t *tx) delete(key []byte) {
	if key != nil {
		t.own[string(key)] = nil
	}
}

// deleteAll deletes every record with the prefix.
func (t *tx) deleteAll(prefix []byte) error {
	return t.scan(prefix, true, func(key, _ []byte) error {
		t.delete(key)
		return nil
	})
}

// shrinks reports whether the transaction only deletes.
func (l layer) shrinks() bool {
	for _, value := range l {
		if value != nil {
			return false
		}
	}
	return true
}

// entryOverhead bounds what Badger adds to a key and a value when it counts
// the size of a transaction.
const entryOverhead = 32

// bytes returns the most that Badger counts for the writes: a value that goes
// into the value log counts as a pointer.
func (l layer) bytes() (n int64) {
	for key, value := range l {
		n += int64(len(key) + entryOverhead)
		if len(value) < valueThreshold {
			n += int64(len(value))
		}
	}
	return n
}

// putAt writes a record under a key that may have been refused.
func (t *tx) putAt(key []byte, err error, record any) error {
	if err != nil {
		return err
	}
	return t.put(key, record)
}
