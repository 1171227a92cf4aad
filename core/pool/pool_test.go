package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/invoke"
	"github.com/skiffhq/skiff/core/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRequestIsolationStartsAndStopsOneInstanceEach(t *testing.T) {
	h := &host{kind: sandbox.KindWasm}
	p := newPool(t, h, 0)
	for i := range 3 {
		l := acquire(t, p, oneShot())
		if cold, waited := l.Cold(); cold != (i == 0) || !cold && waited != 0 {
			t.Errorf("call %d: cold %v after %v", i, cold, waited)
		}
		l.Release()
		if got := h.stops.Load(); got != int64(i+1) {
			t.Fatalf("%d stopped after %d releases", got, i+1)
		}
	}
	if h.prepares.Load() != 1 || h.starts.Load() != 3 {
		t.Errorf("prepared %d, started %d times", h.prepares.Load(), h.starts.Load())
	}
}

func TestWarmInstanceIsReusedUntilItDies(t *testing.T) {
	h := &host{kind: sandbox.KindWasm}
	p := newPool(t, h, 0)
	first := acquire(t, p, warm())
	if cold, _ := first.Cold(); !cold {
		t.Error("the first start is not cold")
	}
	in := first.Instance().(*instance)
	first.Release()
	second := acquire(t, p, warm())
	if cold, _ := second.Cold(); cold || second.Instance() != sandbox.Instance(in) {
		t.Error("the warm instance was not reused")
	}
	in.dead.Store(true)
	second.Release()
	if h.stops.Load() != 1 {
		t.Error("an instance that cannot be reused was not stopped at release")
	}
	third := acquire(t, p, warm())
	third.Release()
	h.made[1].dead.Store(true) // dies in idleness
	fourth := acquire(t, p, warm())
	defer fourth.Release()
	if h.starts.Load() != 3 || h.stops.Load() != 2 {
		t.Errorf("started %d, stopped %d", h.starts.Load(), h.stops.Load())
	}
}

func TestLeastLoadedInstanceWins(t *testing.T) {
	h := &host{kind: sandbox.KindContainer}
	p := newPool(t, h, 0)
	u := container(2)
	a, b := acquire(t, p, u), acquire(t, p, u) // both places of the first
	c, d := acquire(t, p, u), acquire(t, p, u) // and of the second
	if a.m != b.m || c.m != d.m || a.m == c.m {
		t.Fatal("four leases are not on two instances")
	}
	a.Release()
	b.Release()
	c.Release()
	e := acquire(t, p, u)
	if e.m != a.m {
		t.Error("the busier instance was chosen")
	}
	e.Release()
	d.Release()
}

func TestManyCallersShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{kind: sandbox.KindWasm, onPrepare: func(context.Context) error { time.Sleep(time.Second); return nil }}
		p := newPool(t, h, 0)
		left, leave := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { // the first, who leaves
			_, err := p.Acquire(left, oneShot())
			if !fault.Is(err, fault.Canceled) {
				t.Errorf("the caller who left got %v", err)
			}
		})
		synctest.Wait()
		for range 50 {
			wg.Go(func() {
				l, err := p.Acquire(context.Background(), oneShot())
				if err != nil {
					t.Errorf("Acquire: %v", err)
					return
				}
				if cold, waited := l.Cold(); !cold || waited != time.Second {
					t.Errorf("cold %v, waited %v", cold, waited)
				}
				l.Release()
			})
		}
		synctest.Wait()
		leave()
		wg.Wait()
		if n := h.prepares.Load(); n != 1 {
			t.Errorf("loaded %d times", n)
		}
	})
}

func TestStartsServeAsManyWaitersAsTheyHavePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{kind: sandbox.KindContainer, onStart: func(context.Context) error { time.Sleep(time.Second); return nil }}
		p := newPool(t, h, 0)
		var wg sync.WaitGroup
		for range 25 {
			wg.Go(func() {
				l := acquire(t, p, container(10))
				time.Sleep(time.Minute)
				l.Release()
			})
		}
		wg.Wait()
		if n := h.starts.Load(); n != 3 {
			t.Errorf("25 callers with 10 places an instance started %d", n)
		}
	})
}

func TestWaiterWhoLeavesHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{kind: sandbox.KindContainer, onStart: func(context.Context) error { time.Sleep(time.Second); return nil }}
		p := newPool(t, h, 1)
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if _, err := p.Acquire(ctx, container(1)); !fault.Is(err, fault.Timeout) {
			t.Fatalf("got %v", err)
		}
		time.Sleep(2 * time.Second)
		if s := p.Stats(); s != (Stats{Idle: 1}) {
			t.Fatalf("the start was lost: %+v", s)
		}
		l := acquire(t, p, container(1))
		if cold, _ := l.Cold(); cold {
			t.Error("the instance that was started for the caller who left is not warm")
		}
		l.Release()
	})
}

func TestFreedPlaceGoesToWhoeverWaitsForAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{kind: sandbox.KindContainer}
		p := newPool(t, h, 0)
		first := acquire(t, p, container(1))
		h.onStart = func(context.Context) error { time.Sleep(time.Hour); return nil }
		got := make(chan *lease)
		go func() { got <- acquire(t, p, container(1)) }()
		synctest.Wait()
		first.Release()
		second := <-got
		if second.m != first.m {
			t.Error("the waiter did not get the freed instance")
		}
		second.Release()
		time.Sleep(time.Hour + time.Second)
	})
}

func TestFailuresReachEverybodyAndAreNotRetriedInAStorm(t *testing.T) {
	for name, tc := range map[string]struct {
		unit *function.Unit
		kind sandbox.Kind
		fail func(*host, error)
		load bool
	}{
		"load":  {oneShot(), sandbox.KindWasm, func(h *host, err error) { h.onPrepare = slowly(err) }, true},
		"start": {container(1), sandbox.KindContainer, func(h *host, err error) { h.onStart = slowly(err) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{kind: tc.kind}
				tc.fail(h, errInit)
				p := newPool(t, h, 0)
				tries := func() int64 {
					if tc.load {
						return h.prepares.Load()
					}
					return h.starts.Load()
				}
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() {
						_, err := p.Acquire(context.Background(), tc.unit)
						if !errors.Is(err, errInit) {
							t.Errorf("got %v", err)
						}
					})
				}
				wg.Wait()
				before := tries()
				for range 600 { // a minute of a call each 100 ms
					time.Sleep(100 * time.Millisecond)
					if _, err := p.Acquire(context.Background(), tc.unit); !errors.Is(err, errInit) {
						t.Fatalf("got %v", err)
					}
				}
				if n := tries() - before; n < 8 || n > 14 {
					t.Errorf("tried %d times in a minute", n)
				}
				tc.fail(h, nil)
				time.Sleep(maxBackoff)
				acquire(t, p, tc.unit).Release()
			})
		})
	}
}

func slowly(err error) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(10 * time.Millisecond)
		return err
	}
}

func TestWantOfMemoryIsForgivenSoon(t *testing.T) {
	var f failure
	now := time.Now()
	for range 20 {
		f.note(fault.New(fault.Exhausted, "memory_budget", "full"), now)
	}
	if f.at(now) == nil || f.at(now.Add(firstBackoff)) != nil {
		t.Error("want of memory holds longer than the first time")
	}
}

func TestFunctionHasNoMoreInstancesThanItMay(t *testing.T) {
	for name, u := range map[string]*function.Unit{"one shot": oneShot(), "warm": warm()} {
		t.Run(name, func(t *testing.T) {
			h := &host{kind: sandbox.KindWasm}
			p := newPool(t, h, 2)
			a, b := acquire(t, p, u), acquire(t, p, u)
			_, err := p.Acquire(context.Background(), u)
			wantFault(t, err, fault.Exhausted, "max_instances")
			a.Release()
			acquire(t, p, u).Release()
			b.Release()
		})
	}
}

