package load

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// none is the request of a caller that has none.
const none int64 = -1

// dispatcher hands requests out when they are due. A request goes to the
// caller that has been idle longest, or waits, on the clock, for the first one
// that becomes idle.
type dispatcher struct {
	plan  *Plan
	start time.Time
	total int64

	mu       sync.Mutex // guards what follows
	jobs     map[*caller]int64
	idle     []*caller // a queue; never with anything in it while a request waits
	due      int64     // requests 0 to due-1 should have been sent
	next     int64     // requests 0 to next-1 have been handed out
	done     int64     // answers, right or wrong
	lag      *hdrhistogram.Histogram
	last     time.Time // of the last answer
	over     bool
	finished chan struct{} // closed when everything is answered
}

func newDispatcher(p *Plan, callers []*caller) *dispatcher {
	d := &dispatcher{
		plan: p, total: int64(p.Rate * p.Duration.Seconds()), jobs: make(map[*caller]int64, len(callers)),
		lag: newHistogram(), finished: make(chan struct{}),
	}
	for _, c := range callers {
		d.jobs[c] = none
		d.idle = append(d.idle, c)
	}
	return d
}

// runOpen sends requests at the plan's rate.
func runOpen(ctx context.Context, p *Plan, callers []*caller) (*Result, error) {
	d := newDispatcher(p, callers)
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	p.started()
	d.start = time.Now()
	for _, c := range callers {
		wg.Go(func() { d.read(reading, c) })
	}
	if d.total > 0 {
		d.schedule(ctx)
		d.wait(ctx)
	}
	p.ended()
	d.end()
	cancel()
	closeAll(callers)
	wg.Wait()
	return d.result(ctx, callers)
}

// at returns when the i-th request is due. It is reckoned from the start, so
// that no rounding adds up.
func (d *dispatcher) at(i int64) time.Time {
	return d.start.Add(time.Duration(float64(i) / d.plan.Rate * float64(time.Second)))
}

// schedule sends what it can at the right moment and returns when everything
// is due.
func (d *dispatcher) schedule(ctx context.Context) {
	for i := range d.total {
		if !d.await(ctx, d.at(i)) {
			return
		}
		if c := d.release(i); c != nil {
			c.send(i)
		}
	}
}

// await pauses in slices, so that the end of the context is seen.
func (d *dispatcher) await(ctx context.Context, t time.Time) bool {
	const slice = 100 * time.Millisecond
	for {
		if ctx.Err() != nil {
			return false
		}
		now := time.Now()
		if !now.Before(t) {
			return true
		}
		if next := now.Add(slice); next.Before(t) {
			d.plan.pause(next)
		} else {
			d.plan.pause(t)
		}
	}
}

// release makes the i-th request due and returns the caller to send it, or nil
// where all are busy.
func (d *dispatcher) release(i int64) *caller {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.due = i + 1
	if len(d.idle) == 0 {
		return nil
	}
	c := d.idle[0]
	d.idle = append(d.idle[:0], d.idle[1:]...)
	d.assign(c)
	return c
}

// assign gives the caller the oldest request that waits. Called with the lock.
func (d *dispatcher) assign(c *caller) int64 {
	i := d.next
	d.next++
	d.jobs[c] = i
	record(d.lag, time.Since(d.at(i)))
	return i
}

// read is the life of one caller: it takes answers and sends what waits.
func (d *dispatcher) read(ctx context.Context, c *caller) {
	for {
		a, err := c.answers.next()
		now := time.Now()
		i, over := d.take(c)
		if over {
			return
		}
		d.note(c, i, a, err, now)
		if (stale(a, err) || i == none) && !c.renew(ctx) {
			return
		}
		if i = d.finish(c, i, now); i != none {
			c.send(i)
		}
	}
}

// note judges an answer. A connection that the server closed while nothing was
// asked of it is no error; an answer to nothing is.
func (d *dispatcher) note(c *caller, i int64, a answer, err error, now time.Time) {
	switch {
	case i != none:
		c.judge(i, a, err, now.Sub(d.at(i)))
	case err == nil:
		d.plan.Progress.failed.Add(1)
		c.result.wrong(KindMalformed, "an answer to no request: %d %s", a.status, excerpt(a.body))
	}
}

// take takes the caller's request from it, and the caller out of the queue.
func (d *dispatcher) take(c *caller) (i int64, over bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i = d.jobs[c]
	d.jobs[c] = none
	for at, other := range d.idle {
		if i == none && other == c {
			d.idle = append(d.idle[:at], d.idle[at+1:]...)
			break
		}
	}
	return i, d.over
}

// finish counts the request as answered and returns the caller's next one, or
// none, where it joined the queue.
func (d *dispatcher) finish(c *caller, i int64, now time.Time) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i != none {
		d.last = now
		if d.done++; d.done == d.total {
			close(d.finished)
		}
	}
	if d.next < d.due {
		return d.assign(c)
	}
	d.idle = append(d.idle, c)
	return none
}

// wait waits for the last answers.
func (d *dispatcher) wait(ctx context.Context) {
	timer := time.NewTimer(d.plan.Drain)
	defer timer.Stop()
	select {
	case <-d.finished:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// end lets answers that come from now on count for nothing.
func (d *dispatcher) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
}

func (d *dispatcher) result(ctx context.Context, callers []*caller) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sum := gather(callers)
	sum.Sent = d.total
	sum.Lag.Merge(d.lag)
	sum.Elapsed = max(d.plan.Duration, d.last.Sub(d.start))
	if missing := d.total - d.done; missing > 0 {
		sum.Errors[KindUnanswered] += missing
		sum.Samples[KindUnanswered] = "no answer " + d.plan.Drain.String() + " after the last request"
	}
	return sum, nil
}
