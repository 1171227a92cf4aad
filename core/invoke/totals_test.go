package invoke

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

func TestTotalsContinueWhatTheStoreHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		last := time.Unix(100, 0).UTC()
		w.kept = []Totals{
			{Function: "f", Version: 1, Born: 7, Invocations: 10, LastInvokedAt: last},
			{Function: "f", Version: 3, Born: 7, Invocations: 5},
			{Function: "f", Version: 1, Born: 6, Invocations: 99}, // a deleted namesake
		}
		v := w.start(t, nil)
		if n, at := v.Totals(w.fn); n != 15 || !at.Equal(last) {
			t.Errorf("loaded %d, %v", n, at)
		}
		if _, err := v.Invoke(context.Background(), request()); err != nil {
			t.Fatal(err)
		}
		if n, at := v.Totals(w.fn); n != 16 || !at.Equal(time.Now()) {
			t.Errorf("then %d, %v", n, at)
		}
		if n, _ := v.VersionTotals(w.fn, 3); n != 6 {
			t.Errorf("version 3 has %d", n)
		}
		if n, at := v.VersionTotals(w.fn, 9); n != 0 || !at.IsZero() {
			t.Errorf("an unknown version has %d, %v", n, at)
		}
	})
}

func TestDeletedVersionsStayInTheTotalAndCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.kept = []Totals{{Function: "f", Version: Gone, Born: 7, Invocations: 10}}
		v := w.start(t, nil)
		call := func(n function.Number) function.Key {
			u := *w.unit
			u.Version, w.unit = n, &u
			_, _ = v.Invoke(context.Background(), request())
			return u.Key
		}
		call(1)
		key := call(2)
		v.ForgetVersion(function.Key{Function: "f", Version: 1, Born: 6}) // a namesake's
		v.ForgetVersion(function.Key{Function: "f", Version: 9, Born: 7}) // never invoked
		v.ForgetVersion(function.Key{Function: "g", Version: 1})
		v.ForgetVersion(key)
		time.Sleep(flushInterval + time.Second)
		synctest.Wait()
		if n, at := v.Totals(w.fn); n != 12 || at.IsZero() {
			t.Errorf("the function has %d, %v", n, at)
		}
		if n, _ := v.VersionTotals(w.fn, 2); n != 0 {
			t.Errorf("the deleted version has %d", n)
		}
		if w.saved[Gone].Invocations != 11 || w.saved[1].Invocations != 1 {
			t.Errorf("saved %+v", w.saved)
		}
		if n := len(*v.functions.Load("f").versions.Load()); n != 2 { // 1 and Gone
			t.Errorf("%d versions are remembered", n)
		}
	})
}

func TestManyVersionsAreLoadedAtOnce(t *testing.T) {
	w := newWorld()
	for n := range function.Number(function.MaxVersions) {
		w.kept = append(w.kept, Totals{Function: "f", Version: n, Born: 7, Invocations: 1})
	}
	w.kept = append(w.kept, Totals{Function: "gone", Invocations: 1}) // deleted softly: the resolver does not know it
	v := w.start(t, nil)
	if n, _ := v.Totals(w.fn); n != function.MaxVersions {
		t.Errorf("loaded %d", n)
	}
	if v.functions.Load("gone") != nil {
		t.Error("a deleted function is remembered")
	}
	if lookups := w.lookups.Load(); lookups > 2 {
		t.Errorf("the resolver was asked %d times", lookups)
	}
}

func TestTotalsAreSavedInBatchesAndAtStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		v := w.start(t, nil)
		for range 100 {
			_, _ = v.Invoke(context.Background(), request())
		}
		if w.saveCount() != 0 {
			t.Error("a call wrote to the store")
		}
		time.Sleep(flushInterval + time.Second)
		synctest.Wait()
		if w.saveCount() != 1 || w.saved[3].Invocations != 100 || w.saved[3].Born != 7 || w.saved[3].LastInvokedAt.IsZero() {
			t.Errorf("%d saves, %+v", w.saveCount(), w.saved)
		}
		time.Sleep(2 * flushInterval)
		synctest.Wait()
		if w.saveCount() != 1 {
			t.Error("what did not change was saved again")
		}
		_, _ = v.Invoke(context.Background(), request())
		if err := v.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if w.saved[3].Invocations != 101 {
			t.Errorf("after Stop: %+v", w.saved)
		}
	})
}

func TestTotalsSurviveAStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		broken := errors.New("disk full")
		w.saveErr.Store(&broken)
		v := w.start(t, nil)
		_, _ = v.Invoke(context.Background(), request())
		time.Sleep(flushInterval + time.Second)
		synctest.Wait()
		w.saveErr.Store(nil)
		time.Sleep(flushInterval)
		synctest.Wait()
		if w.saved[3].Invocations != 1 {
			t.Errorf("saved %+v", w.saved)
		}
		w.saveErr.Store(&broken)
		_, _ = v.Invoke(context.Background(), request())
		if err := v.Stop(context.Background()); !errors.Is(err, broken) {
			t.Errorf("Stop: %v", err)
		}
	})
}

func TestStartFailsWhereTotalsCannotBeRead(t *testing.T) {
	w := newWorld()
	w.loadErr = errors.New("corrupt")
	v := New(Options{Resolver: w, Pool: w, Totals: w})
	if err := v.Start(context.Background()); !errors.Is(err, w.loadErr) {
		t.Fatalf("got %v", err)
	}
	_, err := v.Invoke(context.Background(), request())
	wantFault(t, err, fault.Unavailable, "not_running")
}

func TestNamesakeStartsFromNothing(t *testing.T) {
	w := newWorld()
	v := w.start(t, nil)
	_, _ = v.Invoke(context.Background(), request())
	old := *w.fn
	young, unit := *w.fn, *w.unit
	young.CreatedAt, unit.Born = time.Unix(0, 8), 8
	w.fn, w.unit = &young, &unit
	if n, _ := v.Totals(&young); n != 0 {
		t.Errorf("the namesake inherits %d invocations", n)
	}
	_, _ = v.Invoke(context.Background(), request())
	v.Forget(&old) // too late: nothing of the namesake's
	if n, _ := v.Totals(&young); n != 1 || v.Window(&young, time.Hour, time.Now()).Invocations != 1 {
		t.Errorf("the namesake has %d", n)
	}
	v.Forget(&young)
	if n, _ := v.Totals(&young); n != 0 || v.Window(&young, time.Hour, time.Now()) != (Summary{}) {
		t.Error("a forgotten function is remembered")
	}
}

func TestStopDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.handler = func(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
			time.Sleep(5 * time.Second)
			return sandbox.Result{}, nil
		}
		v := w.start(t, nil)
		done := make(chan error, 1)
		go func() { _, err := v.Invoke(context.Background(), request()); done <- err }()
		synctest.Wait()
		impatient, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantFault(t, v.Stop(impatient), fault.Timeout, "drain_timeout")
		_, err := v.Invoke(context.Background(), request())
		wantFault(t, err, fault.Unavailable, "not_running")
		both := make(chan error, 2)
		for range 2 {
			go func() { both <- v.Stop(context.Background()) }()
		}
		for range 2 {
			if err := <-both; err != nil {
				t.Error(err)
			}
		}
		if err := <-done; err != nil {
			t.Errorf("the running invocation got %v", err)
		}
		if w.saved[3].Invocations != 1 {
			t.Errorf("saved %+v", w.saved)
		}
	})
}