func TestIdleInstanceOfAnotherVersionMakesRoom(t *testing.T) {
	h := &host{kind: sandbox.KindWasm}
	p := newPool(t, h, 1)
	acquire(t, p, warm()).Release()
	next := warm()
	next.Version = 2
	l := acquire(t, p, next)
	defer l.Release()
	if h.stops.Load() != 1 {
		t.Error("the idle instance of version 1 still runs")
	}
	_, err := p.Acquire(context.Background(), warm())
	wantFault(t, err, fault.Exhausted, "max_instances")
}

func TestFailedStartGivesItsRoomBack(t *testing.T) {
	h := &host{kind: sandbox.KindWasm, onStart: func(context.Context) error { return errInit }}
	p := newPool(t, h, 1)
	for range 3 {
		if _, err := p.Acquire(context.Background(), oneShot()); !errors.Is(err, errInit) {
			t.Fatalf("got %v", err)
		}
	}
	h.onStart = nil
	acquire(t, p, oneShot()).Release()
}

func TestHostPanicIsAnInternalFault(t *testing.T) {
	boom := func(context.Context) error { panic("boom") }
	for name, h := range map[string]*host{
		"prepare": {kind: sandbox.KindContainer, onPrepare: boom},
		"start":   {kind: sandbox.KindContainer, onStart: boom},
		"stop":    {kind: sandbox.KindContainer, onStop: func() error { panic("boom") }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, h, 1)
			l, err := p.Acquire(context.Background(), container(1))
			if h.onStop != nil {
				l.(*lease).m.inst.(*instance).dead.Store(true)
				l.Release()
				return
			}
			wantFault(t, err, fault.Internal, "panic")
		})
	}
}

func TestInstanceThatPanicsWhenLookedAtIsReplaced(t *testing.T) {
	h := &host{kind: sandbox.KindWasm}
	p := newPool(t, h, 1)
	acquire(t, p, warm()).Release()
	h.onLook = func(i *instance) {
		if i.id == "i1" {
			panic("boom")
		}
	}
	for range 2 { // and nobody is locked out
		l := acquire(t, p, warm())
		if id := l.Instance().ID(); id != "i2" {
			t.Errorf("lent %s", id)
		}
		l.Release()
	}
	if h.stops.Load() != 1 {
		t.Errorf("stopped %d", h.stops.Load())
	}
}

func TestLookingForAFreeInstanceEndsAtTheFirst(t *testing.T) {
	h := &host{kind: sandbox.KindWasm}
	p := newPool(t, h, 0)
	var leases []*lease
	for range 10 {
		leases = append(leases, acquire(t, p, warm()))
	}
	for _, l := range leases {
		l.Release()
	}
	looks := 0
	h.onLook = func(*instance) { looks++ }
	l := acquire(t, p, warm())
	h.onLook = nil
	if l.Release(); looks != 1 {
		t.Errorf("looked at %d instances", looks)
	}
}

func TestMissingRuntimeIsTheCallersFault(t *testing.T) {
	want := fault.New(fault.Unavailable, fault.ReasonRuntimeUnavailable, "no image")
	p := New(Options{Host: func(function.Runtime) (sandbox.Host, error) { return nil, want }})
	if _, err := p.Acquire(context.Background(), container(1)); !errors.Is(err, want) {
		t.Fatalf("got %v", err)
	}
}

func TestReleasingTwicePanics(t *testing.T) {
	p := newPool(t, &host{kind: sandbox.KindWasm}, 0)
	l := acquire(t, p, oneShot())
	l.Release()
	defer func() {
		if recover() == nil {
			t.Error("the second release went unnoticed")
		}
	}()
	l.Release()
}

