package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/invoke"
	"github.com/skiffhq/skiff/core/sandbox"
)

func TestReaperStopsAndForgetsWhatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{kind: sandbox.KindWasm}
		p := newPool(t, h, 0)
		a, b := acquire(t, p, warm()), acquire(t, p, warm())
		a.Release()
		time.Sleep(DefaultIdleTimeout + 2*reapInterval)
		if got := p.Stats(); got != (Stats{Busy: 1}) {
			t.Fatalf("after the timeout: %+v", got)
		}
		b.Release()
		time.Sleep(DefaultIdleTimeout - time.Second)
		if got := p.Stats(); got != (Stats{Idle: 1}) || h.forgotten() != 0 {
			t.Fatalf("before the timeout: %+v, forgot %d", got, h.forgotten())
		}
		time.Sleep(2 * reapInterval)
		if h.live.Load() != 0 || h.forgotten() != 1 {
			t.Fatalf("live %d, forgot %d", h.live.Load(), h.forgotten())
		}
		l := acquire(t, p, warm())
		if cold, _ := l.Cold(); !cold || h.prepares.Load() != 2 {
			t.Error("forgotten code was not loaded again")
		}
		l.Release()
	})
}

func TestCodeOfIdleUnitsIsForgotten(t *testing.T) {
	h := &host{kind: sandbox.KindWasm}
	p := newPool(t, h, 0)
	for n := range function.Number(1000) {
		u := oneShot()
		u.Version = n
		acquire(t, p, u).Release()
	}
	later := time.Now().Add(time.Hour) // whatever the time is: they were used since the reaper looked
	p.Reap(later)
	p.Reap(later.Add(DefaultIdleTimeout - 1))
	if n := h.forgotten(); n != 0 {
		t.Fatalf("forgot %d units that were just used", n)
	}
	p.Reap(later.Add(DefaultIdleTimeout))
	for _, un := range p.units.All() {
		<-un.gone
	}
	if n := h.forgotten(); n != 1000 {
		t.Errorf("forgot %d of 1000", n)
	}
}

func TestRetiredUnitDrains(t *testing.T) {
	h := &host{kind: sandbox.KindWasm}
	p := newPool(t, h, 0)
	busy, idle := acquire(t, p, warm()), acquire(t, p, warm())
	idle.Release()
	un := busy.un
	p.Retire(warm().Key)
	if h.stops.Load() != 1 {
		t.Error("the idle instance was not stopped")
	}
	if got := p.Stats(); got != (Stats{Draining: 1}) {
		t.Errorf("stats %+v", got)
	}
	_, err := p.Acquire(context.Background(), warm())
	wantFault(t, err, fault.Unavailable, invoke.ReasonRetired)
	busy.Release()
	<-un.gone
	if h.live.Load() != 0 || h.forgotten() != 1 {
		t.Errorf("live %d, forgot %d", h.live.Load(), h.forgotten())
	}
	acquire(t, p, warm()).Release() // whoever still means it gets it anew
	p.Retire(function.Key{Function: "unknown"})
}

func TestStopWaitsForLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{kind: sandbox.KindContainer}
		p := newPool(t, h, 0)
		l := acquire(t, p, container(1))
		go func() {
			time.Sleep(3 * time.Second)
			l.Release()
		}()
		begin := time.Now()
		if err := p.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 3*time.Second || h.live.Load() != 0 {
			t.Errorf("took %v, %d live", took, h.live.Load())
		}
		_, err := p.Acquire(context.Background(), container(1))
		wantFault(t, err, fault.Unavailable, "pool_stopped")
		wantFault(t, p.Start(context.Background()), fault.Unavailable, "pool_stopped")
	})
}

func TestStopEndsWhatDoesNotReturnInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{kind: sandbox.KindWasm}
		p := newPool(t, h, 0)
		l := acquire(t, p, oneShot())
		go func() { // an invocation ends when its instance is stopped
			for !l.m.inst.(*instance).stopped.Load() {
				time.Sleep(time.Millisecond)
			}
			l.Release()
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStopSaysSoWhereAHolderNeverLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{kind: sandbox.KindWasm}
		p := newPool(t, h, 0)
		l := acquire(t, p, oneShot())
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		wantFault(t, p.Stop(ctx), fault.Timeout, "drain_timeout")
		if h.live.Load() != 0 {
			t.Error("the instance still runs")
		}
		l.Release()
	})
}

func TestStopEndsALoadUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{kind: sandbox.KindWasm, onPrepare: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		p := newPool(t, h, 0)
		got := make(chan error)
		go func() {
			_, err := p.Acquire(context.Background(), oneShot())
			got <- err
		}()
		synctest.Wait()
		if s := p.Stats(); s != (Stats{Starting: 1}) {
			t.Errorf("stats %+v", s)
		}
		go func() { _ = p.Stop(context.Background()) }()
		wantFault(t, <-got, fault.Unavailable, "pool_stopped")
	})
}

func TestInstancesAreListedInOrder(t *testing.T) {
	h := &host{kind: sandbox.KindWasm}
	p := newPool(t, h, 0)
	second := warm()
	second.Version = 2
	b := acquire(t, p, second)
	a := acquire(t, p, warm())
	a.Release()
	got := p.Instances()
	if len(got) != 2 || got[0].Unit.Version != 1 || got[0].State != StateIdle || got[1].State != StateBusy ||
		got[1].InFlight != 1 || got[1].ID != "i1" || got[1].Memory != 1<<20 || got[0].Kind != sandbox.KindWasm {
		t.Errorf("got %+v", got)
	}
	b.Release()
}
