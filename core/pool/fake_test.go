package pool

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

// host counts what the pool does with it. It succeeds unless told otherwise.
type host struct {
	kind      sandbox.Kind
	onPrepare func(context.Context) error
	onStart   func(context.Context) error
	onStop    func() error
	onLook    func(*instance) // at whether it is reusable

	prepares, starts, stops, live, peak atomic.Int64

	mu     sync.Mutex
	forgot []function.Key
	made   []*instance
}

func (h *host) Kind() sandbox.Kind { return h.kind }

func (h *host) Prepare(ctx context.Context, _ *function.Unit) error {
	h.prepares.Add(1)
	if h.onPrepare != nil {
		return h.onPrepare(ctx)
	}
	return nil
}

func (h *host) Start(ctx context.Context, _ *function.Unit) (sandbox.Instance, error) {
	n := h.starts.Add(1)
	if h.onStart != nil {
		if err := h.onStart(ctx); err != nil {
			return nil, err
		}
	}
	for live, peak := h.live.Add(1), h.peak.Load(); live > peak && !h.peak.CompareAndSwap(peak, live); peak = h.peak.Load() {
	}
	in := &instance{h: h, id: fmt.Sprintf("i%d", n)}
	h.mu.Lock()
	h.made = append(h.made, in)
	h.mu.Unlock()
	return in, nil
}

func (h *host) Forget(key function.Key) {
	h.mu.Lock()
	h.forgot = append(h.forgot, key)
	h.mu.Unlock()
}

func (h *host) forgotten() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.forgot)
}

func (h *host) Close(context.Context) error { return nil }

type instance struct {
	h       *host
	id      string
	dead    atomic.Bool
	stopped atomic.Bool
}

func (i *instance) ID() string { return i.id }
func (i *instance) Invoke(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
	return sandbox.Result{}, nil
}
func (i *instance) Reusable() bool {
	if i.h.onLook != nil {
		i.h.onLook(i)
	}
	return !i.dead.Load()
}
func (i *instance) Stats() sandbox.Stats { return sandbox.Stats{Memory: 1 << 20} }
func (i *instance) Stop(context.Context) error {
	if i.stopped.Swap(true) {
		return nil
	}
	i.dead.Store(true)
	i.h.live.Add(-1)
	i.h.stops.Add(1)
	if i.h.onStop != nil {
		return i.h.onStop()
	}
	return nil
}

// oneShot, warm and container are units of the three kinds.
func oneShot() *function.Unit {
	u := &function.Unit{Key: function.Key{Function: "f", Version: 1, Born: 1}, Settings: function.Default().Settings}
	u.Runtime = function.RuntimeWasm
	return u
}

func warm() *function.Unit {
	u := oneShot()
	u.Isolation = function.IsolationInstance
	return u
}

func container(concurrency int) *function.Unit {
	u := oneShot()
	u.Runtime, u.InstanceConcurrency = "node20", concurrency
	return u
}

// newPool returns a pool over h that is stopped, and found empty, at the end.
func newPool(t testing.TB, h *host, bound int) *Pool {
	t.Helper()
	p := New(Options{
		Host:         func(function.Runtime) (sandbox.Host, error) { return h, nil },
		MaxInstances: func(string) int { return bound },
		Log:          slog.New(slog.DiscardHandler),
	})
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if n := h.live.Load(); n != 0 {
			t.Errorf("%d instances outlive the pool", n)
		}
		if s := p.Stats(); s != (Stats{}) {
			t.Errorf("an empty pool counts %+v", s)
		}
	})
	return p
}

func acquire(t testing.TB, p *Pool, u *function.Unit) *lease {
	t.Helper()
	l, err := p.Acquire(context.Background(), u)
	if err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	return l.(*lease)
}

func wantFault(t testing.TB, err error, class fault.Class, reason string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Class != class || f.Reason != reason {
		t.Fatalf("got %v, want a fault %v/%s", err, class, reason)
	}
}

var errInit = fault.New(fault.InitFailed, "bad_module", "load function %q", "f")

const never = 1000 * time.Hour