func TestHammerNeverExceedsBoundsOrSharesAnInstance(t *testing.T) {
	wasm, containers := &host{kind: sandbox.KindWasm}, &host{kind: sandbox.KindContainer}
	const bound = 4
	p := New(Options{
		Host: func(r function.Runtime) (sandbox.Host, error) {
			if r == function.RuntimeWasm {
				return wasm, nil
			}
			return containers, nil
		},
		MaxInstances: func(string) int { return bound },
	})
	units := []*function.Unit{oneShot(), warm(), container(1), container(3)}
	inUse := make([]atomic.Int64, len(units))
	for i, u := range units {
		u.Function = string(rune('a' + i))
	}
	var served atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			for range 50 {
				i := rand.IntN(len(units))
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3))*time.Millisecond+time.Microsecond)
				l, err := p.Acquire(ctx, units[i])
				cancel()
				switch {
				case err == nil:
					if n := inUse[i].Add(1); n > int64(bound*max(units[i].InstanceConcurrency, 1)) {
						t.Errorf("%d leases of %q", n, units[i].Function)
					}
					served.Add(1)
					if rand.IntN(8) == 0 {
						l.(*lease).m.inst.(*instance).dead.Store(true)
					}
					inUse[i].Add(-1)
					l.Release()
				case !fault.Is(err, fault.Exhausted) && !fault.Is(err, fault.Timeout) && !fault.HasReason(err, invoke.ReasonRetired):
					t.Errorf("got %v", err)
				}
				switch rand.IntN(200) {
				case 0:
					p.Retire(units[i].Key)
				case 1:
					p.Reap(time.Now().Add(never))
				case 2:
					_, _ = p.Stats(), p.Instances()
				}
			}
		})
	}
	wg.Wait()
	if err := p.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if served.Load() == 0 || wasm.live.Load() != 0 || containers.live.Load() != 0 {
		t.Errorf("served %d; left %d and %d", served.Load(), wasm.live.Load(), containers.live.Load())
	}
	if len(p.families.byKey) != 0 {
		t.Errorf("%d families are left", len(p.families.byKey))
	}
}

func BenchmarkAcquireOneShot(b *testing.B) {
	p := newPool(b, &host{kind: sandbox.KindWasm}, 0)
	p.opts.Host = func(function.Runtime) (sandbox.Host, error) { return nullHost{}, nil }
	u, ctx := oneShot(), context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l, err := p.Acquire(ctx, u)
			if err != nil {
				b.Fatal(err)
			}
			l.Release()
		}
	})
}

func TestAcquireAllocatesTheLeaseAlone(t *testing.T) {
	for name, u := range map[string]*function.Unit{"a new instance": oneShot(), "a warm one": warm()} {
		p := newPool(t, &host{kind: sandbox.KindWasm}, 0)
		p.opts.Host = func(function.Runtime) (sandbox.Host, error) { return nullHost{}, nil }
		ctx := context.Background()
		acquire(t, p, u).Release()
		if n := testing.AllocsPerRun(200, func() { l, _ := p.Acquire(ctx, u); l.Release() }); n > 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// nullHost costs nothing, so that the benchmark shows the pool alone.
type nullHost struct{}

func (nullHost) Kind() sandbox.Kind                            { return sandbox.KindWasm }
func (nullHost) Prepare(context.Context, *function.Unit) error { return nil }
func (nullHost) Start(context.Context, *function.Unit) (sandbox.Instance, error) {
	return nullInstance{}, nil
}
func (nullHost) Forget(function.Key)         {}
func (nullHost) Close(context.Context) error { return nil }

type nullInstance struct{}

func (nullInstance) ID() string { return "i" }
func (nullInstance) Invoke(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
	return sandbox.Result{}, nil
}
func (nullInstance) Reusable() bool             { return true }
func (nullInstance) Stats() sandbox.Stats       { return sandbox.Stats{} }
func (nullInstance) Stop(context.Context) error { return nil }
