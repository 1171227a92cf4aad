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

func TestLineIsServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		if err := g.enter(t.Context(), 1, 10, time.Hour); err != nil {
			t.Fatal(err)
		}
		order := make(chan int, 5)
		for i := range 5 {
			go func() {
				if err := g.enter(t.Context(), 1, 10, time.Hour); err != nil {
					t.Errorf("waiter %d: %v", i, err)
				}
				order <- i
			}()
			synctest.Wait()
		}
		for want := range 5 {
			g.leave()
			if got := <-order; got != want {
				t.Fatalf("waiter %d was let in before %d", got, want)
			}
		}
		g.leave()
		if g.held.Load() != 0 || g.waiting.Load() != 0 {
			t.Errorf("held %d, waiting %d", g.held.Load(), g.waiting.Load())
		}
	})
}

func TestNewcomersDoNotOvertakeTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		_ = g.enter(t.Context(), 1, 10, time.Hour)
		first := make(chan error, 1)
		go func() { first <- g.enter(t.Context(), 1, 10, time.Hour) }()
		synctest.Wait()
		late := make(chan error, 1)
		go func() { late <- g.enter(t.Context(), 1, 10, time.Second) }()
		synctest.Wait()
		g.leave()
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		if err := <-late; !errors.Is(err, errQueueTimeout) {
			t.Errorf("the newcomer got %v", err)
		}
		g.leave()
	})
}

func TestLineIsBoundedInLengthAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		_ = g.enter(t.Context(), 1, 1, time.Hour)
		begin := time.Now()
		waited := make(chan error, 1)
		go func() { waited <- g.enter(t.Context(), 1, 1, time.Second) }()
		synctest.Wait()
		if err := g.enter(t.Context(), 1, 1, time.Second); !errors.Is(err, errQueueFull) {
			t.Errorf("the full line let in: %v", err)
		}
		if err := <-waited; !errors.Is(err, errQueueTimeout) || time.Since(begin) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		if g.waiting.Load() != 0 {
			t.Error("who gave up still stands in line")
		}
		g.leave()
	})
}

func TestCallersContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		_ = g.enter(t.Context(), 1, 10, time.Hour)
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.enter(soon, 1, 10, time.Hour); !errors.Is(err, errQueueTimeout) {
			t.Errorf("after the deadline: %v", err)
		}
		left, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if err := g.enter(left, 1, 10, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("after leaving: %v", err)
		}
		g.leave()
	})
}

func TestRaisedLimitLetsTheLineIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		_ = g.enter(t.Context(), 1, 10, time.Hour)
		in := make(chan error, 2)
		for range 2 {
			go func() { in <- g.enter(t.Context(), 1, 10, time.Hour) }()
		}
		synctest.Wait()
		if err := g.enter(t.Context(), 4, 10, time.Hour); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-in; err != nil {
				t.Fatal(err)
			}
		}
		if g.held.Load() != 4 {
			t.Errorf("held %d", g.held.Load())
		}
	})
}

func TestBusyFunctionMakesItsCallersWaitThenThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.reserve(1)
		w.handler = func(_ context.Context, inv *sandbox.Invocation) (sandbox.Result, error) {
			if left := time.Until(inv.Deadline); left != w.unit.Timeout {
				t.Errorf("waiting was counted: %v left", left)
			}
			time.Sleep(3 * time.Second)
			return sandbox.Result{}, nil
		}
		v := w.start(t, func(o *Options) { o.QueueTimeout = 4 * time.Second })
		results := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := v.Invoke(context.Background(), request())
				results <- err
			}()
			synctest.Wait()
		}
		if running, waiting := v.Load(); running != 3 || waiting != 2 {
			t.Errorf("%d running, %d waiting", running, waiting)
		}
		var throttles int
		for range 3 {
			if err := <-results; err != nil {
				throttles++
				wantFault(t, err, fault.Throttled, fault.ReasonConcurrency)
				if fault.Of(err).RetryAfter <= 0 {
					t.Error("nobody says when to come back")
				}
			}
		}
		if throttles != 1 {
			t.Errorf("%d throttled, want 1", throttles)
		}
	})
}

func TestFullApplianceRefusesAtOnceButServesReservations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		release := make(chan struct{})
		w.handler = func(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
			<-release
			return sandbox.Result{}, nil
		}
		v := w.start(t, func(o *Options) { o.Global = 1 })
		done := make(chan error, 1)
		go func() { _, err := v.Invoke(context.Background(), request()); done <- err }()
		synctest.Wait()
		_, err := v.Invoke(context.Background(), request())
		wantFault(t, err, fault.Exhausted, "global_concurrency")

		reserved := *w.fn
		one := 2
		reserved.ReservedConcurrency = &one
		w.fn = &reserved
		go func() { _, err := v.Invoke(context.Background(), request()); done <- err }()
		synctest.Wait()
		close(release)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestLimitOfAFunction(t *testing.T) {
	three := 3
	for name, tc := range map[string]struct {
		max, slots int
		runtime    function.Runtime
		reserved   *int
		want       int64
	}{
		"instances times places":     {10, 4, "node20", nil, 40},
		"one place in wasm":          {10, 4, function.RuntimeWasm, nil, 10},
		"the reservation is smaller": {10, 4, "node20", &three, 3},
		"the instances are fewer":    {2, 1, "node20", &three, 2},
		"no bound":                   {0, 4, "node20", nil, noLimit},
	} {
		f := &function.Function{Scaling: function.Scaling{MaxInstances: tc.max}, ReservedConcurrency: tc.reserved}
		u := &function.Unit{Settings: function.Settings{Runtime: tc.runtime, InstanceConcurrency: tc.slots}}
		if got := limitOf(f, u); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func BenchmarkGate(b *testing.B) {
	var g gate
	ctx := context.Background()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if g.enter(ctx, 1000, 100, time.Second) == nil {
				g.leave()
			}
		}
	})
}
