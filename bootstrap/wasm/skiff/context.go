package skiff

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// Keys of the host's meta call; part of the guest ABI, never renumbered.
const (
	metaRequestID = iota
	metaDeadline  // milliseconds since 1970-01-01 UTC, decimal
	metaTraceparent
	metaFunction
	metaVersion
)

// Context tells a handler about its request. It is a context.Context that is
// done at the request's deadline and after the handler has returned. Nothing
// is asked of the host before a method needs it. The methods may be called by
// several goroutines, until the handler returns.
type Context struct {
	meta func(key int32) string

	once   sync.Once // makes the next two at the first use
	timed  context.Context
	cancel context.CancelFunc
}

var _ context.Context = (*Context)(nil)

func newContext(meta func(key int32) string) *Context { return &Context{meta: meta} }

// RequestID is the id of the invocation.
func (c *Context) RequestID() string { return c.meta(metaRequestID) }

// Traceparent is the W3C trace context of the invocation, or "".
func (c *Context) Traceparent() string { return c.meta(metaTraceparent) }

// FunctionName is the name that the function has on the appliance.
func (c *Context) FunctionName() string { return c.meta(metaFunction) }

// FunctionVersion is the version that runs: "7", or "$LATEST".
func (c *Context) FunctionVersion() string { return c.meta(metaVersion) }

// Deadline is when the host ends the call. The host always gives one; ok is
// false only in tests that leave it out.
func (c *Context) Deadline() (deadline time.Time, ok bool) {
	ms, err := strconv.ParseInt(c.meta(metaDeadline), 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return time.UnixMilli(ms), true
}

// Done is closed at the deadline and when the handler has returned. A guest
// has one thread: in a loop that never waits, look at Deadline instead.
func (c *Context) Done() <-chan struct{} { return c.inner().Done() }

// Err is nil until Done is closed.
func (c *Context) Err() error { return c.inner().Err() }

// Value knows no keys of its own; it is what contexts made from this one use
// to end with it.
func (c *Context) Value(key any) any { return c.inner().Value(key) }

// inner returns the context that carries the deadline. Most handlers need
// none, so that the timer is made only when one asks.
func (c *Context) inner() context.Context {
	c.once.Do(func() {
		if d, ok := c.Deadline(); ok {
			c.timed, c.cancel = context.WithDeadline(context.Background(), d)
			return
		}
		c.timed, c.cancel = context.WithCancel(context.Background())
	})
	return c.timed
}

// finish ends the context after its handler. Whoever asks first after that
// gets one that is done.
func (c *Context) finish() {
	c.once.Do(func() { c.timed, c.cancel = ended, func() {} })
	c.cancel()
}

// ended is done already.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
