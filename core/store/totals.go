package store

import (
	"context"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/invoke"
)

// totalsStore implements invoke.TotalsStore.
type totalsStore struct{ s *Store }

func (t totalsStore) LoadTotals(ctx context.Context) (all []invoke.Totals, err error) {
	err = t.s.view(ctx, func(st *state) error {
		return each(st, prefixOf(kindTotals), func(rec *invoke.Totals) error {
			all = append(all, *rec)
			return nil
		})
	})
	return all, err
}

func (t totalsStore) SaveTotals(ctx context.Context, totals []invoke.Totals) error {
	return t.s.update(ctx, func(x *tx) error {
		counted := counted{tx: x}
		for _, rec := range totals {
			there, err := counted.has(rec)
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			key, err := joinNumber(kindTotals, rec.Function, rec.Version)
			if err := x.putAt(key, err, rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// counted finds what counters belong to. Those of one function come together,
// so it remembers the last one.
type counted struct {
	tx   *tx
	name string
	fn   *function.Function // nil where there is none
}

func (c *counted) has(rec invoke.Totals) (bool, error) {
	if rec.Function != c.name {
		fn, err := load[function.Function](&c.tx.state, find(kindFunction, rec.Function))
		if err != nil {
			return false, err
		}
		c.name, c.fn = rec.Function, fn
	}
	if c.fn == nil || c.fn.Born() != rec.Born {
		return false, nil
	}
	if rec.Version == 0 || rec.Version == invoke.Gone {
		return true, nil
	}
	return c.tx.read(findNumber(kindVersion, rec.Function, rec.Version), func([]byte) error { return nil })
}
