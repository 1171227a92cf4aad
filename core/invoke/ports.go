package invoke

import (
	"context"
	"math"
	"time"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

// Resolver finds what a request means, from memory. core/catalog is one.
type Resolver interface {
	// Resolve returns the function and the unit that name and qualifier mean
	// ("" and "$LATEST", a version, an alias); a weighted alias draws once.
	// Faults: NotFound, Invalid for a malformed qualifier.
	Resolve(name, qualifier string) (*function.Function, *function.Unit, error)
}

// Pool lends instances. core/pool is one.
type Pool interface {
	// Acquire returns an instance of the unit, started where none is free.
	// Faults are those of sandbox.Host, and Exhausted where no more may start.
	Acquire(ctx context.Context, u *function.Unit) (Lease, error)
}

// Lease is the right to run one invocation on an instance. Release must be
// called once, after Invoke has returned.
type Lease interface {
	Instance() sandbox.Instance
	// Cold reports whether the invocation had to wait for code to be loaded
	// or for a reusable instance to be started, and for how long.
	Cold() (bool, time.Duration)
	Release()
}

// TotalsStore keeps the counters that functions show for life.
type TotalsStore interface {
	LoadTotals(ctx context.Context) ([]Totals, error)
	// SaveTotals overwrites the records of the given functions and versions.
	// Those of a function that is not stored with that birth, or of a version
	// that is not stored, are left out: they were deleted while somebody
	// counted, and nobody would delete their counters any more.
	SaveTotals(ctx context.Context, totals []Totals) error
}

// Gone is the Version of the Totals that count all versions which were
// deleted, so that the function's own total stays. It is on disk.
const Gone function.Number = math.MaxUint32

// Totals are the counters of one version; Version 0 counts $LATEST, Gone those
// that were deleted.
type Totals struct {
	Function      string          `json:"function"`
	Version       function.Number `json:"version"`
	Born          int64           `json:"born"` // see function.Key
	Invocations   uint64          `json:"invocations"`
	LastInvokedAt time.Time       `json:"lastInvokedAt"`
}

// ReasonRetired is the reason of the Unavailable fault that a Pool gives for a
// unit that is being retired: resolving again finds its successor.
const ReasonRetired = "unit_retired"

// Metrics hands out the series of a unit and a trigger. It is asked once for
// each pair; the answer is kept, so the hot path looks nothing up.
type Metrics interface {
	Series(u *function.Unit, trigger string) Series
}

// Series counts the invocations of one unit by one trigger. It is called by
// many goroutines and must not block.
type Series interface {
	Began()            // about to run, or its code could not be started
	Ended(Observation) // once for each Began
	Throttled()        // refused for want of concurrency, instances or memory
}

// Observation is what one invocation did.
type Observation struct {
	Duration    time.Duration // of the handler; 0 where it did not run
	Init        time.Duration // 0 unless Cold
	Cold        bool
	Failed      bool  // by the function or by the platform
	PeakMemory  int64 // bytes
	Traceparent string
}

// Logs takes what functions wrote. Lines returns at once and may keep lines,
// which nobody changes afterwards.
type Logs interface {
	Lines(name string, version function.Number, requestID string, lines []sandbox.Line)
}
