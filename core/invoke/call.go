package invoke

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

// call is one pass through Invoke. Outcome and work share its allocation; the
// caller, who keeps the outcome, must not hold on to the work, which is emptied
// at the end.
type call struct {
	Outcome
	work
}

// work is what an invocation needs while it is under way.
type work struct {
	req  *Request
	fn   *function.Function
	inst sandbox.Instance // while it is held
	inv  sandbox.Invocation

	state   *state
	version *version
	series  Series
}

// Invoke runs one invocation and returns when it is over. The outcome is
// never nil and tells as much as is known, so a fault comes with the request's
// id, the unit that was meant and the log lines until then.
//
// A function's own failure is no error; see Outcome.Result.Failure. Faults:
// NotFound and Invalid from the resolver, Denied, TooLarge, Throttled for a
// busy or paused function, Exhausted where the appliance itself is full (at
// once: waiting for everybody would fill memory with waiters), Timeout,
// InitFailed, Unavailable, Canceled where ctx ended first, Internal.
//
// Waiting for a place and for an instance is not counted against the
// function's timeout.
func (v *Invoker) Invoke(ctx context.Context, req *Request) (*Outcome, error) {
	c := &call{work: work{req: req}}
	if c.RequestID = req.RequestID; c.RequestID == "" {
		c.RequestID = newRequestID()
	}
	if !v.begin() {
		return &c.Outcome, fault.New(fault.Unavailable, "not_running", "invoke function %q: the appliance is starting or stopping", req.Function)
	}
	defer v.end()
	err := v.call(ctx, c)
	c.work = work{}
	return &c.Outcome, err
}

// call takes a request through its steps.
func (v *Invoker) call(ctx context.Context, c *call) (err error) {
	defer v.caught(ctx, c, &err)
	if err := v.resolve(c); err != nil || c.req.DryRun {
		return err
	}
	place, err := v.admit(ctx, c)
	if err != nil {
		return err
	}
	defer place.leave()
	lease, err := v.acquire(ctx, c)
	if err != nil {
		v.notAcquired(c, err)
		return err
	}
	// Before the place is given up, so that the next one finds the instance
	// free or its share of maxInstances.
	defer lease.Release()
	return v.run(ctx, c, lease)
}

// resolve finds what the request means and whether it may be run.
func (v *Invoker) resolve(c *call) error {
	if err := v.lookup(c); err != nil {
		return err
	}
	if role := c.req.Role; role != "" && role != function.RoleAdmin &&
		len(c.fn.AllowedRoles) > 0 && !slices.Contains(c.fn.AllowedRoles, role) {
		return fault.New(fault.Denied, "role_not_allowed", "invoke function %q: it may not be invoked by the role %s", c.fn.Name, role)
	}
	if n := len(c.req.Payload); n > sandbox.MaxPayload {
		return fault.New(fault.TooLarge, "payload_too_large",
			"invoke function %q: the payload has %d bytes, %d are allowed", c.fn.Name, n, sandbox.MaxPayload)
	}
	return nil
}

// lookup asks the resolver and finds our own records of what it names.
func (v *Invoker) lookup(c *call) error {
	f, u, err := v.opts.Resolver.Resolve(c.req.Function, c.req.Qualifier)
	if err != nil {
		return err
	}
	c.fn, c.Unit = f, u
	if c.req.DryRun {
		return nil
	}
	c.state = v.state(u.Function, u.Born)
	c.version = c.state.version(u.Version)
	c.series = c.version.metrics(v.opts.Metrics, u, c.req.Trigger)
	return nil
}

// place is what an admitted invocation holds.
type place struct {
	gate   *gate
	global *limiter // nil for a function with a reservation
}

func (p place) leave() {
	if p.global != nil {
		p.global.release()
	}
	p.gate.leave()
}

// admit waits for a place of the function, then takes one of the appliance's.
// In this order nobody who waits for a busy function keeps others out.
func (v *Invoker) admit(ctx context.Context, c *call) (place, error) {
	limit := limitOf(c.fn, c.Unit)
	p := place{gate: &c.state.gate}
	if err := p.gate.enter(ctx, limit, v.opts.QueueDepth, v.opts.QueueTimeout); err != nil {
		err = throttled(c.fn.Name, limit, err)
		v.notAcquired(c, err)
		return p, err
	}
	if c.fn.ReservedConcurrency != nil {
		return p, nil
	}
	if !v.global.tryTake() {
		p.leave()
		err := fault.New(fault.Exhausted, "global_concurrency", "invoke function %q: the appliance runs %d invocations already",
			c.fn.Name, v.global.limit).
			WithRemedy("reserve concurrency for functions that must run, or raise the appliance's limit").
			WithRetryAfter(busyRetryAfter)
		v.notAcquired(c, err)
		return p, err
	}
	p.global = &v.global
	return p, nil
}

// limitOf returns how many invocations of the function may run at once: what
// is reserved for it and what its instances can take.
func limitOf(f *function.Function, u *function.Unit) int64 {
	limit := int64(noLimit)
	if f.Scaling.MaxInstances > 0 {
		slots := max(u.InstanceConcurrency, 1)
		if u.Runtime == function.RuntimeWasm {
			slots = 1 // see sandbox.Instance
		}
		limit = int64(f.Scaling.MaxInstances * slots)
	}
	if r := f.ReservedConcurrency; r != nil {
		limit = min(limit, int64(*r))
	}
	return limit
}

