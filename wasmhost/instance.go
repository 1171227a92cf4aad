package wasmhost

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/module"
)

// initTimeout bounds a module's own start-up, in which it may do anything.
const initTimeout = 10 * time.Second

// instance implements sandbox.Instance.
type instance struct {
	un      *unit
	id      uint64
	started time.Time
	took    time.Duration
	spent   atomic.Bool

	mu      sync.Mutex // guards what follows
	run     *run       // nil once freed
	busy    bool
	stopped bool
	idle    chan struct{} // closed when a busy instance that is stopped has been freed
}

// start makes an instance. The caller is a user of the unit, and stays one
// for as long as the instance lives.
func (un *unit) start(ctx context.Context) (*instance, error) {
	begin := time.Now()
	if err := ctx.Err(); err != nil {
		return nil, fault.Of(err)
	}
	r := un.takeIdle()
	if r == nil {
		var err error
		if r, err = un.newRun(); err != nil {
			return nil, err
		}
	}
	inst := &instance{un: un, id: un.h.lastID.Add(1), run: r, started: begin}
	if err := inst.boot(ctx, r); err != nil {
		r.clean()
		r.close()
		return nil, err
	}
	if r.sandbox.uses == 0 {
		inst.took = time.Since(begin) // one that waited is there at once
	}
	if !un.enter(inst) {
		inst.free()
		return nil, errClosed()
	}
	return inst, nil
}

// newRun takes what an instance needs, but for the instance itself. Where
// memory is short it is taken from sandboxes that wait for requests.
func (un *unit) newRun() (*run, error) {
	r := un.h.runs.Get().(*run)
	r.bind(un)
	err := un.reserve(r)
	if err != nil && un.h.reclaim() > 0 {
		err = un.reserve(r)
	}
	if err != nil {
		un.h.runs.Put(r)
		return nil, err
	}
	return r, nil
}

// reserve takes the memory of a new instance, or nothing.
func (un *unit) reserve(r *run) error {
	o := un.code.outline
	if err := un.account.Reserve(o.overhead); err != nil {
		return err
	}
	if r.mem.Reallocate(uint64(o.pages)*module.PageSize) == nil {
		un.account.Release(o.overhead)
		r.mem.Release()
		return fault.Of(r.mem.Denied())
	}
	return nil
}

// boot makes the module's instance, unless there is one, and runs its own
// start-up. An interruption that comes at the last moment, when that has ended
// well, is one all the same: the run cannot be used after it.
func (in *instance) boot(ctx context.Context, r *run) error {
	if !in.un.code.outline.starts {
		return in.initialise(ctx, r)
	}
	stop := r.arm(ctx, initTimeout)
	err := in.initialise(ctx, r)
	r.disarm(stop)
	if err == nil && !r.intact() {
		r.interrupt(causeTimeout) // unless the one on its way was quicker
		err = in.initFault(ctx, r, errInterrupted)
	}
	return err
}

func (in *instance) initialise(ctx context.Context, r *run) error {
	if r.sandbox.mod == nil {
		if err := r.fill(); err != nil {
			return in.initFault(ctx, r, err)
		}
	}
	if r.sandbox.initialize != nil {
		if err := r.enter(r.sandbox.initialize, r.stack[:]); err != nil {
			return in.initFault(ctx, r, err)
		}
	}
	return nil
}

// ID implements sandbox.Instance.
func (in *instance) ID() string { return "wasm-" + strconv.FormatUint(in.id, 36) }

// Reusable implements sandbox.Instance.
func (in *instance) Reusable() bool { return !in.spent.Load() }

// Stats implements sandbox.Instance.
func (in *instance) Stats() sandbox.Stats {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := sandbox.Stats{StartedAt: in.started, InitTime: in.took}
	if in.run != nil {
		s.Memory = in.run.mem.Size()
	}
	return s
}

// Invoke implements sandbox.Instance.
func (in *instance) Invoke(ctx context.Context, inv *sandbox.Invocation) (sandbox.Result, error) {
	r, err := in.begin()
	if err != nil {
		return sandbox.Result{}, err
	}
	defer in.end()
	left, err := in.due(ctx, inv)
	if err != nil {
		return sandbox.Result{}, err
	}
	r.inv = inv
	stop := r.arm(ctx, left)
	res, err := in.call(ctx, r)
	r.disarm(stop)
	r.inv = nil
	if err != nil || res.Failure != nil && !res.Failure.Handled {
		r.spent = true
	}
	if !r.intact() {
		in.spent.Store(true)
	}
	res.PeakMemory = r.mem.Size()
	res.Logs, res.LogsLost = r.takeLogs()
	r.mem.Forgive() // the next invocation fails by its own faults
	return res, err
}

// begin takes the instance for one invocation.
func (in *instance) begin() (*run, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.stopped:
		return nil, in.stoppedFault()
	case in.busy:
		return nil, fault.New(fault.Internal, "instance_busy", "invoke function %q: the instance serves one invocation at a time", in.un.u.Function)
	case in.spent.Load():
		return nil, fault.New(fault.Internal, "instance_spent", "invoke function %q: the instance cannot be used again", in.un.u.Function)
	}
	in.busy = true
	if in.un.oneShot {
		in.spent.Store(true)
	}
	return in.run, nil
}

// due returns how much time is left. Faults: Timeout where there is none,
// Canceled where ctx has ended.
func (in *instance) due(ctx context.Context, inv *sandbox.Invocation) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, fault.Of(err)
	}
	left := time.Until(inv.Deadline)
	if left <= 0 {
		return 0, in.timeoutFault()
	}
	return left, nil
}

// end gives the instance back; if it was stopped meanwhile it is freed here.
func (in *instance) end() {
	in.mu.Lock()
	in.busy = false
	stopped := in.stopped
	in.mu.Unlock()
	if stopped {
		in.free()
		in.un.drop(in, false)
		close(in.idle)
	}
}

// Stop implements sandbox.Instance. Where the instance is busy it interrupts
// the guest and waits for it, at most until ctx ends; the guest's memory is
// given back when it has ended, whoever waits.
func (in *instance) Stop(ctx context.Context) error {
	in.mu.Lock()
	again := in.stopped
	in.stopped = true
	in.spent.Store(true)
	if !again && in.busy {
		in.idle = make(chan struct{})
		in.run.interrupt(causeStopped)
	}
	idle := in.idle
	in.mu.Unlock()
	if idle == nil {
		if !again {
			in.free()
			in.un.drop(in, false)
		}
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fault.Of(ctx.Err())
	}
}

// free gives back what the instance holds. The guest must have ended.
func (in *instance) free() {
	in.mu.Lock()
	r := in.run
	in.run = nil
	in.mu.Unlock()
	r.clean()
	if !r.refill() || !in.un.keep(r) {
		r.close()
	}
}
