package api

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Why a request's context ended before its answer.
var (
	errClientGone = errors.New("the client closed the connection")
	errStopping   = errors.New("the appliance stops")
	errAnswered   = errors.New("the request was answered")
)

// requestContext ends when the client has gone, when the server gives up
// waiting, or when the request was answered. It is not context.WithCancel
// because that registers every request with one parent under one lock, and
// because a request that nobody waits for needs no channel.
//
// It is never used again, so whoever keeps one keeps a dead one.
type requestContext struct {
	mu    sync.Mutex
	cause error         // nil while alive
	done  chan struct{} // made when first asked for
	after map[int]func()
	next  int
}

var _ context.Context = (*requestContext)(nil)

// Deadline implements context.Context: functions have deadlines of their own.
func (c *requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (c *requestContext) Value(any) any { return nil }

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.cause != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err implements context.Context.
func (c *requestContext) Err() error {
	if c.ended() != nil {
		return context.Canceled
	}
	return nil
}

// ended returns why the context ended, nil while it lives.
func (c *requestContext) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// AfterFunc is what package context looks for in a foreign parent: with it,
// a derived context needs no goroutine of its own.
func (c *requestContext) AfterFunc(fn func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		go fn()
		return func() bool { return false }
	}
	id := c.next
	c.next++
	if c.after == nil {
		c.after = map[int]func(){}
	}
	c.after[id] = fn
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waiting := c.after[id]
		delete(c.after, id)
		return waiting
	}
}

// end ends the context, the first time it is called.
func (c *requestContext) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	if c.done != nil {
		close(c.done)
	}
	for _, fn := range c.after {
		go fn()
	}
	c.after = nil
}