// acquire gets an instance. A unit that was retired after it had been
// resolved is resolved again, once: nothing has run yet.
func (v *Invoker) acquire(ctx context.Context, c *call) (Lease, error) {
	lease, err := v.opts.Pool.Acquire(ctx, c.Unit)
	if err == nil || !fault.HasReason(err, ReasonRetired) {
		return lease, err
	}
	if err := v.lookup(c); err != nil {
		return nil, err
	}
	return v.opts.Pool.Acquire(ctx, c.Unit)
}

// run hands the invocation to the instance and records what comes back.
func (v *Invoker) run(ctx context.Context, c *call, lease Lease) error {
	c.inst = lease.Instance()
	c.Cold, c.InitDuration = lease.Cold()
	begin := v.opts.Now()
	if c.req.LogStream {
		c.LogStream = logStream(begin, c.Unit.Version, c.inst.ID())
	}
	c.inv = sandbox.Invocation{
		RequestID: c.RequestID, Deadline: begin.Add(c.Unit.Timeout),
		Traceparent: c.req.Traceparent, Payload: c.req.Payload,
	}
	c.series.Began()
	err := v.handle(ctx, c)
	end := v.opts.Now()
	c.Duration = end.Sub(begin)
	v.record(c, end, err)
	return err
}

// handle runs the handler and checks its answer.
func (v *Invoker) handle(ctx context.Context, c *call) (err error) {
	defer v.caught(ctx, c, &err)
	c.Result, err = c.inst.Invoke(ctx, &c.inv)
	if n := len(c.Result.Payload); err == nil && n > sandbox.MaxPayload {
		c.Result.Payload = nil
		// The class is that of a function which cannot serve: the caller can
		// but wait until somebody mends it.
		return fault.New(fault.InitFailed, fault.ReasonResponseInvalid,
			"invoke function %q: its answer has %d bytes, %d are allowed", c.fn.Name, n, sandbox.MaxPayload)
	}
	return err
}

// caught, which must be deferred, turns a panic into an Internal fault. What
// an instance does after one is anybody's guess, so it is stopped.
func (v *Invoker) caught(ctx context.Context, c *call, err *error) {
	r := recover()
	if r == nil {
		return
	}
	v.opts.Log.Error("panic during an invocation", "function", c.req.Function, "request_id", c.RequestID,
		"panic", r, "stack", string(debug.Stack()))
	*err = fault.New(fault.Internal, "panic", "invoke function %q: an internal error occurred", c.req.Function)
	if c.inst == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			v.opts.Log.Error("panic while an instance was stopped", "function", c.req.Function, "panic", r)
		}
	}()
	if err := c.inst.Stop(context.WithoutCancel(ctx)); err != nil {
		v.opts.Log.Error("stop instance after a panic", "function", c.req.Function, "instance", c.inst.ID(), "error", err)
	}
}

// record counts an invocation that ran.
func (v *Invoker) record(c *call, at time.Time, err error) {
	o := Observation{
		Duration: c.Duration, Init: c.InitDuration, Cold: c.Cold,
		PeakMemory: c.Result.PeakMemory, Traceparent: c.req.Traceparent,
		Failed: c.Result.Failure != nil || err != nil && !fault.Is(err, fault.Canceled),
	}
	c.series.Ended(o)
	c.state.recent().ended(at, &o)
	c.version.add(at)
	if len(c.Result.Logs) > 0 && v.opts.Logs != nil {
		v.opts.Logs.Lines(c.Unit.Function, c.Unit.Version, c.RequestID, c.Result.Logs)
	}
	if !c.req.Tail {
		c.Result.Logs = nil
	}
}

// notAcquired counts an invocation that got no instance: as a failed one
// where its code could not be started, as throttled where there was no room.
// Where a runtime is missing or the caller left there was no invocation.
func (v *Invoker) notAcquired(c *call, err error) {
	switch fault.ClassOf(err) {
	case fault.InitFailed:
		c.series.Began()
		v.record(c, v.opts.Now(), err)
	case fault.Throttled, fault.Exhausted:
		c.series.Throttled()
		c.state.recent().throttled(v.opts.Now())
	}
}

// newRequestID returns a random UUID (version 4). The runtime's generator is
// ChaCha8 seeded by the system, which suffices for names that are not secret,
// and takes neither a lock nor a system call.
func newRequestID() string {
	var id [16]byte
	a, b := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		id[i], id[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:8], id[:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// logStream names where an instance's lines go: "2026/11/24/[3]instance",
// with "$LATEST" in place of version 0.
func logStream(at time.Time, n function.Number, instance string) string {
	var buf [96]byte
	b := at.UTC().AppendFormat(buf[:0], "2006/01/02/[")
	if n == 0 {
		b = append(b, "$LATEST"...)
	} else {
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	b = append(b, ']')
	return string(append(b, instance...))
}
