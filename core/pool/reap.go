package pool

import (
	"context"
	"sync"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// reapInterval is how often the reaper looks. It looks at what is idle twice,
// IdleTimeout apart, so that one goes at most two intervals after that time. A
// shorter IdleTimeout makes it look more often.
const reapInterval = time.Minute

// forcedWait is how long Stop waits for the users of instances that it
// stopped under them.
const forcedWait = 5 * time.Second

// Start begins to reap what is idle. Starting what runs does nothing.
func (p *Pool) Start(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing {
		return errStopped()
	}
	if !p.reaper {
		p.reaper = true
		p.work.Go(p.reapLoop)
	}
	return nil
}

func (p *Pool) reapLoop() {
	tick := time.NewTicker(max(min(reapInterval, p.opts.IdleTimeout/4), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-p.base.Done():
			return
		case <-tick.C:
			p.Reap(p.opts.Now())
		}
	}
}

// Reap stops the instances that nobody has used for IdleTimeout, and forgets
// the code of units that nobody has used for as long.
func (p *Pool) Reap(now time.Time) {
	before := now.Add(-p.opts.IdleTimeout)
	for _, un := range p.units.All() {
		un.discard(un.takeIdle(func(m *member) bool { return m.expired(now, before) }))
		if un.retired.Load() || un.expired(now, before) {
			un.close()
		}
	}
}

// expired reports whether nobody has used the unit since before. It is the
// reaper's.
func (un *unit) expired(now, before time.Time) bool {
	if un.used.Swap(false) {
		un.lastUsed.Store(now.UnixNano())
	}
	return un.lastUsed.Load() <= before.UnixNano()
}

// expired is that of an instance. The unit's mu is held.
func (m *member) expired(now, before time.Time) bool {
	if m.used {
		m.used, m.idleAt = false, now
	}
	return !m.idleAt.After(before)
}

// Stop lends nothing any more, waits until ctx ends for those who hold
// leases, stops the instances of those who still do, and returns when
// everything has been stopped and forgotten. It is a Timeout fault where a
// host does not let go; it may be called again.
func (p *Pool) Stop(ctx context.Context) error {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
	p.end()
	err := p.drain(ctx)
	if err != nil {
		p.force()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), forcedWait)
		defer cancel()
		err = p.drain(late)
	}
	return err
}

// drain retires every unit and waits until all are gone and nothing runs in
// the background.
func (p *Pool) drain(ctx context.Context) error {
	for key := range p.units.All() { // all before the first wait
		p.Retire(key)
	}
	for _, un := range p.units.All() {
		select {
		case <-un.gone:
		case <-ctx.Done():
			return stillBusy(ctx)
		}
	}
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the work, whose every step is bounded
		p.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return stillBusy(ctx)
	}
}

func stillBusy(ctx context.Context) error {
	return fault.Wrap(ctx.Err(), fault.Timeout, "drain_timeout", "stop the pool: instances are still in use")
}

// force stops every instance under its users, whose invocations end with a fault.
func (p *Pool) force() {
	var wg sync.WaitGroup
	for _, un := range p.units.All() {
		for _, m := range un.list() {
			wg.Go(func() { un.stop(m) })
		}
	}
	wg.Wait()
}

// list returns the live instances.
func (un *unit) list() []*member {
	un.mu.Lock()
	defer un.mu.Unlock()
	return append([]*member(nil), un.members...)
}
