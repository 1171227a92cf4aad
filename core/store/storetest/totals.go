package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/invoke"
)

func totalsOverwrite(t *testing.T, s Store) {
	ctx := context.Background()
	full := filled[invoke.Totals]()
	must(t, s.Totals().SaveTotals(ctx, []invoke.Totals{{Function: "a", Invocations: 1}, {Function: "a", Version: 2, Invocations: 5}, *full}))
	must(t, s.Totals().SaveTotals(ctx, []invoke.Totals{{Function: "a", Version: 2, Invocations: 9, Born: 3}}))
	must(t, s.Totals().SaveTotals(ctx, nil))
	all, err := s.Totals().LoadTotals(ctx)
	must(t, err)
	for _, want := range []invoke.Totals{{Function: "a", Invocations: 1}, {Function: "a", Version: 2, Invocations: 9, Born: 3}, *full} {
		if !slices.Contains(all, want) {
			t.Errorf("%+v is not in %+v", want, all)
		}
	}
	if len(all) != 3 {
		t.Errorf("%d records", len(all))
	}
}

func totalsGoWithTheirFunction(t *testing.T, s Store) {
	ctx := context.Background()
	var records []invoke.Totals
	for _, name := range []string{"a", "a-b", "b"} {
		for n := range function.Number(3) {
			records = append(records, invoke.Totals{Function: name, Version: n, Invocations: 1})
		}
	}
	must(t, s.Totals().SaveTotals(ctx, records))
	must(t, s.Catalog().Update(ctx, func(tx catalog.Tx) error {
		return errors.Join(tx.DeleteFunction("a"), tx.DeleteVersion("b", 1))
	}))
	all, err := s.Totals().LoadTotals(ctx)
	must(t, err)
	var left []string
	for _, rec := range all {
		left = append(left, fmt.Sprintf("%s:%d", rec.Function, rec.Version))
	}
	slices.Sort(left)
	if want := []string{"a-b:0", "a-b:1", "a-b:2", "b:0", "b:2"}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}
