// Package pool lends instances: it reuses warm ones, starts new ones within
// the bounds of each function, and stops and forgets what nobody uses.
//
// How many invocations of a function may run is core/invoke's decision, how
// much memory there is the hosts', who charge it; when to hold instances
// ready is the autoscaler's.
//
// Locks: a unit's mutex comes before the pool's, the pool's before the table's
// and the families'; never two units' at once. None is held while a host works.
package pool

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/internal/table"
	"github.com/skiffhq/skiff/core/invoke"
	"github.com/skiffhq/skiff/core/sandbox"
)

// DefaultIdleTimeout is how long instances and loaded code outlive their last use.
const DefaultIdleTimeout = 10 * time.Minute

const (
	startTimeout = 2 * time.Minute  // of loading code, and of starting an instance that others wait for
	stopTimeout  = 30 * time.Second // of stopping one instance
)

// Options are what a Pool needs. Host must be set.
type Options struct {
	// Host finds the host of a runtime; its fault is the caller's.
	Host func(function.Runtime) (sandbox.Host, error)
	// MaxInstances tells how many instances a function may have now, over all
	// its versions; 0 is no bound. It is asked before every start and must be
	// quick. Nil: no function is bounded.
	MaxInstances func(function string) int
	// IdleTimeout is DefaultIdleTimeout where it is not positive.
	IdleTimeout time.Duration

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: slog.Default
}

// Pool lends instances to any number of goroutines.
type Pool struct {
	opts     Options
	units    table.Table[function.Key, unit]
	families families
	stopping atomic.Int64 // instances that are being stopped in the background

	// base is the life of what runs in the background, which no caller's
	// context may end; Stop ends it.
	base context.Context
	end  context.CancelFunc

	mu       sync.Mutex     // guards what follows, and Go against Wait of work
	refusing bool           // Stop began: no new unit, load or start
	closed   bool           // Stop waits for the work: nothing joins it
	reaper   bool           // the reaper runs
	work     sync.WaitGroup // everything that runs in the background
}

// New returns a pool that lends at once; Start begins to reap what is idle.
func New(opts Options) *Pool {
	if opts.IdleTimeout <= 0 {
		opts.IdleTimeout = DefaultIdleTimeout
	}
	if opts.MaxInstances == nil {
		opts.MaxInstances = func(string) int { return 0 }
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	p := &Pool{opts: opts}
	p.base, p.end = context.WithCancel(context.Background())
	return p
}

// Acquire implements invoke.Pool. Its own faults are Exhausted with the reason
// "max_instances" for a function that has as many instances as it may,
// Unavailable with invoke.ReasonRetired for a unit that is being retired and
// with "pool_stopped" after Stop; Canceled where ctx ended first, which ends
// neither the loading nor the starting that others wait for. A unit whose code
// or instance could not be started answers with that fault again, without
// another try, for a time that doubles from 100 ms to 10 s.
func (p *Pool) Acquire(ctx context.Context, u *function.Unit) (invoke.Lease, error) {
	un, err := p.enter(ctx, u)
	if err != nil {
		return nil, err
	}
	l, err := un.acquire(ctx)
	if err != nil {
		un.leave()
		return nil, err
	}
	return l, nil
}

// enter finds or makes the unit and counts the caller among its users.
func (p *Pool) enter(ctx context.Context, u *function.Unit) (*unit, error) {
	for {
		un := p.units.Load(u.Key)
		if un == nil {
			var err error
			if un, err = p.add(u); err != nil {
				return nil, err
			}
		}
		switch {
		case !un.join():
			select {
			case <-un.gone: // and make it anew
			case <-ctx.Done():
				return nil, fault.Of(ctx.Err())
			}
		case un.retired.Load():
			un.leave()
			return nil, fault.New(fault.Unavailable, invoke.ReasonRetired,
				"start function %q: this version is being retired", u.Function)
		default:
			return un, nil
		}
	}
}

// add makes the unit's entry unless another caller did so meanwhile.
func (p *Pool) add(u *function.Unit) (*unit, error) {
	host, err := p.opts.Host(u.Runtime)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing {
		return nil, errStopped()
	}
	return p.units.Update(u.Key, func(old *unit) *unit {
		if old != nil {
			return old
		}
		un := newUnit(p, u, host)
		un.family = p.families.join(un)
		return un
	}), nil
}

func errStopped() error {
	return fault.New(fault.Unavailable, "pool_stopped", "start instance: the appliance is stopping")
}

// begin runs fn, which loads or starts, in the background, where Stop waits
// for it. Once Stop began it reports false and runs nothing.
func (p *Pool) begin(fn func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing {
		return false
	}
	p.work.Go(fn)
	return true
}

// finish runs fn, which stops something, in the background; where Stop waits
// for the background already, at once.
func (p *Pool) finish(fn func()) {
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.work.Go(fn)
	}
	p.mu.Unlock()
	if closed {
		fn()
	}
}

// ended returns err, or that the pool stopped where that is its cause.
func (p *Pool) ended(err error) error {
	if err != nil && p.base.Err() != nil {
		return errStopped()
	}
	return err
}

// Retire ends a unit that nothing resolves to any more: it lends nothing from
// now on, its instances are stopped as they become idle, and its code is
// forgotten with the last. It returns at once.
func (p *Pool) Retire(key function.Key) {
	un := p.units.Load(key)
	if un == nil || !un.join() {
		return
	}
	un.retired.Store(true)
	un.discard(un.takeIdle(func(*member) bool { return true }))
	un.leave()
}
