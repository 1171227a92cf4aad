package invoke

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// limiter counts what runs and never lets it exceed a limit.
type limiter struct {
	limit int64
	held  atomic.Int64
}

// tryTake takes a place unless all are taken.
func (l *limiter) tryTake() bool { return takeBelow(&l.held, l.limit) }

func (l *limiter) release() { l.held.Add(-1) }

// takeBelow adds 1 unless that would exceed the limit. It compares and swaps,
// because adding first and looking afterwards would refuse one caller for the
// sake of another that is refused as well.
func takeBelow(held *atomic.Int64, limit int64) bool {
	for {
		n := held.Load()
		if n >= limit {
			return false
		}
		if held.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// gate bounds the invocations of one function that run at once and keeps the
// others in a line of bounded length, first come first served. Without a line
// passing costs two atomic operations; the mutex is for those who wait.
type gate struct {
	limit   atomic.Int64 // the one that the last caller brought
	held    atomic.Int64
	waiting atomic.Int64 // length of line; written under mu

	mu   sync.Mutex
	line waiter // sentinel of a ring: line.next is the first
}

// waiter is somebody in line.
type waiter struct {
	prev, next *waiter
	granted    chan struct{} // closed under the gate's mu once a place is theirs
}

// noLimit stands for the limit of a function that has none of its own.
const noLimit = math.MaxInt64

// errQueueFull and errQueueTimeout tell why a gate did not let somebody in.
var (
	errQueueFull    = errors.New("too many invocations wait already")
	errQueueTimeout = errors.New("no place became free in time")
)

// enter takes a place within the limit, waiting in a line of at most depth
// for at most timeout. Every nil must be paid back by leave. A limit of 0
// lets nobody in and nobody wait. It returns errQueueFull, errQueueTimeout
// (also where ctx's deadline came first) or context.Canceled.
func (g *gate) enter(ctx context.Context, limit int64, depth int, timeout time.Duration) error {
	if g.limit.Load() != limit {
		g.setLimit(limit)
	}
	if g.waiting.Load() == 0 && takeBelow(&g.held, limit) {
		return nil
	}
	if limit <= 0 {
		return errQueueFull
	}
	w, err := g.join(depth)
	if w == nil {
		return err
	}
	return g.wait(ctx, w, timeout)
}

// setLimit stores a changed limit and lets those in whom it admits.
func (g *gate) setLimit(limit int64) {
	g.limit.Store(limit)
	if g.waiting.Load() > 0 {
		g.mu.Lock()
		g.grant()
		g.mu.Unlock()
	}
}

// join puts the caller in line. It returns nil and nil where a place became
// free meanwhile. Announcing the waiter before looking for a place again is
// what closes the gap to leave, which frees first and looks for waiters then.
func (g *gate) join(depth int) (*waiter, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting.Load() >= int64(depth) {
		return nil, errQueueFull
	}
	if g.line.next == nil {
		g.line.prev, g.line.next = &g.line, &g.line
	}
	w := &waiter{prev: g.line.prev, next: &g.line, granted: make(chan struct{})}
	w.prev.next, g.line.prev = w, w
	g.waiting.Add(1)
	g.grant()
	return w, nil
}

// wait returns once w has its place, or gives w's place in line up.
func (g *gate) wait(ctx context.Context, w *waiter, timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	var err error
	select {
	case <-w.granted:
		return nil
	case <-timer.C:
		err = errQueueTimeout
	case <-ctx.Done():
		if err = context.Canceled; errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = errQueueTimeout
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.granted: // at the last moment, which counts
		return nil
	default:
		g.remove(w)
		return err
	}
}

// leave frees a place and hands it to the first in line.
func (g *gate) leave() {
	g.held.Add(-1)
	if g.waiting.Load() == 0 {
		return
	}
	g.mu.Lock()
	g.grant()
	g.mu.Unlock()
}

// grant lets in whom the limit admits. mu is held.
func (g *gate) grant() {
	for g.waiting.Load() > 0 && takeBelow(&g.held, g.limit.Load()) {
		first := g.line.next
		g.remove(first)
		close(first.granted)
	}
}

// remove takes w out of the line. mu is held.
func (g *gate) remove(w *waiter) {
	w.prev.next, w.next.prev = w.next, w.prev
	g.waiting.Add(-1)
}

// throttled turns a refusal of the gate into the caller's fault.
func throttled(name string, limit int64, err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.Wrap(err, fault.Canceled, "canceled", "invoke function %q: the caller left while it waited", name)
	}
	if limit <= 0 {
		return fault.New(fault.Throttled, fault.ReasonConcurrency,
			"invoke function %q: it is paused, its reserved concurrency is 0", name).
			WithRemedy("raise reservedConcurrency to let it run").WithRetryAfter(pausedRetryAfter)
	}
	return fault.Wrap(err, fault.Throttled, fault.ReasonConcurrency,
		"invoke function %q: all %d places for invocations at once are taken", name, limit).
		WithRemedy("raise reservedConcurrency or scaling.maxInstances, or call it less often").
		WithRetryAfter(busyRetryAfter)
}

// How long callers are told to stay away.
const (
	busyRetryAfter   = time.Second
	pausedRetryAfter = 30 * time.Second
)
