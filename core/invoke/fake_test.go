package invoke

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

// world plays everything around the invoker. It succeeds unless told otherwise.
type world struct {
	handler   func(context.Context, *sandbox.Invocation) (sandbox.Result, error)
	onAcquire func(*function.Unit) error
	cold      time.Duration
	loadErr   error
	saveErr   atomic.Pointer[error]

	fn   *function.Function
	unit *function.Unit

	leased, stopped, lookups atomic.Int64

	mu    sync.Mutex
	lines []string // request ids of what Logs got
	saved map[function.Number]Totals
	saves int
	kept  []Totals // what LoadTotals returns

	series map[string]*counter
}

func newWorld() *world {
	f := function.Default()
	f.Name, f.CreatedAt, f.Runtime = "f", time.Unix(0, 7), function.RuntimeWasm
	u := &function.Unit{Key: function.Key{Function: "f", Version: 3, Born: 7}, Settings: f.Settings}
	return &world{fn: &f, unit: u, saved: map[function.Number]Totals{}, series: map[string]*counter{}}
}

func (w *world) Resolve(name, qualifier string) (*function.Function, *function.Unit, error) {
	w.lookups.Add(1)
	if name != w.fn.Name {
		return nil, nil, fault.New(fault.NotFound, "function_not_found", "no function %q", name)
	}
	return w.fn, w.unit, nil
}

func (w *world) Acquire(_ context.Context, u *function.Unit) (Lease, error) {
	if w.onAcquire != nil {
		if err := w.onAcquire(u); err != nil {
			return nil, err
		}
	}
	w.leased.Add(1)
	return lent{w}, nil
}

// lent is a lease and its instance in one.
type lent struct{ w *world }

func (l lent) Instance() sandbox.Instance  { return l }
func (l lent) Cold() (bool, time.Duration) { return l.w.cold > 0, l.w.cold }
func (l lent) Release()                    { l.w.leased.Add(-1) }
func (l lent) ID() string                  { return "i1" }
func (l lent) Reusable() bool              { return true }
func (l lent) Stats() sandbox.Stats        { return sandbox.Stats{} }
func (l lent) Stop(context.Context) error  { l.w.stopped.Add(1); return nil }
func (l lent) Invoke(ctx context.Context, inv *sandbox.Invocation) (sandbox.Result, error) {
	if l.w.handler == nil {
		return sandbox.Result{Payload: inv.Payload, PeakMemory: 1 << 20}, nil
	}
	return l.w.handler(ctx, inv)
}

func (w *world) Lines(name string, n function.Number, id string, lines []sandbox.Line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, id)
}

func (w *world) LoadTotals(context.Context) ([]Totals, error) { return w.kept, w.loadErr }

func (w *world) SaveTotals(_ context.Context, totals []Totals) error {
	if err := w.saveErr.Load(); err != nil {
		return *err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saves++
	for _, t := range totals {
		w.saved[t.Version] = t
	}
	return nil
}

func (w *world) saveCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.saves
}

func (w *world) Series(u *function.Unit, trigger string) Series {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &counter{}
	w.series[trigger] = c
	return c
}

type counter struct {
	began, ended, failed, throttled atomic.Int64
}

func (c *counter) Began()     { c.began.Add(1) }
func (c *counter) Throttled() { c.throttled.Add(1) }
func (c *counter) Ended(o Observation) {
	c.ended.Add(1)
	if o.Failed {
		c.failed.Add(1)
	}
}

// start returns a running invoker over the world. Tests that end within a
// bubble of synctest stop it in time by t.Cleanup.
func (w *world) start(t testing.TB, change func(*Options)) *Invoker {
	t.Helper()
	opts := Options{Resolver: w, Pool: w, Metrics: w, Logs: w, Totals: w, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&opts)
	}
	v := New(opts)
	if err := v.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.saveErr.Store(nil)
		if err := v.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if n := w.leased.Load(); n != 0 {
			t.Errorf("%d leases were not released", n)
		}
		if n := v.global.held.Load(); n != 0 {
			t.Errorf("%d places of the appliance are still taken", n)
		}
	})
	return v
}

func (w *world) reserve(n int) { w.fn.ReservedConcurrency = &n }

func request() *Request {
	return &Request{RequestID: "r1", Function: "f", Trigger: "api", Payload: []byte(`{}`)}
}

func wantFault(t testing.TB, err error, class fault.Class, reason string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Class != class || f.Reason != reason {
		t.Fatalf("got %v, want a fault %v/%s", err, class, reason)
	}
}
