package pool

import (
	"context"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/sandbox"
)

// Bounds of how long a unit that failed is not tried again.
const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second
)

// failure remembers that a unit could not be loaded or started, so that a
// storm of calls does not compile broken code over and over.
type failure struct {
	err   error
	count int
	until time.Time
}

// note remembers a failure. Starts that ran side by side and fail together are
// one. Want of memory passes as soon as anybody stops, so it is not held
// against the unit for longer than the first time.
func (f *failure) note(err error, now time.Time) {
	if now.Before(f.until) {
		return
	}
	delay := min(firstBackoff<<min(f.count, 10), maxBackoff)
	if f.count++; fault.Is(err, fault.Exhausted) {
		delay, f.count = firstBackoff, 0
	}
	f.err, f.until = err, now.Add(delay)
}

// at returns the failure that still holds.
func (f *failure) at(now time.Time) error {
	if f.err != nil && now.Before(f.until) {
		return f.err
	}
	return nil
}

// flight is one loading of code that any number of callers wait for.
type flight struct {
	done chan struct{}
	err  error // valid once done is closed
}

// prepare sees to it that the code is loaded, and notes in the lease where its
// owner had to wait for that.
func (un *unit) prepare(ctx context.Context, l *lease) error {
	if un.prepared.Load() {
		return nil
	}
	begin := un.p.opts.Now()
	f, err := un.flight()
	if f == nil {
		return err
	}
	select {
	case <-f.done:
		l.waitedSince(begin)
		return f.err
	case <-ctx.Done():
		return fault.Of(ctx.Err())
	}
}

// flight joins the loading under way or begins one. It returns neither a
// flight nor an error where the code has been loaded meanwhile.
func (un *unit) flight() (*flight, error) {
	un.mu.Lock()
	defer un.mu.Unlock()
	if un.prepared.Load() || un.loading != nil {
		return un.loading, nil
	}
	if err := un.failure.at(un.p.opts.Now()); err != nil {
		return nil, err
	}
	f := &flight{done: make(chan struct{})}
	if !un.p.begin(func() { un.load(f) }) {
		return nil, errStopped()
	}
	un.users.Add(1) // the flight; the caller holds the unit open
	un.loading = f
	return f, nil
}

// load is the flight.
func (un *unit) load(f *flight) {
	ctx, cancel := context.WithTimeout(un.p.base, startTimeout)
	defer cancel()
	f.err = un.p.ended(un.hostPrepare(ctx))
	un.mu.Lock()
	un.loading = nil
	if f.err == nil {
		un.failure = failure{}
		un.prepared.Store(true)
	} else {
		un.failure.note(f.err, un.p.opts.Now())
	}
	un.mu.Unlock()
	close(f.done)
	un.leave()
}

func (un *unit) hostPrepare(ctx context.Context) (err error) {
	defer un.recovered("load", &err)
	return un.host.Prepare(ctx, un.u)
}

// hostStart makes an instance for which a place in the family was taken, and
// gives the place back where that fails.
func (un *unit) hostStart(ctx context.Context) (inst sandbox.Instance, err error) {
	defer func() {
		if err != nil {
			un.family.release()
		}
	}()
	defer un.recovered("start", &err)
	return un.host.Start(ctx, un.u)
}

// makeRoom takes a place in the family, at the expense of an idle instance of
// another version where there is no other way.
func (un *unit) makeRoom() error {
	bound := un.p.opts.MaxInstances(un.u.Function)
	if un.family.take(bound) {
		return nil
	}
	for _, other := range un.p.families.siblings(un) {
		found := false
		idle := other.takeIdle(func(*member) bool {
			first := !found
			found = true
			return first
		})
		if other.discard(idle); len(idle) > 0 && un.family.take(bound) {
			return nil
		}
	}
	return fault.New(fault.Exhausted, "max_instances", "start function %q: it has all %d instances that it may", un.u.Function, bound).
		WithRemedy("raise scaling.maxInstances").WithRetryAfter(time.Second)
}
