// Package invoke runs functions: it resolves a request to a unit, admits it
// within the limits of concurrency, acquires an instance, runs the invocation
// with its deadline and records what became of it.
//
// Who may invoke what is decided before (core/api, triggers); how instances
// are made is the pool's and the hosts' business; retrying a failed function
// is the asynchronous queue's.
package invoke

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/internal/table"
	"github.com/skiffhq/skiff/core/sandbox"
)

// Defaults of Options.
const (
	DefaultGlobal       = 1000             // invocations at once of all functions without a reservation
	DefaultQueueDepth   = 100              // invocations waiting for one function
	DefaultQueueTimeout = 10 * time.Second // of waiting for one function
)

// Options are what an Invoker needs. Resolver and Pool must be set.
type Options struct {
	Resolver Resolver
	Pool     Pool
	Metrics  Metrics     // nil: none are kept
	Logs     Logs        // nil: what functions write is dropped
	Totals   TotalsStore // nil: totals live in memory only

	// Global bounds the invocations that run at once of all functions without
	// a reservation; what is reserved comes on top of it.
	Global int
	// QueueDepth bounds the invocations that wait for one busy function.
	QueueDepth int
	// QueueTimeout bounds how long one of them waits.
	QueueTimeout time.Duration

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: slog.Default
}

// Request is one wish to run a function. The payload must not change until
// Invoke has returned; nothing keeps it afterwards.
type Request struct {
	RequestID   string // empty: Invoke makes a UUID
	Function    string
	Qualifier   string // version, alias, "$LATEST" or empty
	Trigger     string // "api", "lambda", "http", …; a label of the metrics
	Traceparent string // W3C trace context; may be empty
	Payload     []byte
	// Role is checked against the function's AllowedRoles; empty means the
	// appliance itself, which may invoke everything.
	Role function.Role
	// Tail asks for the function's log lines in the outcome. Without it they
	// go to Logs alone.
	Tail bool
	// LogStream asks for the name of the log stream in the outcome: making it
	// costs more than all else that is noted of an invocation.
	LogStream bool
	// DryRun resolves and checks the request without running anything.
	DryRun bool
}

// Outcome is what became of a request. It belongs to the caller.
type Outcome struct {
	RequestID    string
	Unit         *function.Unit // what ran; nil where the request could not be resolved
	Result       sandbox.Result
	Duration     time.Duration // of the handler, without waiting and starting
	InitDuration time.Duration // how long the invocation waited for code or an instance
	Cold         bool          // see Lease.Cold
	LogStream    string        // empty where it was not asked for or nothing ran
}

// Billed returns Duration rounded up to whole milliseconds.
func (o *Outcome) Billed() time.Duration {
	return (o.Duration + time.Millisecond - 1).Truncate(time.Millisecond)
}

// Invoker runs invocations. It serves any number of goroutines between Start
// and Stop.
type Invoker struct {
	opts      Options
	functions table.Table[string, state]
	global    limiter

	open    atomic.Bool
	running atomic.Int64  // calls inside Invoke
	emptied chan struct{} // told when running falls to 0 after Stop began

	mu   sync.Mutex // guards stop
	stop context.CancelFunc
	loop sync.WaitGroup
}

// New returns an Invoker that refuses everything until Start.
func New(opts Options) *Invoker {
	opts.Global = positive(opts.Global, DefaultGlobal)
	opts.QueueDepth = positive(opts.QueueDepth, DefaultQueueDepth)
	if opts.QueueTimeout <= 0 {
		opts.QueueTimeout = DefaultQueueTimeout
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	v := &Invoker{opts: opts, emptied: make(chan struct{}, 1)}
	v.global.limit = int64(opts.Global)
	return v
}

func positive(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}
