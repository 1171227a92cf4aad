package store

import (
	"encoding/json"
	"errors"

	"github.com/skiffhq/skiff/core/fault"
)

// codecJSON is the first byte of a record whose rest is JSON. It is on disk.
//
// JSON, because the structs' tags are the storage format then: a field that is
// added needs no migration, and a record can be read by eye from a broken
// disk. A binary form would halve the time to decode, which is paid once at
// start (see BenchmarkOpen10000) and never by an invocation.
const codecJSON = 0x01

// encode returns the stored form of a record.
func encode(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "encode_record", "encode a record")
	}
	return append([]byte{codecJSON}, body...), nil
}

var errEmptyRecord = errors.New("it is empty")

// decode reads the stored form of a record into v and keeps nothing of it.
func decode(key, value []byte, v any) error {
	if len(value) == 0 {
		return corrupt(errEmptyRecord, key)
	}
	if value[0] != codecJSON {
		return fault.New(fault.Internal, "record_version", "read record %q: its format %d is not known to this version",
			describe(key), value[0]).WithRemedy("a newer Skiff wrote this store: run that version, or restore a backup made by this one")
	}
	if err := json.Unmarshal(value[1:], v); err != nil {
		return corrupt(err, key)
	}
	return nil
}

func corrupt(cause error, key []byte) error {
	return fault.Wrap(cause, fault.Internal, "record_corrupt", "read record %q: it cannot be decoded", describe(key)).
		WithRemedy("restore the newest backup, and check the disk")
}
