package store

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/skiffhq/skiff/core/audit"
)

// trimBatch is how many entries one transaction deletes.
const trimBatch = 1000

// auditStore implements audit.Store.
type auditStore struct{ s *Store }

func (a auditStore) Append(ctx context.Context, entries ...audit.Entry) error {
	return a.s.update(ctx, func(t *tx) error {
		for _, e := range entries {
			key, err := join(kindAudit, e.ID)
			if err := t.putAt(key, err, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a auditStore) Each(ctx context.Context, cursor string, fn func(audit.Entry) error) error {
	var before []byte
	if cursor != "" {
		key, err := join(kindAudit, cursor)
		if err != nil {
			return err
		}
		before = key
	}
	return a.s.view(ctx, func(st *state) error {
		return st.scanBack(prefixOf(kindAudit), before, false, func(key, value []byte) error {
			var e audit.Entry
			if err := decode(key, value, &e); err != nil {
				return err
			}
			return fn(e)
		})
	})
}

// Trim deletes in batches: another trim goes on where one was interrupted.
func (a auditStore) Trim(ctx context.Context, keep int) error {
	for {
		old, err := a.oldest(ctx, keep)
		if err != nil || len(old) == 0 {
			return err
		}
		for batch := range slices.Chunk(old, trimBatch) {
			if err := a.delete(ctx, batch); err != nil {
				return err
			}
		}
	}
}

func (a auditStore) delete(ctx context.Context, keys [][]byte) error {
	return a.s.update(ctx, func(t *tx) error {
		for _, key := range keys {
			t.delete(key)
		}
		return nil
	})
}

var errEnough = errors.New("enough")

// trimAtOnce bounds the keys that are held in memory.
const trimAtOnce = 100 * trimBatch

// oldest returns the keys of all entries but the newest keep, newest first.
func (a auditStore) oldest(ctx context.Context, keep int) (keys [][]byte, err error) {
	err = a.s.view(ctx, func(st *state) error {
		seen := 0
		return st.scanBack(prefixOf(kindAudit), nil, true, func(key, _ []byte) error {
			if seen++; seen > keep {
				keys = append(keys, bytes.Clone(key))
			}
			if len(keys) == trimAtOnce {
				return errEnough
			}
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return keys, err
}
