package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func catalogKeepsEveryField(t *testing.T, s Store) {
	ctx := context.Background()
	f, v, a := filled[function.Function](), filled[function.Version](), filled[function.Alias]()
	must(t, s.Catalog().Update(ctx, func(tx catalog.Tx) error {
		return errors.Join(tx.PutFunction(f), tx.PutVersion(v), tx.PutAlias(a))
	}))
	must(t, s.Catalog().View(ctx, func(r catalog.Reader) error {
		gotF, err1 := r.Function(f.Name)
		gotV, err2 := r.Version(v.FunctionName, v.Number)
		gotA, err3 := r.Alias(a.FunctionName, a.Name)
		wantSame(t, gotF, f)
		wantSame(t, gotV, v)
		wantSame(t, gotA, a)
		return errors.Join(err1, err2, err3)
	}))
}

func wantSame[T any](t testing.TB, got, want *T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// tricky are names of which some are prefixes of others, with bytes on both
// sides of every separator one might choose.
var tricky = []string{"a", "a-b", "a0", "a_", "aa", "aaa", "ab", "b", "B", "a-", "0", "-", "_"}

// born is when the tricky functions are, in nanoseconds since 1970.
const born = 7

// fillTricky gives each tricky function the versions 1, 2, 255, 256 and 65536
// and two aliases, in an order of no sense.
func fillTricky(t testing.TB, s Store) {
	t.Helper()
	must(t, s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		var errs []error
		for _, name := range tricky {
			errs = append(errs, tx.PutFunction(&function.Function{Name: name, CreatedAt: time.Unix(0, born)}))
			for _, n := range []function.Number{256, 2, 65536, 1, 255} {
				errs = append(errs, tx.PutVersion(&function.Version{FunctionName: name, Number: n}))
			}
			for _, alias := range []string{"prod", "b"} {
				errs = append(errs, tx.PutAlias(&function.Alias{FunctionName: name, Name: alias}))
			}
		}
		return errors.Join(errs...)
	}))
}

func catalogGoesInOrder(t *testing.T, s Store) {
	fillTricky(t, s)
	sorted := slices.Sorted(slices.Values(tricky))
	if got := functionNames(t, s); !slices.Equal(got, sorted) {
		t.Errorf("functions %q, want %q", got, sorted)
	}
	must(t, s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		wantRecords(t, r, "", sorted)
		for _, name := range tricky {
			wantRecords(t, r, name, []string{name})
		}
		wantRecords(t, r, "a-b-c", nil)
		return nil
	}))
	catalogStopsEarly(t, s)
}

// wantRecords checks the versions and aliases that name gives.
func wantRecords(t testing.TB, r catalog.Reader, name string, of []string) {
	t.Helper()
	var want, wantAliases, got, gotAliases []string
	for _, f := range of {
		for _, n := range []int{1, 2, 255, 256, 65536} {
			want = append(want, fmt.Sprintf("%s:%d", f, n))
		}
		wantAliases = append(wantAliases, f+":b", f+":prod")
	}
	must(t, r.EachVersion(name, func(v *function.Version) error {
		got = append(got, fmt.Sprintf("%s:%d", v.FunctionName, v.Number))
		return nil
	}))
	must(t, r.EachAlias(name, func(a *function.Alias) error {
		gotAliases = append(gotAliases, a.FunctionName+":"+a.Name)
		return nil
	}))
	if !slices.Equal(got, want) || !slices.Equal(gotAliases, wantAliases) {
		t.Errorf("of %q: versions %q, aliases %q", name, got, gotAliases)
	}
}

func catalogStopsEarly(t *testing.T, s Store) {
	seen := 0
	err := s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		return r.EachVersion("", func(*function.Version) error {
			if seen++; seen == 3 {
				return errEnough
			}
			return nil
		})
	})
	if !errors.Is(err, errEnough) || seen != 3 {
		t.Errorf("saw %d, then %v", seen, err)
	}
}

