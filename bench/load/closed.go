package load

import (
	"context"
	"sync"
	"time"
)

// runClosed lets every caller send one request after another. Right answers
// that come after the end of the time count for nothing: they belong to no
// full interval.
func runClosed(ctx context.Context, p *Plan, callers []*caller) (*Result, error) {
	running, cancel := context.WithTimeout(ctx, p.Duration+p.Drain)
	defer cancel()
	release := context.AfterFunc(running, func() { closeAll(callers) })
	defer release()
	p.started()
	end := time.Now().Add(p.Duration)
	var wg sync.WaitGroup
	for i, c := range callers {
		wg.Go(func() { c.loop(running, int64(i), end) })
	}
	wg.Wait()
	p.ended()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sum := gather(callers)
	sum.Elapsed = p.Duration
	return sum, nil
}

// loop is one caller of a closed loop; first is the request to begin with.
func (c *caller) loop(ctx context.Context, first int64, end time.Time) {
	step := int64(c.plan.Connections)
	sending, cancel := context.WithDeadline(ctx, end) // a connection is of no use after that
	defer cancel()
	for i := first; ctx.Err() == nil; i += step {
		sent := time.Now()
		if !sent.Before(end) {
			return
		}
		c.send(i)
		a, err := c.answers.next()
		c.result.Sent++
		if ctx.Err() != nil {
			c.result.wrong(KindUnanswered, "after %v", time.Since(sent).Round(time.Millisecond))
			return
		}
		c.account(i, a, err, sent, end)
		if stale(a, err) && !c.renew(sending) {
			return
		}
	}
}

// account notes an answer unless it is right and late.
func (c *caller) account(i int64, a answer, err error, sent, end time.Time) {
	now := time.Now()
	if kind, _ := verdict(c.plan.request(i), a, err); kind == "" && now.After(end) {
		c.result.Sent--
		return
	}
	c.judge(i, a, err, now.Sub(sent))
}

// gather adds the callers' results up.
func gather(callers []*caller) *Result {
	sum := NewResult()
	for _, c := range callers {
		sum.add(c.result)
	}
	return sum
}
