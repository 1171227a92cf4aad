// Package store keeps the records of the appliance in Badger: functions,
// versions and aliases, users and tokens, the audit log and the counters for
// life. What it has answered survives kill -9 and a power cut.
//
// It implements the ports that its users declare, knows no rule about what it
// stores, and holds no code bundles (core/artifact) and no output of functions
// (core/logs). DESIGN.md beside this file says how it works.
package store

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/invoke"
)

// Options are the settings of a Store.
type Options struct {
	// Dir holds the store and nothing else. It is made where it is missing.
	Dir string
	// Reserve is the free space on Dir's disk, in bytes, below which writes
	// are refused; 0 means DefaultReserve, less than 0 none.
	Reserve int64
	Log     *slog.Logger
	Now     func() time.Time

	free  func() (int64, error) // of Dir's file system; tests replace it
	steps []step                // migrations; tests replace them
}

// Store is a store on disk. It may be used by many goroutines between Start and
// Stop; at other times everything returns an Unavailable fault. It cannot be
// started twice.
type Store struct {
	opts    Options
	log     *slog.Logger
	reserve *reserve
	health  health
	use     use
	gate    gate

	stopping chan struct{} // closed when Stop begins

	mu      sync.Mutex // guards what Start and Stop change
	started bool
	stopped bool
	lock    *os.File
	db      *badger.DB
	commits *committer
	gc      sync.WaitGroup // the loop that collects garbage
}

// New returns a store that touches nothing before Start.
func New(opts Options) *Store {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.free == nil {
		opts.free = freeSpace(opts.Dir)
	}
	if opts.steps == nil {
		opts.steps = steps
	}
	if opts.Reserve == 0 {
		opts.Reserve = DefaultReserve
	}
	log := opts.Log.With("component", "store")
	s := &Store{opts: opts, log: log, stopping: make(chan struct{})}
	s.reserve = &reserve{want: max(opts.Reserve, 0), free: opts.free, now: opts.Now, log: log}
	return s
}

// Catalog returns the store of functions, versions and aliases.
func (s *Store) Catalog() catalog.Store { return catalogStore{s} }

// Identity returns the store of users and tokens.
func (s *Store) Identity() identity.Store { return identityStore{s} }

// Audit returns the store of audit entries.
func (s *Store) Audit() audit.Store { return auditStore{s} }

// Totals returns the store of the counters that functions have for life. The
// counters of a function or a version go when catalog's Tx deletes it.
func (s *Store) Totals() invoke.TotalsStore { return totalsStore{s} }

// Ready returns nil while the store takes writes, else the fault that says why
// it does not: not started, disk nearly full (Exhausted, by itself over again
// when there is room), disk failed.
func (s *Store) Ready() error {
	if !s.gate.enter() {
		return notRunning()
	}
	defer s.gate.leave()
	if err := s.commits.ready(); err != nil {
		return err
	}
	return s.reserve.check(false)
}

// isStopping reports whether Stop has begun.
func (s *Store) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// view runs fn on a snapshot of what is durable.
func (s *Store) view(ctx context.Context, fn func(*state) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.gate.enter() {
		return notRunning()
	}
	defer s.gate.leave()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	return fn(&state{txn: txn})
}

func (s *Store) update(ctx context.Context, fn func(*tx) error) error {
	if !s.gate.enter() {
		return notRunning()
	}
	defer s.gate.leave()
	return s.commits.update(ctx, fn)
}

func notRunning() error {
	return fault.New(fault.Unavailable, "store_not_running", "use the store: it is not running").
		WithRemedy("it runs from the start of the appliance to its end; try again once it is up")
}
