// Package storetest says what catalog, identity, audit and invoke may rely on
// when they store something, as tests that every store must pass.
//
// What only a disk can do wrong (full, locked, half written) is tested beside
// the store that has one.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/invoke"
)

// Store is what is tested.
type Store interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	Catalog() catalog.Store
	Identity() identity.Store
	Audit() audit.Store
	Totals() invoke.TotalsStore
}

// Subject makes the stores of a run.
type Subject struct {
	// New returns a store that was not started. Where it is durable its
	// records are in dir, and another store in dir has them.
	New     func(t testing.TB, dir string) Store
	Durable bool
}

// Run tests a store.
func Run(t *testing.T, s Subject) {
	for name, test := range map[string]func(*testing.T, Store){
		"CatalogKeepsEveryField":          catalogKeepsEveryField,
		"CatalogGoesInOrder":              catalogGoesInOrder,
		"CatalogDeletes":                  catalogDeletes,
		"CatalogReadsItsWrites":           catalogReadsItsWrites,
		"CatalogScansTheStateAtTheStart":  catalogScansTheStateAtTheStart,
		"CatalogRefusesWhatIsNoName":      catalogRefusesWhatIsNoName,
		"CatalogHolds10000Functions":      catalogHolds10000Functions,
		"IdentityKeepsEveryField":         identityKeepsEveryField,
		"IdentityGoesInOrder":             identityGoesInOrder,
		"AuditGoesNewestFirst":            auditGoesNewestFirst,
		"AuditTrims":                      auditTrims,
		"TotalsOverwrite":                 totalsOverwrite,
		"TotalsGoWithTheirFunction":       totalsGoWithTheirFunction,
		"TotalsOfWhatIsGoneAreLeftOut":    totalsOfWhatIsGone,
		"AFailedUpdateLeavesNothing":      failedUpdateLeavesNothing,
		"APanicHurtsItsOwnRequest":        panicHurtsItsOwnRequest,
		"ACanceledUpdateDoesNotRun":       canceledUpdateDoesNotRun,
		"AViewSeesOneState":               viewSeesOneState,
		"ReturnedRecordsAreTheCallersOwn": returnedRecordsAreTheCallersOwn,
		"UpdatesAreSerialised":            updatesAreSerialised,
		"UpdatesAreAtomicForReaders":      updatesAreAtomicForReaders,
		"EverybodyWritesAtOnce":           everybodyWritesAtOnce,
		"AStoppedStoreRefuses":            stoppedStoreRefuses,
	} {
		t.Run(name, func(t *testing.T) { test(t, s.start(t, t.TempDir())) })
	}
	if s.Durable {
		t.Run("ReopenKeepsEverything", func(t *testing.T) { reopenKeepsEverything(t, s) })
		t.Run("ACrashKeepsWhatWasAnswered", func(t *testing.T) { crashKeepsWhatWasAnswered(t, s) })
	}
}

// start returns a running store, which is stopped when the test ends.
func (s Subject) start(t testing.TB, dir string) Store {
	t.Helper()
	store := s.New(t, dir)
	must(t, store.Start(context.Background()))
	t.Cleanup(func() { must(t, store.Stop(context.Background())) })
	return store
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var errEnough = errors.New("enough")

func stoppedStoreRefuses(t *testing.T, s Store) {
	ctx := context.Background()
	putFunctions(t, s, "f")
	must(t, s.Stop(ctx))
	must(t, s.Stop(ctx))
	_, loadErr := s.Totals().LoadTotals(ctx)
	for name, err := range map[string]error{
		"view":   s.Catalog().View(ctx, func(catalog.Reader) error { t.Error("a view ran"); return nil }),
		"update": s.Catalog().Update(ctx, func(catalog.Tx) error { t.Error("an update ran"); return nil }),
		"users":  s.Identity().Update(ctx, func(identity.Tx) error { t.Error("an update ran"); return nil }),
		"append": s.Audit().Append(ctx, audit.Entry{ID: "1"}),
		"each":   s.Audit().Each(ctx, "", func(audit.Entry) error { return nil }),
		"trim":   s.Audit().Trim(ctx, 0),
		"load":   loadErr,
		"save":   s.Totals().SaveTotals(ctx, []invoke.Totals{{Function: "f"}}),
	} {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s of a stopped store: %v", name, err)
		}
	}
}

// putFunctions stores functions with nothing but a name.
func putFunctions(t testing.TB, s Store, names ...string) {
	t.Helper()
	must(t, s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		for _, name := range names {
			if err := tx.PutFunction(&function.Function{Name: name}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// functionNames lists the functions in the order of EachFunction.
func functionNames(t testing.TB, s Store) (names []string) {
	t.Helper()
	must(t, s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		return r.EachFunction(func(f *function.Function) error {
			names = append(names, f.Name)
			return nil
		})
	}))
	return names
}

// moment is a time with nanoseconds.
var moment = time.Date(2026, 3, 1, 12, 30, 15, 123456789, time.UTC)
