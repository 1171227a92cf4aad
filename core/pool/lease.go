package pool

import (
	"context"
	"slices"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/sandbox"
)

// lease implements invoke.Lease. An instance for one invocation only shares
// the lease's allocation.
type lease struct {
	un     *unit // nil after Release
	m      *member
	cold   bool
	waited time.Duration
	own    member
}

// Instance implements invoke.Lease.
func (l *lease) Instance() sandbox.Instance { return l.m.inst }

// Cold implements invoke.Lease.
func (l *lease) Cold() (bool, time.Duration) { return l.cold, l.waited }

// Release implements invoke.Lease. Releasing twice is a broken invariant.
func (l *lease) Release() {
	un := l.un
	if un == nil {
		panic("pool: lease released twice")
	}
	l.un = nil
	un.release(l.m)
	un.touch()
	un.leave()
}

// acquire lends an instance to the caller, who is a user of the unit.
func (un *unit) acquire(ctx context.Context) (*lease, error) {
	l := &lease{un: un}
	err := un.prepare(ctx, l)
	switch {
	case err != nil:
	case un.oneShot:
		err = un.startOwn(ctx, l)
	default:
		err = un.borrow(ctx, l)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// waitedSince notes that the lease's owner had to wait.
func (l *lease) waitedSince(begin time.Time) {
	l.cold = true
	l.waited += l.un.p.opts.Now().Sub(begin)
}

// startOwn makes an instance for this lease alone. The caller's context rules,
// as nobody else waits for it.
func (un *unit) startOwn(ctx context.Context, l *lease) error {
	if err := un.makeRoom(); err != nil {
		return err
	}
	inst, err := un.hostStart(ctx)
	if err != nil {
		return err
	}
	l.own = member{inst: inst, inFlight: 1}
	l.m = &l.own
	un.mu.Lock()
	un.insert(l.m)
	un.mu.Unlock()
	return nil
}

// waiter is a caller that waits for an instance that is being started.
type waiter struct {
	// result gets one answer, under the unit's mu: the member, on which a
	// place has been taken for the waiter, or why there is none.
	result chan grant
}

type grant struct {
	m   *member
	err error
}

// borrow gives the lease a place on a warm instance, or on one that is
// started for it and others.
func (un *unit) borrow(ctx context.Context, l *lease) error {
	m, w, err := un.place(false)
	if m == nil && w == nil && err == nil {
		if err = un.makeRoom(); err == nil {
			m, w, err = un.place(true)
		}
	}
	if w == nil {
		l.m = m
		return err
	}
	begin := un.p.opts.Now()
	select {
	case g := <-w.result:
		l.waitedSince(begin)
		l.m = g.m
		return g.err
	case <-ctx.Done():
		un.abandon(w)
		return fault.Of(ctx.Err())
	}
}

// place takes a place on an instance, or joins those who wait for one where
// the starts under way have room for one more. Else it starts an instance,
// for which the caller must have made room in the family; without room it
// returns nothing at all. Room that was not needed is given back.
func (un *unit) place(room bool) (m *member, w *waiter, err error) {
	un.mu.Lock()
	m, dead := un.take()
	switch {
	case m != nil:
	case un.pending*un.slots > len(un.waiters):
		w = un.wait()
	case room:
		if err = un.beginStart(); err == nil {
			w, room = un.wait(), false
		}
	}
	un.mu.Unlock()
	if room {
		un.family.release()
	}
	un.discard(dead)
	return m, w, err
}

// take takes a place on the least loaded instance with room, if any. It takes
// out those that it finds dead in idleness, for the caller to discard. mu is
// held.
func (un *unit) take() (best *member, dead []*member) {
	for i := len(un.members) - 1; i >= 0 && (best == nil || best.inFlight > 0); i-- {
		m := un.members[i]
		switch {
		case m.inFlight >= un.slots || best != nil && best.inFlight <= m.inFlight:
		case un.reusable(m):
			best = m
		case m.inFlight == 0:
			un.remove(m) // which moves one that was seen
			dead = append(dead, m)
		}
	}
	if best != nil {
		best.inFlight++
	}
	return best, dead
}

// beginStart starts an instance for whoever waits, unless the last try failed
// a moment ago. mu is held.
func (un *unit) beginStart() error {
	if err := un.failure.at(un.p.opts.Now()); err != nil {
		return err
	}
	if !un.p.begin(un.startShared) {
		return errStopped()
	}
	un.users.Add(1) // the start; the caller holds the unit open
	un.pending++
	return nil
}

// wait adds a waiter. mu is held.
func (un *unit) wait() *waiter {
	w := &waiter{result: make(chan grant, 1)}
	un.waiters = append(un.waiters, w)
	return w
}

// startShared makes an instance for whoever waits.
func (un *unit) startShared() {
	ctx, cancel := context.WithTimeout(un.p.base, startTimeout)
	defer cancel()
	inst, err := un.hostStart(ctx)
	un.mu.Lock()
	un.pending--
	if err != nil {
		err = un.p.ended(err)
		un.failure.note(err, un.p.opts.Now())
		un.failWaiters(err)
	} else {
		un.failure = failure{}
		m := &member{inst: inst, used: true}
		un.insert(m)
		un.serve(m)
	}
	un.mu.Unlock()
	un.touch()
	un.leave()
}

// failWaiters answers all who wait, also for other starts: those are of the
// same unit and would fare no better. mu is held.
func (un *unit) failWaiters(err error) {
	for _, w := range un.waiters {
		w.result <- grant{err: err}
	}
	un.waiters = nil
}

// serve gives the free places of an instance to those who wait. mu is held.
func (un *unit) serve(m *member) {
	for len(un.waiters) > 0 && m.inFlight < un.slots {
		m.inFlight++
		un.waiters[0].result <- grant{m: m}
		un.waiters = slices.Delete(un.waiters, 0, 1)
	}
}

// abandon takes a waiter out whose caller left, or gives back what it got.
func (un *unit) abandon(w *waiter) {
	un.mu.Lock()
	if i := slices.Index(un.waiters, w); i >= 0 {
		un.waiters = slices.Delete(un.waiters, i, i+1)
		un.mu.Unlock()
		return
	}
	un.mu.Unlock()
	if g := <-w.result; g.m != nil { // the answer was sent before w was taken out
		un.release(g.m)
	}
}

// release gives back a place on an instance. One that cannot be used again,
// or shall not, is stopped when nobody is left on it.
func (un *unit) release(m *member) {
	alive := !un.oneShot && un.reusable(m)
	un.mu.Lock()
	m.inFlight--
	over := m.inFlight == 0 && (!alive || un.retired.Load())
	switch {
	case over:
		un.remove(m)
	case alive:
		m.used = true
		un.serve(m)
	}
	un.mu.Unlock()
	if over {
		un.discard([]*member{m})
	}
}

// reusable asks the instance, and takes a panic for a no.
func (un *unit) reusable(m *member) (ok bool) {
	var err error
	defer un.recovered("look after", &err)
	return m.inst.Reusable()
}
