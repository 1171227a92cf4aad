package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/skiffhq/skiff/core/fault"
)

// steps lead from one schema to the next: steps[0] from 1 to 2 and so on. A
// store is of schema len(steps)+1 when all are done. Steps are never changed
// once they were released; a new one is added at the end.
//
// A field that is added to a record needs no step, as JSON tells what is there.
var steps []step

// step rewrites the records of one kind.
type step struct {
	name string
	kind string
	// rewrite returns what becomes of one record. It must bear to see its own
	// results, for a key that it adds to the kind may be visited later.
	rewrite func(key, value []byte) ([]change, error)
}

// change is a new value of a key; a nil value deletes it.
type change struct{ key, value []byte }

// migrateBatch is how many records one transaction rewrites. The place reached
// is written in the same transaction, so a step goes on after a power cut.
const migrateBatch = 500

// migrate brings the store to the schema of this binary. It refuses a newer
// one: what an older binary wrote into it could not be trusted.
func (s *Store) migrate(ctx context.Context) error {
	target := uint32(len(s.opts.steps) + 1)
	schema, err := s.schema()
	if err != nil {
		return err
	}
	if schema == 0 {
		return s.apply([]change{{schemaKey, number(target)}})
	}
	if schema > target {
		return fault.New(fault.Unavailable, "schema_newer", "open the store in %q: its schema %d is newer than %d, which this version knows",
			s.opts.Dir, schema, target).WithRemedy("run the newer Skiff that wrote it, or restore a backup made by this version")
	}
	for ; schema < target; schema++ {
		st := s.opts.steps[schema-1]
		s.log.Info("store is being migrated", "step", st.name, "from", schema, "to", schema+1)
		if err := s.migrateStep(ctx, st, schema+1); err != nil {
			return fmt.Errorf("migrate the store by step %q: %w", st.name, err)
		}
	}
	return nil
}

// schema returns the number in the store, 0 for a new one. A store with
// records but no number is not ours.
func (s *Store) schema() (n uint32, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		st := &state{txn: txn}
		found, err := st.read(schemaKey, func(value []byte) error {
			if len(value) != 4 {
				return corrupt(errEmptyRecord, schemaKey)
			}
			n = binary.BigEndian.Uint32(value)
			return nil
		})
		if found || err != nil {
			return err
		}
		return st.scan(nil, true, func([]byte, []byte) error {
			return fault.New(fault.Unavailable, "store_foreign", "open the store in %q: it holds data that no Skiff wrote", s.opts.Dir).
				WithRemedy("give Skiff a directory of its own")
		})
	})
	return n, err
}

// migrateStep rewrites batch after batch and ends with the new schema.
func (s *Store) migrateStep(ctx context.Context, st step, schema uint32) error {
	prefix := prefixOf(st.kind)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		changes, last, err := s.rewriteBatch(st, prefix)
		if err != nil {
			return err
		}
		if last == nil {
			return s.apply([]change{{schemaKey, number(schema)}, {stepKey, nil}})
		}
		if err := s.apply(append(changes, change{stepKey, last})); err != nil {
			return err
		}
	}
}

var errBatchFull = errors.New("a batch is full")

// rewriteBatch rewrites the records behind the place reached. It returns the
// last key it saw, nil where there was none.
func (s *Store) rewriteBatch(st step, prefix []byte) (changes []change, last []byte, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		snap := &state{txn: txn}
		var from []byte
		if _, err := snap.read(stepKey, func(v []byte) error { from = bytes.Clone(v); return nil }); err != nil {
			return err
		}
		seen := 0
		return snap.scanFrom(prefix, from, func(key, value []byte) error {
			if seen == migrateBatch {
				return errBatchFull
			}
			seen++
			more, err := st.rewrite(bytes.Clone(key), bytes.Clone(value))
			changes, last = append(changes, more...), bytes.Clone(key)
			return err
		})
	})
	if errors.Is(err, errBatchFull) {
		err = nil
	}
	return changes, last, err
}

// apply writes changes in one transaction, before the committer runs.
func (s *Store) apply(changes []change) error {
	if err := s.reserve.check(false); err != nil {
		return err
	}
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	for _, c := range changes {
		if err := set(txn, string(c.key), c.value); err != nil {
			return err
		}
	}
	if err := txn.Commit(); err != nil {
		return err
	}
	return syncDir(s.opts.Dir)
}

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
