package invoke

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

const (
	flushInterval = 10 * time.Second
	flushBatch    = 1000            // records of one SaveTotals
	flushTimeout  = 5 * time.Second // of the flush at Stop, whose own context may be over
)

// tally counts the invocations of one version for life.
type tally struct {
	invocations atomic.Uint64
	last        atomic.Int64  // nanoseconds since 1970, 0 for never
	saved       atomic.Uint64 // invocations as the store knows them
}

func (t *tally) add(at time.Time) {
	// last first: whoever sees the count sees a time that is not older.
	t.last.Store(at.UnixNano())
	t.invocations.Add(1)
}

// take adds what another counted, which counts no more.
func (t *tally) take(o *tally) {
	t.last.Store(max(t.last.Load(), o.last.Load()))
	t.invocations.Add(o.invocations.Load())
}

func (t *tally) read() (uint64, time.Time) {
	n, last := t.invocations.Load(), t.last.Load()
	if last == 0 {
		return n, time.Time{}
	}
	return n, time.Unix(0, last).UTC()
}

// Totals returns how often the function has been invoked in its life, also by
// versions that were deleted, and when last (zero for never). A power cut loses
// up to ten seconds of it, and a version that was deleted within these.
func (v *Invoker) Totals(f *function.Function) (uint64, time.Time) {
	s := v.stateOf(f)
	if s == nil {
		return 0, time.Time{}
	}
	var sum uint64
	var newest time.Time
	for _, ver := range *s.versions.Load() {
		n, last := ver.read()
		if sum += n; last.After(newest) {
			newest = last
		}
	}
	return sum, newest
}

// VersionTotals is Totals of one version; 0 is $LATEST.
func (v *Invoker) VersionTotals(f *function.Function, n function.Number) (uint64, time.Time) {
	s := v.stateOf(f)
	if s == nil {
		return 0, time.Time{}
	}
	ver := (*s.versions.Load())[n]
	if ver == nil {
		return 0, time.Time{}
	}
	return ver.read()
}

// load takes over what the store holds.
func (v *Invoker) load(ctx context.Context) error {
	if v.opts.Totals == nil {
		return nil
	}
	all, err := v.opts.Totals.LoadTotals(ctx)
	if err != nil {
		return fmt.Errorf("load the totals of invocations: %w", err)
	}
	byName := map[string][]Totals{}
	for _, t := range all {
		byName[t.Function] = append(byName[t.Function], t)
	}
	for name, totals := range byName {
		if v.known(name) {
			v.resume(totals)
		}
	}
	return nil
}

// resume takes over the counters of one function, at the cost of one change.
func (v *Invoker) resume(totals []Totals) {
	born := slices.MaxFunc(totals, func(a, b Totals) int { return cmp.Compare(a.Born, b.Born) }).Born
	s := v.state(totals[0].Function, born)
	next := maps.Clone(*s.versions.Load())
	for _, t := range totals {
		if t.Born == s.born { // not of a deleted namesake
			next[t.Version] = t.version()
		}
	}
	s.versions.Store(&next)
}

// known reports whether a function is alive. The store keeps the counters of
// those that are deleted softly, which nobody would ever forget.
func (v *Invoker) known(name string) bool {
	_, _, err := v.opts.Resolver.Resolve(name, "")
	return !fault.Is(err, fault.NotFound)
}

// version returns a version that has been counted so far.
func (t *Totals) version() *version {
	ver := &version{}
	ver.invocations.Store(t.Invocations)
	ver.saved.Store(t.Invocations)
	if !t.LastInvokedAt.IsZero() {
		ver.last.Store(t.LastInvokedAt.UnixNano())
	}
	return ver
}

// flush saves the totals that changed. Those that could not be saved are
// tried again by the next flush.
func (v *Invoker) flush(ctx context.Context) error {
	if v.opts.Totals == nil {
		return nil
	}
	var batch []Totals
	var tallies []*tally
	save := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := v.opts.Totals.SaveTotals(ctx, batch); err != nil {
			return fmt.Errorf("save the totals of %d functions and versions: %w", len(batch), err)
		}
		for i, t := range tallies {
			t.saved.Store(batch[i].Invocations)
		}
		batch, tallies = batch[:0], tallies[:0]
		return nil
	}
	for name, s := range v.functions.All() {
		for number, ver := range *s.versions.Load() {
			n, last := ver.read()
			if n == ver.saved.Load() {
				continue
			}
			batch = append(batch, Totals{name, number, s.born, n, last})
			if tallies = append(tallies, &ver.tally); len(batch) < flushBatch {
				continue
			}
			if err := save(); err != nil {
				return err
			}
		}
	}
	return save()
}
