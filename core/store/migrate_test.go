package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

// old makes a store of schema 1 with records of a kind that no present code
// knows: "old·NNNN" with the bare number as value.
func old(t *testing.T, records int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := New(Options{Dir: dir, steps: []step{}})
	must(t, s.Start(context.Background()))
	for from := 0; from < records; from += 1000 {
		must(t, s.update(context.Background(), func(tx *tx) error {
			for i := from; i < min(from+1000, records); i++ {
				tx.own[string(oldKey(i))] = fmt.Append(nil, i)
			}
			return nil
		}))
	}
	stop(t, s)
	return dir
}

func oldKey(i int) []byte { return fmt.Appendf(prefixOf("old"), "%04d", i) }
func newKey(i int) []byte { return fmt.Appendf(prefixOf("new"), "%04d", i) }

// toNew moves the records to another kind and puts a mark before each value;
// then toMarked marks them once more, where they are.
var (
	toNew = step{name: "move to new", kind: "old", rewrite: func(key, value []byte) ([]change, error) {
		moved := append(prefixOf("new"), key[len(prefixOf("old")):]...)
		return []change{{key, nil}, {moved, append([]byte("n"), value...)}}, nil
	}}
	toMarked = step{name: "mark", kind: "new", rewrite: func(key, value []byte) ([]change, error) {
		if bytes.HasPrefix(value, []byte("m")) {
			return nil, nil
		}
		return []change{{key, append([]byte("m"), value...)}}, nil
	}}
)

func TestMigrationsRunInOrderAndOnce(t *testing.T) {
	const records = 3*migrateBatch + 7
	dir := old(t, records)
	for range 2 {
		s := New(Options{Dir: dir, steps: []step{toNew, toMarked}})
		must(t, s.Start(context.Background()))
		wantMigrated(t, s, records)
		stop(t, s)
	}
}

func wantMigrated(t *testing.T, s *Store, records int) {
	t.Helper()
	for i := range records {
		if got, want := get(t, s, newKey(i)), fmt.Sprintf("mn%d", i); got != want {
			t.Fatalf("record %d is %q, want %q", i, got, want)
		}
	}
	if got := get(t, s, oldKey(3)); got != "" {
		t.Errorf("the old record is still there: %q", got)
	}
	if got := get(t, s, schemaKey); got != "\x00\x00\x00\x03" {
		t.Errorf("the schema is %q", got)
	}
	if got := get(t, s, stepKey); got != "" {
		t.Errorf("a place is left behind: %q", got)
	}
}

func TestAMigrationGoesOnWhereItWasInterrupted(t *testing.T) {
	const records = 4 * migrateBatch
	dir := old(t, records)
	seen := 0
	counting := toMarked
	// Marks again what was marked: a batch that ran twice would be noticed.
	counting.rewrite = func(key, value []byte) ([]change, error) {
		if seen++; seen == 2*migrateBatch+10 {
			return nil, errors.New("power cut")
		}
		return []change{{key, append([]byte("m"), value...)}}, nil
	}
	s := New(Options{Dir: dir, steps: []step{toNew, counting}})
	wantFault(t, s.Start(context.Background()), fault.Unavailable, "store_open")
	again := New(Options{Dir: dir, steps: []step{toNew, counting}})
	must(t, again.Start(context.Background()))
	wantMigrated(t, again, records)
	stop(t, again)
	if want := records + 10; seen != want {
		t.Errorf("%d records were rewritten, want %d", seen, want)
	}
}

func TestACanceledMigrationIsAnEndToo(t *testing.T) {
	dir := old(t, 2*migrateBatch)
	ctx, cancel := context.WithCancel(context.Background())
	canceling := toNew
	canceling.rewrite = func(key, value []byte) ([]change, error) { cancel(); return toNew.rewrite(key, value) }
	if err := New(Options{Dir: dir, steps: []step{canceling, toMarked}}).Start(ctx); !fault.Is(err, fault.Canceled) {
		t.Fatalf("got %v", err)
	}
	s := New(Options{Dir: dir, steps: []step{toNew, toMarked}})
	must(t, s.Start(context.Background()))
	wantMigrated(t, s, 2*migrateBatch)
	stop(t, s)
}

func TestANewerStoreIsRefused(t *testing.T) {
	dir := old(t, 10)
	s := New(Options{Dir: dir, steps: []step{toNew, toMarked}})
	must(t, s.Start(context.Background()))
	stop(t, s)
	wantFault(t, New(Options{Dir: dir, steps: []step{toNew}}).Start(context.Background()), fault.Unavailable, "schema_newer")
	s = New(Options{Dir: dir, steps: []step{toNew, toMarked}}) // and was left as it is
	must(t, s.Start(context.Background()))
	wantMigrated(t, s, 10)
	stop(t, s)
}

func TestAnEmptyStoreHasTheNewestSchema(t *testing.T) {
	never := step{name: "never", kind: "old", rewrite: func(_, _ []byte) ([]change, error) { panic("ran") }}
	s := started(t, Options{Dir: t.TempDir(), steps: []step{never, never}})
	if got := get(t, s, schemaKey); got != "\x00\x00\x00\x03" {
		t.Errorf("the schema is %q", got)
	}
}
