// Package sandbox is the contract between those who want code run and those
// who can run it: a Host makes Instances of units, an Instance runs
// invocations.
//
// wasmhost and containerhost implement it; sandboxtest holds the suite that
// both must pass and a fake that passes it too. Pooling, retries and limits on
// concurrency do not belong here.
package sandbox

import (
	"context"
	"time"

	"github.com/skiffhq/skiff/core/function"
)

// Kind names a family of hosts.
type Kind string

// The kinds of host.
const (
	KindWasm      Kind = "wasm"
	KindContainer Kind = "container"
)

// Host makes instances. All methods may be called from many goroutines.
type Host interface {
	// Kind tells which family the host is of.
	Kind() Kind

	// Prepare loads the unit's code so that Start is quick: it compiles,
	// unpacks or pulls. Preparing what is prepared costs nothing. Faults:
	// InitFailed for code that cannot be loaded, Unavailable where this host
	// lacks the runtime, Exhausted where it does not fit in memory.
	Prepare(ctx context.Context, u *function.Unit) error

	// Start makes a new instance, preparing first where that was not done.
	// The caller owns the instance and must Stop it. The instance outlives
	// ctx. Faults as for Prepare.
	Start(ctx context.Context, u *function.Unit) (Instance, error)

	// Forget frees what Prepare loaded, now or when the last instance of the
	// unit has stopped. Forgetting what is not prepared does nothing.
	Forget(key function.Key)

	// Close stops every instance and frees everything. It is idempotent; no
	// other method may be called after it.
	Close(ctx context.Context) error
}

// Instance is a live sandbox of one unit. Invoke may be called by as many
// goroutines at once as the unit's InstanceConcurrency says, for WebAssembly
// by one.
type Instance interface {
	// ID is unique on this host for as long as the process lives.
	ID() string

	// Invoke runs one invocation and returns when the function has answered,
	// failed, or been stopped by the invocation's deadline or by ctx.
	//
	// A failure of the function's own is a Result with Failure set and a nil
	// error. Errors are faults: Timeout at the deadline, Canceled where ctx
	// ended first, InitFailed where the function's own start-up failed,
	// Exhausted, Internal. Invoke never blocks past the deadline by more than
	// the time it takes to end the guest.
	Invoke(ctx context.Context, inv *Invocation) (Result, error)

	// Reusable reports whether the instance may take another invocation. It
	// turns false for good: after a fault, a trap, an exit, or after the first
	// invocation where every request gets a fresh sandbox.
	Reusable() bool

	// Stats tells what the instance uses now.
	Stats() Stats

	// Stop ends the instance and frees what it held, including its memory
	// charge, before it returns. It is idempotent and may be called during
	// Invoke, which then returns a fault.
	Stop(ctx context.Context) error
}

// Invocation is one request to a function. The instance reads it until Invoke
// returns and keeps no part of it.
type Invocation struct {
	RequestID   string
	Deadline    time.Time // always set
	Traceparent string    // W3C trace context; may be empty
	Payload     []byte    // not changed by the instance
}

// Result is what a function did with an invocation. The caller owns it.
type Result struct {
	Payload    []byte   // the function's answer; nil where Failure is set
	Failure    *Failure // the function's own failure; nil for success
	Logs       []Line   // what the function wrote, oldest first, within limits
	LogsLost   int      // lines dropped because of the limits
	PeakMemory int64    // bytes
}

// Failure is a function's own error.
type Failure struct {
	Type       string   // e.g. "ValueError", "Runtime.ExitError", "Runtime.OutOfMemory"
	Message    string   // what the function said, or what became of it
	StackTrace []string // innermost first; may be empty
	// Handled tells an error that the function returned from one that ended it.
	Handled bool
}

// Failure types that hosts give, equal in all of them.
const (
	FailureExit        = "Runtime.ExitError"    // the function ended its process
	FailureOutOfMemory = "Runtime.OutOfMemory"  // over memorySize
	FailureTrap        = "Runtime.Trap"         // WebAssembly trap
	FailureStack       = "Runtime.StackExhaust" // stack overflow
	FailureFunction    = "Function.Error"       // an error result without a type of its own
)

// Line is one line that a function wrote.
type Line struct {
	Time    time.Time `json:"timestamp"`
	Level   string    `json:"level"`  // "debug", "info", "warn", "error"
	Stream  string    `json:"stream"` // "stdout", "stderr", "log"
	Message string    `json:"message"`
}

// Stats is what an instance uses.
type Stats struct {
	Memory    int64 // bytes now
	StartedAt time.Time
	InitTime  time.Duration // how long Start took
}

// Limits of what a function may write and answer; contract values.
const (
	MaxPayload   = 6 << 20  // bytes of a request or a response
	MaxLogBytes  = 1 << 20  // bytes of log text kept of one invocation
	MaxLogLine   = 64 << 10 // bytes of one line; longer ones are cut
	MaxStackSize = 16 << 20 // bytes of a guest's own call stack
)
