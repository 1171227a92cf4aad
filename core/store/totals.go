package store

import (
	"context"

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
		for _, rec := range totals {
			key, err := joinNumber(kindTotals, rec.Function, rec.Version)
			if err := x.putAt(key, err, rec); err != nil {
				return err
			}
		}
		return nil
	})
}