func catalogDeletes(t *testing.T, s Store) {
	fillTricky(t, s)
	ctx := context.Background()
	must(t, s.Catalog().Update(ctx, func(tx catalog.Tx) error {
		return errors.Join(tx.DeleteFunction("a"), tx.DeleteVersion("a", 256), tx.DeleteAlias("a", "b"),
			tx.DeleteFunction("never"), tx.DeleteVersion("never", 1), tx.DeleteAlias("never", "b"), tx.DeleteFunction(""))
	}))
	must(t, s.Catalog().View(ctx, func(r catalog.Reader) error {
		f, err1 := r.Function("a")
		v, err2 := r.Version("a", 256)
		a, err3 := r.Alias("a", "b")
		other, err4 := r.Version("a-b", 256)
		left, err5 := r.Version("a", 255) // nothing goes with a function
		if f != nil || v != nil || a != nil || other == nil || left == nil {
			t.Errorf("after deletion: %v %v %v, another's %v, kept %v", f, v, a, other, left)
		}
		return errors.Join(err1, err2, err3, err4, err5)
	}))
}

func catalogReadsItsWrites(t *testing.T, s Store) {
	putFunctions(t, s, "a", "b", "c")
	must(t, s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		must(t, tx.PutFunction(&function.Function{Name: "bb"}))
		must(t, tx.PutFunction(&function.Function{Name: "c", Revision: 7}))
		must(t, tx.PutFunction(&function.Function{Name: "z"}))
		must(t, tx.DeleteFunction("a"))
		must(t, tx.DeleteFunction("z"))
		var got []string
		must(t, tx.EachFunction(func(f *function.Function) error {
			got = append(got, fmt.Sprintf("%s/%d", f.Name, f.Revision))
			return nil
		}))
		if want := []string{"b/0", "bb/0", "c/7"}; !slices.Equal(got, want) {
			t.Errorf("the transaction sees %q, want %q", got, want)
		}
		a, err := tx.Function("a")
		c, err2 := tx.Function("c")
		if a != nil || c == nil || c.Revision != 7 {
			t.Errorf("the transaction reads %v, %v", a, c)
		}
		return errors.Join(err, err2)
	}))
	if got := functionNames(t, s); !slices.Equal(got, []string{"b", "bb", "c"}) {
		t.Errorf("afterwards %q", got)
	}
}

func catalogScansTheStateAtTheStart(t *testing.T, s Store) {
	putFunctions(t, s, "a", "b", "c")
	var seen []string
	must(t, s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		return tx.EachFunction(func(f *function.Function) error {
			seen = append(seen, f.Name)
			return errors.Join(tx.DeleteFunction(f.Name), tx.PutFunction(&function.Function{Name: f.Name + "-next"}))
		})
	}))
	if want := []string{"a", "b", "c"}; !slices.Equal(seen, want) {
		t.Errorf("saw %q, want %q", seen, want)
	}
	if got := functionNames(t, s); !slices.Equal(got, []string{"a-next", "b-next", "c-next"}) {
		t.Errorf("afterwards %q", got)
	}
}

func catalogRefusesWhatIsNoName(t *testing.T, s Store) {
	for _, name := range []string{"", "a\x00b", strings.Repeat("x", 2000)} {
		err := s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
			if f, err := tx.Function(name); f != nil || err != nil {
				t.Errorf("%.20q: read %v, %v", name, f, err)
			}
			return tx.PutFunction(&function.Function{Name: name})
		})
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

func catalogHolds10000Functions(t *testing.T, s Store) {
	const n, step = 10_000, 1000
	for from := 0; from < n; from += step {
		names := make([]string, step)
		for i := range names {
			names[i] = fmt.Sprintf("f%05d", from+i)
		}
		putFunctions(t, s, names...)
	}
	got := functionNames(t, s)
	if len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%d functions, sorted: %v", len(got), slices.IsSorted(got))
	}
	must(t, s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		f, err := r.Function("f04711")
		if f == nil || f.Name != "f04711" {
			t.Errorf("read %v", f)
		}
		return err
	}))
}
