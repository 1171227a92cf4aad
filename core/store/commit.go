package store

import (
	"context"
	"log/slog"
	"maps"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/skiffhq/skiff/core/fault"
)

// committer runs requests one after the other and makes all that came while
// the disk was busy durable by one sync.
//
// A request runs in its caller's goroutine, so that a panic is the caller's
// own, and sees what earlier requests wrote though it is not durable yet. What
// it wrote joins the newest batch only when it has succeeded. Nobody is
// answered before everything they saw is durable.
type committer struct {
	db      *badger.DB
	dir     *dirSync
	reserve *reserve
	log     *slog.Logger
	health  *health
	limits  struct{ bytes, entries int64 } // of one Badger transaction

	// turn is a lock that a context can give up waiting for. It guards what
	// follows, and a request holds it while it runs.
	turn    chan struct{}
	snap    *badger.Txn // what is durable
	pending []*batch    // oldest first
	writing bool        // pending[0] is closed, for it is being written

	// broken is set for good, in a turn, when a batch was lost. Reading it
	// takes no turn: who only asks must not wait for those who write.
	broken atomic.Pointer[fault.Error]

	wake chan struct{} // tells loop of a batch; holds one
	stop chan struct{}
	done chan struct{}

	commits, requests atomic.Uint64
	took              atomic.Int64 // nanoseconds of all commits
}

// batch is what becomes durable by one sync.
type batch struct {
	writes   layer
	bytes    int64 // as Badger counts them, or more
	requests uint64
	done     chan struct{}
	err      error // valid once done is closed
}

func newCommitter(db *badger.DB, dir *dirSync, r *reserve, h *health, log *slog.Logger) *committer {
	c := &committer{
		db: db, dir: dir, reserve: r, health: h, log: log, snap: db.NewTransaction(false),
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	c.limits.bytes, c.limits.entries = db.MaxBatchSize(), db.MaxBatchCount()
	return c
}

func (c *committer) lock()   { c.turn <- struct{}{} }
func (c *committer) unlock() { <-c.turn }

// update runs fn and returns when all it wrote, and saw, is durable. A context
// that ends before fn runs is obeyed; later the request takes its course.
func (c *committer) update(ctx context.Context, fn func(*tx) error) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	b, err := c.run(ctx, fn)
	if b == nil {
		return err
	}
	<-b.done
	if b.err != nil {
		return b.err
	}
	return err
}

// run runs fn in its turn, which ends with it even if fn panics. It returns the
// newest batch fn may have seen, nil if all it saw is durable.
func (c *committer) run(ctx context.Context, fn func(*tx) error) (*batch, error) {
	defer c.unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.ready(); err != nil {
		return nil, err
	}
	t := newTx(c.state())
	err := fn(t)
	if err == nil && len(t.own) > 0 {
		err = c.join(t.own)
	}
	if len(c.pending) == 0 {
		return nil, err
	}
	return c.pending[len(c.pending)-1], err
}

// state returns what a request sees: batches above what is durable.
func (c *committer) state() state {
	s := state{txn: c.snap}
	for _, b := range c.pending {
		s.layers = append(s.layers, b.writes)
	}
	return s
}

// join adds writes to the newest batch, or to one of their own where they
// would not fit into one transaction with the others.
func (c *committer) join(writes layer) error {
	if err := c.reserve.check(writes.shrinks()); err != nil {
		return err
	}
	size, entries := writes.bytes(), int64(len(writes))
	if !c.fits(size, entries) {
		return fault.New(fault.TooLarge, "transaction_too_large", "store %d records at once: at most %d records and %d bytes fit",
			entries, c.limits.entries, c.limits.bytes).WithRemedy("make the change in smaller steps")
	}
	b := c.open(size, entries)
	maps.Copy(b.writes, writes)
	b.bytes += size
	b.requests++
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// fits leaves room for the entry with which Badger ends a transaction.
func (c *committer) fits(size, entries int64) bool {
	return size+4*entryOverhead < c.limits.bytes && entries+2 < c.limits.entries
}

// open returns the batch that takes so much more.
func (c *committer) open(size, entries int64) *batch {
	if n := len(c.pending); n > 1 || n == 1 && !c.writing {
		last := c.pending[n-1]
		if c.fits(last.bytes+size, int64(len(last.writes))+entries) {
			return last
		}
	}
	b := &batch{writes: layer{}, done: make(chan struct{})}
	c.pending = append(c.pending, b)
	return b
}

// loop writes batches until close.
func (c *committer) loop() {
	defer close(c.done)
	for {
		select {
		case <-c.wake:
			for c.commitNext() {
				// Those who were just answered often come back at once: let
				// them, or half of all would wait for the other half's sync.
				runtime.Gosched()
			}
		case <-c.stop:
			return
		}
	}
}

// close ends loop. No request may be under way.
func (c *committer) close() {
	close(c.stop)
	<-c.done
	c.snap.Discard()
}

// commitNext makes the oldest batch durable and answers its requests. It
// returns false where there is none.
func (c *committer) commitNext() bool {
	b := c.take()
	if b == nil {
		return false
	}
	began := time.Now()
	err := c.commit(b.writes)
	c.took.Add(int64(time.Since(began)))
	c.commits.Add(1)
	c.requests.Add(b.requests)
	c.settle(err)
	return true
}

func (c *committer) take() *batch {
	c.lock()
	defer c.unlock()
	if len(c.pending) == 0 {
		return nil
	}
	c.writing = true
	return c.pending[0]
}

func (c *committer) commit(writes layer) error {
	txn := c.db.NewTransaction(true)
	defer txn.Discard()
	for key, value := range writes {
		if err := set(txn, key, value); err != nil {
			return err
		}
	}
	if err := txn.Commit(); err != nil {
		return err
	}
	c.reserve.wrote(writes.bytes())
	if err := c.health.lost(); err != nil {
		return err
	}
	return c.dir.sync()
}

func set(txn *badger.Txn, key string, value []byte) error {
	if value == nil {
		return txn.Delete([]byte(key))
	}
	return txn.Set([]byte(key), value)
}

// settle ends the batch that was written. A batch that failed takes those that
// were built on it along, and the store takes no more writes: after a failed
// sync nobody knows what is on the disk, and a later sync that succeeds says
// nothing about it.
func (c *committer) settle(err error) {
	c.lock()
	defer c.unlock()
	c.writing = false
	ended := c.pending[:1]
	if err != nil {
		ended = c.pending
		c.broken.Store(fault.Wrap(err, fault.Unavailable, "store_failed", "write to the store: the disk failed").
			WithRemedy("check the disk and the kernel's log, then restart Skiff; what was answered is kept"))
		c.log.Error("the store takes no more writes", "error", err)
	} else {
		c.snap.Discard()
		c.snap = c.db.NewTransaction(false)
	}
	for _, b := range ended {
		b.err = c.ready()
		close(b.done)
	}
	c.pending = c.pending[len(ended):]
}

// ready returns why the store takes no writes, nil if it does. It waits for
// nobody.
func (c *committer) ready() error {
	if err := c.broken.Load(); err != nil {
		return err
	}
	return nil
}
