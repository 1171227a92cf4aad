// Package catalog holds the rules over function records: creating, changing,
// publishing, aliasing and deleting, and finding what a request means.
//
// Everything that is alive is held in memory and written through to the Store,
// so reads ask no disk and take no lock. The service must be the Store's only
// writer. Running functions, judging code and who may do what do not belong
// here.
//
// Locks: Service.mu and bundles.mu are never held together; neither is held
// while code is uploaded or judged, nor while Retired is called.
package catalog

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/function"
)

const (
	// keepDeleted is how long a function outlives its soft deletion.
	keepDeleted = 7 * 24 * time.Hour

	sweepInterval = time.Hour
)

// Code keeps the bundles that versions run. core/artifact is one.
type Code interface {
	// Put stores what r gives, at most limit bytes, 0 for the store's own
	// limit. Storing what is there already is no error.
	Put(ctx context.Context, r io.Reader, limit int64) (artifact.Bundle, error)
	// Delete removes a bundle; deleting what is not there does nothing.
	Delete(ctx context.Context, sha256 string) error
	// List returns the SHA-256 of every bundle.
	List(ctx context.Context) ([]string, error)
}

// Options are what a Service needs. Store and Code must be set.
type Options struct {
	Store    Store
	Code     Code
	Runtimes *function.Catalogue // nil: the built-in ones

	// Check judges code before it is published; its fault is the publisher's.
	// The unit is a draft: its key is that of no real unit. Nil: no check.
	Check func(ctx context.Context, u *function.Unit) error
	// Retired is told of every unit that nothing resolves to any more, once,
	// after the change is durable. Nil: nobody is told.
	Retired func(function.Key)
	// Removed is told of every function that was deleted, softly or for good,
	// after its units were retired. Nil: nobody is told.
	Removed func(*function.Function)

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // nil: nothing is logged
}

// Service is the catalogue. All methods may be called by many goroutines once
// Start has returned. Functions, versions, aliases and units that it returns
// are shared: nobody may change them.
type Service struct {
	opts    Options
	log     *slog.Logger
	index   index
	bundles bundles

	mu       sync.Mutex // one change at a time
	lastBorn time.Time  // CreatedAt of the youngest function ever seen

	stop context.CancelFunc // nil unless running
	loop sync.WaitGroup
}

// New returns a Service that knows nothing until Start.
func New(opts Options) *Service {
	if opts.Runtimes == nil {
		opts.Runtimes = function.NewCatalogue()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Retired == nil {
		opts.Retired = func(function.Key) {}
	}
	if opts.Removed == nil {
		opts.Removed = func(*function.Function) {}
	}
	if opts.Check == nil {
		opts.Check = func(context.Context, *function.Unit) error { return nil }
	}
	s := &Service{opts: opts, log: opts.Log.With("component", "catalog")}
	s.bundles = newBundles(opts.Code, s.log)
	return s
}

// Start loads every record and begins to sweep: at once and then every hour,
// what was deleted more than seven days ago and code that no version uses.
// Starting what runs does nothing; Start and Stop may not overlap.
func (s *Service) Start(ctx context.Context) error {
	if s.stop != nil {
		return nil
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	loop, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.loop.Go(func() { s.sweepLoop(loop) })
	return nil
}

// Stop ends the sweeping and waits for it, as long as ctx allows. It may be
// called again. What was loaded can still be read.
func (s *Service) Stop(ctx context.Context) error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	done := make(chan struct{})
	go func() { s.loop.Wait(); close(done) }()
	select {
	case <-done:
		s.stop = nil
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// now is the present as it is stored: without a monotonic part, in UTC.
func (s *Service) now() time.Time { return s.opts.Now().UTC().Round(0) }

// outcome is what is left to do once a change is durable and seen.
type outcome struct {
	retired []function.Key
	removed *function.Function
	unused  []string // SHA-256 of each version that is gone
}

// change runs fn alone among all changes and then tells the others of its
// outcome, also where fn failed after a part was durable.
func (s *Service) change(fn func(*outcome) error) error {
	var o outcome
	err := s.alone(func() error { return fn(&o) })
	for _, key := range o.retired {
		s.opts.Retired(key)
	}
	if o.removed != nil {
		s.opts.Removed(o.removed)
	}
	s.bundles.release(o.unused...)
	return err
}

func (s *Service) alone(fn func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fn()
}

// write makes what fn writes durable. Once begun it goes on whatever becomes
// of the caller: a change that was given up half-way might be stored or not,
// and memory has to agree with the store.
func (s *Service) write(ctx context.Context, fn func(Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.opts.Store.Update(context.WithoutCancel(ctx), fn)
}
