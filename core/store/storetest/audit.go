package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/skiffhq/skiff/core/audit"
)

// auditIDs lists what Each gives after a cursor, at most n.
func auditIDs(t testing.TB, s Store, cursor string, n int) (ids []string) {
	t.Helper()
	err := s.Audit().Each(context.Background(), cursor, func(e audit.Entry) error {
		if ids = append(ids, e.ID); len(ids) == n {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return ids
}

func auditGoesNewestFirst(t *testing.T, s Store) {
	ctx := context.Background()
	if ids := auditIDs(t, s, "", 10); len(ids) != 0 {
		t.Errorf("an empty log gives %q", ids)
	}
	full := filled[audit.Entry]()
	full.ID = "05"
	must(t, s.Audit().Append(ctx, audit.Entry{ID: "01"}, audit.Entry{ID: "02"}, audit.Entry{ID: "03"}))
	must(t, s.Audit().Append(ctx, *full))
	must(t, s.Audit().Append(ctx))
	for _, tc := range []struct {
		cursor string
		n      int
		want   []string
	}{
		{"", 10, []string{"05", "03", "02", "01"}},
		{"", 2, []string{"05", "03"}},
		{"03", 10, []string{"02", "01"}},
		{"04", 10, []string{"03", "02", "01"}}, // the entry of the cursor may be gone
		{"01", 10, nil},
		{"00", 10, nil},
		{"99", 1, []string{"05"}},
	} {
		if got := auditIDs(t, s, tc.cursor, tc.n); !slices.Equal(got, tc.want) {
			t.Errorf("from %q: %q, want %q", tc.cursor, got, tc.want)
		}
	}
	must(t, s.Audit().Each(ctx, "99", func(e audit.Entry) error {
		if e.ID == full.ID {
			wantSame(t, &e, full)
		}
		return nil
	}))
}

func auditTrims(t *testing.T, s Store) {
	ctx := context.Background()
	var entries []audit.Entry
	for i := range 2500 {
		entries = append(entries, audit.Entry{ID: fmt.Sprintf("%08d", i), Actor: "ada"})
	}
	must(t, s.Audit().Append(ctx, entries...))
	for _, keep := range []int{5000, 2500, 120, 120, 0} {
		must(t, s.Audit().Trim(ctx, keep))
		left := auditIDs(t, s, "", 0)
		if want := min(keep, 2500); len(left) != want {
			t.Fatalf("keeping %d left %d", keep, len(left))
		}
		if len(left) > 0 && left[0] != "00002499" {
			t.Errorf("keeping %d lost the newest: %s", keep, left[0])
		}
	}
}
