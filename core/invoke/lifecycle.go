package invoke

import (
	"context"
	"errors"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// Start loads the totals, begins to save them every ten seconds and opens for
// invocations. Starting what runs does nothing.
func (v *Invoker) Start(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stop != nil {
		return nil
	}
	if err := v.load(ctx); err != nil {
		return err
	}
	loop, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stop = stop
	v.loop.Go(func() { v.flushLoop(loop) })
	v.open.Store(true)
	return nil
}

func (v *Invoker) flushLoop(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			v.tidy(v.opts.Now())
			if err := v.flush(ctx); err != nil && ctx.Err() == nil {
				v.opts.Log.Warn("totals are kept in memory until the store takes them", "component", "invoke", "error", err)
			}
		}
	}
}

// tidy frees what is known of deleted versions and of times long past.
func (v *Invoker) tidy(now time.Time) {
	for _, s := range v.functions.All() {
		s.fold()
		if w := s.window.Load(); w != nil {
			w.forget(now)
		}
	}
}

// Stop refuses new invocations, waits for those that run or wait in line
// until ctx ends, and saves the totals. It may be called again.
func (v *Invoker) Stop(ctx context.Context) error {
	v.open.Store(false)
	drained := v.drain(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stop != nil {
		v.stop()
		v.loop.Wait()
		v.stop = nil
	}
	// Drained or not, what was counted is saved.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	v.tidy(v.opts.Now())
	return errors.Join(drained, v.flush(ctx))
}

func (v *Invoker) drain(ctx context.Context) error {
	for {
		n := v.running.Load()
		if n == 0 {
			v.tellEmptied() // another Stop may wait too
			return nil
		}
		select {
		case <-v.emptied:
		case <-ctx.Done():
			return fault.Wrap(ctx.Err(), fault.Timeout, "drain_timeout", "drain invocations: %d still run", n)
		}
	}
}

// begin lets a call in unless the invoker is closed. The call is counted
// before the look, so that drain sees every call that was let in.
func (v *Invoker) begin() bool {
	v.running.Add(1)
	if v.open.Load() {
		return true
	}
	v.end()
	return false
}

func (v *Invoker) end() {
	if v.running.Add(-1) == 0 && !v.open.Load() {
		v.tellEmptied()
	}
}

func (v *Invoker) tellEmptied() {
	select {
	case v.emptied <- struct{}{}:
	default:
	}
}

// Load returns how many invocations are inside Invoke, and how many of them
// wait for a busy function.
func (v *Invoker) Load() (running, waiting int) {
	for _, s := range v.functions.All() {
		waiting += int(s.gate.waiting.Load())
	}
	return int(v.running.Load()), waiting
}
