package invoke

import (
	"context"
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
	SaveTotals(ctx context.Context, totals []Totals) error
}

// Totals are the counters of one version; Version 0 counts $LATEST.
type Totals struct {
	Function      string          `json:"function"`
	Version       function.Number `json:"version"`
	Born          int64           `json:"born"` // see function.Key
	Invocations   uint64          `json:"invocations"`
	LastInvokedAt time.Time       `json:"lastInvokedAt"`
}
