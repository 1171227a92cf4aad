package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/invoke"
)

func failedUpdateLeavesNothing(t *testing.T, s Store) {
	putFunctions(t, s, "kept")
	err := s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		must(t, tx.PutFunction(&function.Function{Name: "new"}))
		must(t, tx.DeleteFunction("kept"))
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("got %v", err)
	}
	if got := functionNames(t, s); len(got) != 1 || got[0] != "kept" {
		t.Errorf("left %q", got)
	}
}

func panicHurtsItsOwnRequest(t *testing.T, s Store) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not reach its caller")
			}
		}()
		_ = s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
			must(t, tx.PutFunction(&function.Function{Name: "half"}))
			panic("a bug")
		})
	}()
	putFunctions(t, s, "next")
	if got := functionNames(t, s); len(got) != 1 || got[0] != "next" {
		t.Errorf("left %q", got)
	}
}

func canceledUpdateDoesNotRun(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(context.Background())
	inside, leave, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- s.Catalog().Update(ctx, func(tx catalog.Tx) error {
			close(inside)
			<-leave
			return tx.PutFunction(&function.Function{Name: "first"})
		})
	}()
	<-inside
	go func() {
		done <- s.Catalog().Update(ctx, func(catalog.Tx) error { t.Error("it ran"); return nil })
	}()
	cancel()
	if err := <-done; !fault.Is(err, fault.Canceled) {
		t.Errorf("the one that waited: %v", err)
	}
	close(leave)
	must(t, <-done) // the one that ran
	if err := s.Catalog().View(ctx, func(catalog.Reader) error { return nil }); !fault.Is(err, fault.Canceled) {
		t.Errorf("a view: %v", err)
	}
	if got := functionNames(t, s); len(got) != 1 {
		t.Errorf("left %q", got)
	}
}

func viewSeesOneState(t *testing.T, s Store) {
	putFunctions(t, s, "a")
	must(t, s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		putFunctions(t, s, "b")
		b, err := r.Function("b")
		if b != nil {
			t.Error("a view saw what was written after its beginning")
		}
		return err
	}))
}

func returnedRecordsAreTheCallersOwn(t *testing.T, s Store) {
	f := &function.Function{Name: "f", Tags: map[string]string{"k": "v"}}
	ctx := context.Background()
	must(t, s.Catalog().Update(ctx, func(tx catalog.Tx) error {
		must(t, tx.PutFunction(f))
		f.Tags["k"] = "changed after it was put"
		got, err := tx.Function("f")
		got.Tags["k"] = "changed after it was read"
		return err
	}))
	must(t, s.Catalog().View(ctx, func(r catalog.Reader) error {
		got, err := r.Function("f")
		if got.Tags["k"] != "v" {
			t.Errorf("the record is now %v", got.Tags)
		}
		return err
	}))
}

// bump adds one to two counters, which must always be equal.
func bump(tx catalog.Tx) error {
	for _, name := range []string{"left", "right"} {
		f, err := tx.Function(name)
		if err != nil {
			return err
		}
		if f == nil {
			f = &function.Function{Name: name}
		}
		f.Revision++
		if err := tx.PutFunction(f); err != nil {
			return err
		}
	}
	return nil
}

const writers, rounds = 16, 20

func updatesAreSerialised(t *testing.T, s Store) {
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range rounds {
				err := s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
					if err := bump(tx); err != nil || i%4 != 0 {
						return err
					}
					return errEnough // every fourth fails after it has written
				})
				if (i%4 == 0) != errors.Is(err, errEnough) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		left, err := r.Function("left")
		right, err2 := r.Function("right")
		if want := uint64(writers * rounds * 3 / 4); left.Revision != want || right.Revision != want {
			t.Errorf("counted %d and %d, want %d", left.Revision, right.Revision, want)
		}
		return errors.Join(err, err2)
	}))
}

func updatesAreAtomicForReaders(t *testing.T, s Store) {
	must(t, s.Catalog().Update(context.Background(), bump))
	var readers, all sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		all.Go(func() {
			for i := 0; i < rounds; i++ {
				if err := s.Catalog().Update(context.Background(), bump); err != nil {
					t.Error(err)
				}
			}
		})
		readers.Go(func() {
			last := uint64(0)
			for {
				last = readPair(t, s, last)
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	all.Wait()
	close(stop)
	readers.Wait()
}

// readPair reads both counters and returns their value.
func readPair(t testing.TB, s Store, last uint64) (now uint64) {
	err := s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		left, err := r.Function("left")
		right, err2 := r.Function("right")
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		if left.Revision != right.Revision || left.Revision < last {
			t.Errorf("read %d and %d after %d", left.Revision, right.Revision, last)
		}
		now = left.Revision
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return now
}

// everybodyWritesAtOnce hammers all four ports.
func everybodyWritesAtOnce(t *testing.T, s Store) {
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				name := fmt.Sprintf("%02d-%02d", w, i)
				err := errors.Join(
					s.Catalog().Update(ctx, func(tx catalog.Tx) error {
						return tx.PutFunction(&function.Function{Name: name, CreatedAt: time.Unix(0, 0)})
					}),
					s.Identity().Update(ctx, func(tx identity.Tx) error { return tx.PutUser(&identity.User{Name: name}) }),
					s.Audit().Append(ctx, audit.Entry{ID: name}),
					s.Totals().SaveTotals(ctx, []invoke.Totals{{Function: name}}),
				)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	const want = writers * rounds
	users, _ := identities(t, s)
	totals, err := s.Totals().LoadTotals(ctx)
	must(t, err)
	if f, a := len(functionNames(t, s)), len(auditIDs(t, s, "", 0)); f != want || a != want || len(users) != want || len(totals) != want {
		t.Errorf("%d functions, %d entries, %d users, %d totals; want %d of each", f, a, len(users), len(totals), want)
	}
}
