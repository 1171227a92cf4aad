package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/invoke"
)

// counted stores functions that were born at 0, with versions 1 and 2.
func counted(t testing.TB, s Store, names ...string) {
	t.Helper()
	must(t, s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		var errs []error
		for _, name := range names {
			errs = append(errs, tx.PutFunction(&function.Function{Name: name, CreatedAt: time.Unix(0, 0)}),
				tx.PutVersion(&function.Version{FunctionName: name, Number: 1}),
				tx.PutVersion(&function.Version{FunctionName: name, Number: 2}))
		}
		return errors.Join(errs...)
	}))
}

// wantTotals compares all that is stored, in any order.
func wantTotals(t testing.TB, s Store, want ...invoke.Totals) {
	t.Helper()
	all, err := s.Totals().LoadTotals(context.Background())
	must(t, err)
	for _, w := range want {
		if !slices.Contains(all, w) {
			t.Errorf("%+v is not in %+v", w, all)
		}
	}
	if len(all) != len(want) {
		t.Errorf("%d records, want %d: %+v", len(all), len(want), all)
	}
}

func totalsOverwrite(t *testing.T, s Store) {
	ctx := context.Background()
	counted(t, s, "a")
	full := filled[invoke.Totals]()
	must(t, s.Catalog().Update(ctx, func(tx catalog.Tx) error {
		return errors.Join(tx.PutFunction(&function.Function{Name: full.Function, CreatedAt: time.Unix(0, full.Born)}),
			tx.PutVersion(&function.Version{FunctionName: full.Function, Number: full.Version}))
	}))
	must(t, s.Totals().SaveTotals(ctx, []invoke.Totals{{Function: "a", Invocations: 1}, {Function: "a", Version: 2, Invocations: 5}, *full}))
	must(t, s.Totals().SaveTotals(ctx, []invoke.Totals{{Function: "a", Version: 2, Invocations: 9}}))
	must(t, s.Totals().SaveTotals(ctx, nil))
	wantTotals(t, s, invoke.Totals{Function: "a", Invocations: 1}, invoke.Totals{Function: "a", Version: 2, Invocations: 9}, *full)
}

// totalsOfWhatIsGone are those that come too late.
func totalsOfWhatIsGone(t *testing.T, s Store) {
	counted(t, s, "a", "b")
	must(t, s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		return errors.Join(tx.DeleteVersion("a", 2), tx.DeleteFunction("b"))
	}))
	kept := []invoke.Totals{
		{Function: "a", Invocations: 1}, {Function: "a", Version: 1, Invocations: 2},
		{Function: "a", Version: invoke.Gone, Invocations: 3},
	}
	must(t, s.Totals().SaveTotals(context.Background(), append([]invoke.Totals{
		{Function: "a", Version: 2, Invocations: 4}, {Function: "b", Invocations: 5}, {Function: "never", Invocations: 6},
		{Function: "a", Version: 1, Invocations: 7, Born: -1}, // a namesake's
	}, kept...)))
	wantTotals(t, s, kept...)
}

func totalsGoWithTheirFunction(t *testing.T, s Store) {
	ctx := context.Background()
	counted(t, s, "a", "a-b", "b")
	var records, left []invoke.Totals
	for _, name := range []string{"a", "a-b", "b"} {
		for _, n := range []function.Number{0, 1, 2, invoke.Gone} {
			rec := invoke.Totals{Function: name, Version: n, Invocations: 1}
			records = append(records, rec)
			if name != "a" && (name != "b" || n != 1) {
				left = append(left, rec)
			}
		}
	}
	must(t, s.Totals().SaveTotals(ctx, records))
	must(t, s.Catalog().Update(ctx, func(tx catalog.Tx) error {
		return errors.Join(tx.DeleteFunction("a"), tx.DeleteVersion("b", 1))
	}))
	wantTotals(t, s, left...)
}
