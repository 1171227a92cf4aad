package pool

import (
	"context"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

// unit is what the pool knows of one function.Unit while it is in use: whether
// its code is loaded, and its instances. It is made by the first who acquires
// it and dropped, with its code, after the last.
type unit struct {
	p      *Pool
	u      *function.Unit
	host   sandbox.Host
	family *family

	oneShot bool // an instance serves one invocation, so none is ever idle
	slots   int  // invocations at once in one instance
	slow    bool // stopping an instance takes long enough to do it in the background

	users    atomic.Int64 // callers, leases, loads and starts; closedUnit when it is over
	retired  atomic.Bool
	prepared atomic.Bool
	used     atomic.Bool   // since the reaper looked
	lastUsed atomic.Int64  // nanoseconds since 1970, as the reaper saw it
	gone     chan struct{} // closed once the unit is out of the table

	mu      sync.Mutex
	loading *flight   // nil unless the code is being loaded
	failure failure   // of the last try to load or to start
	members []*member // live instances; each knows its index
	pending int       // starts under way that waiters wait for
	waiters []*waiter // first come first served; at most pending × slots
}

// closedUnit is far below what joins could bring back to zero.
const closedUnit = math.MinInt64 / 2

func newUnit(p *Pool, u *function.Unit, host sandbox.Host) *unit {
	wasm := host.Kind() == sandbox.KindWasm
	un := &unit{
		p: p, u: u, host: host, gone: make(chan struct{}),
		oneShot: wasm && u.Isolation != function.IsolationInstance,
		slots:   max(u.InstanceConcurrency, 1),
		slow:    !wasm,
	}
	if wasm {
		un.slots = 1 // see sandbox.Instance
	}
	un.touch()
	return un
}

// touch notes a use. When it was is for the reaper to say: looking at the
// clock, and writing to one place from many processors, is what an invocation
// would feel.
func (un *unit) touch() {
	if !un.used.Load() {
		un.used.Store(true)
	}
}

// join counts a user; it reports false where the unit is over.
func (un *unit) join() bool {
	for {
		n := un.users.Load()
		if n < 0 {
			return false
		}
		if un.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends what join began. The last user of a retired unit closes it.
func (un *unit) leave() {
	if un.users.Add(-1) == 0 && un.retired.Load() {
		un.close()
	}
}

// close ends a unit without users: it stops its instances, lets the host
// forget the code and gives up the place in the table, in this order, so that
// whoever makes the unit anew loads the code after it was forgotten. It does
// nothing where somebody uses the unit, and works in the background.
func (un *unit) close() {
	if !un.users.CompareAndSwap(0, closedUnit) {
		return
	}
	un.p.finish(func() {
		var wg sync.WaitGroup
		for _, m := range un.takeIdle(func(*member) bool { return true }) {
			wg.Go(func() {
				un.stop(m)
				un.family.release()
			})
		}
		wg.Wait()
		un.forget()
		un.p.families.leave(un)
		un.p.units.Update(un.u.Key, func(*unit) *unit { return nil })
		close(un.gone)
	})
}

// forget frees the code.
func (un *unit) forget() {
	var err error
	defer un.recovered("forget", &err)
	un.host.Forget(un.u.Key)
}

// recovered, which must be deferred, turns a host's panic into an Internal
// fault, as it may happen in a goroutine of the pool's own.
func (un *unit) recovered(doing string, err *error) {
	if r := recover(); r != nil {
		un.p.opts.Log.Error("panic in a host", "component", "pool", "function", un.u.Function,
			"version", un.u.Version, "doing", doing, "panic", r, "stack", string(debug.Stack()))
		*err = fault.New(fault.Internal, "panic", "%s function %q: an internal error occurred", doing, un.u.Function)
	}
}

// member is a live instance.
type member struct {
	inst     sandbox.Instance
	index    int // in unit.members
	inFlight int
	used     bool      // since the reaper looked
	idleAt   time.Time // no use since then, as the reaper saw it
}

// insert adds a live instance. mu is held.
func (un *unit) insert(m *member) {
	m.index = len(un.members)
	un.members = append(un.members, m)
}

// remove takes an instance out. mu is held.
func (un *unit) remove(m *member) {
	last := len(un.members) - 1
	moved := un.members[last]
	un.members[m.index], moved.index = moved, m.index
	un.members[last] = nil
	un.members = un.members[:last]
}

// takeIdle takes out the idle instances that fn picks. The caller stops them.
func (un *unit) takeIdle(fn func(*member) bool) []*member {
	un.mu.Lock()
	defer un.mu.Unlock()
	var taken []*member
	for i := len(un.members) - 1; i >= 0; i-- { // remove moves the last one, which was seen
		if m := un.members[i]; m.inFlight == 0 && fn(m) {
			un.remove(m)
			taken = append(taken, m)
		}
	}
	return taken
}

// discard stops instances that were taken out. Slow ones make room for
// successors at once and are stopped in the background: until then the host
// charges the memory of both.
func (un *unit) discard(members []*member) {
	for _, m := range members {
		if !un.slow {
			un.stop(m)
			un.family.release()
			continue
		}
		un.family.release()
		un.p.stopping.Add(1)
		un.p.finish(func() {
			defer un.p.stopping.Add(-1)
			un.stop(m)
		})
	}
}

// stop ends an instance, whatever has become of the caller's context.
func (un *unit) stop(m *member) {
	ctx := context.Background()
	if un.slow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopTimeout)
		defer cancel()
	}
	if err := un.stopInstance(ctx, m.inst); err != nil {
		un.p.opts.Log.Error("stop instance", "component", "pool", "function", un.u.Function,
			"version", un.u.Version, "instance", m.inst.ID(), "error", err)
	}
}

func (un *unit) stopInstance(ctx context.Context, inst sandbox.Instance) (err error) {
	defer un.recovered("stop instance of", &err)
	return inst.Stop(ctx)
}
