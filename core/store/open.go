package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/skiffhq/skiff/core/fault"
)

// Sizes for a small host, in bytes. A memtable stands on the heap at its full
// size from the start, and one more while it is flushed. Badger takes at most
// 15 % of it in one transaction.
const (
	memTableSize   = 8 << 20
	numMemtables   = 2
	levelZeroStall = 8 // tables of level 0 at which writes wait
	numCompactors  = 2 // the fewest that Badger allows
	baseLevelSize  = 8 << 20

	valueLogFileSize = 64 << 20
	// valueThreshold sends what is larger into the value log, where compaction
	// does not copy it again and again. All records of the catalogue are
	// smaller; payloads of queues need not be.
	valueThreshold = 64 << 10
)

const (
	gcEvery = 10 * time.Minute
	gcRatio = 0.5 // of a value log file that must be garbage
)

// badgerOptions: without compression and encryption a block is used where it
// lies in the mapped file, so a block cache would hold nothing, and so would an
// index cache. Conflicts are not looked for, since the committer alone writes.
// Metrics are off because they are global; see Stats.
func badgerOptions(dir string, log badger.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(true).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithMemTableSize(memTableSize).
		WithNumMemtables(numMemtables).
		WithNumLevelZeroTables(levelZeroStall / 2).
		WithNumLevelZeroTablesStall(levelZeroStall).
		WithNumCompactors(numCompactors).
		WithBaseLevelSize(baseLevelSize).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(valueLogFileSize).
		WithVerifyValueChecksum(true).
		WithLogger(log)
}

// Start opens the store, and migrates it where an older Skiff wrote it. Faults:
// Conflict where another process uses the directory, Exhausted where the disk
// is too full to open it, Unavailable for what a newer Skiff wrote.
func (s *Store) Start(ctx context.Context) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.stopped {
		return fault.New(fault.Internal, "store_started", "start the store: it was started or stopped before")
	}
	began := time.Now()
	defer func() {
		if err != nil {
			err = errors.Join(s.wrap(err), s.close())
		}
	}()
	if err := s.open(); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.commits = newCommitter(s.db, &dirSync{dir: s.opts.Dir}, s.reserve, &s.health, s.log)
	go s.commits.loop()
	s.gc.Go(s.collect)
	s.started = true
	s.gate.unlock()
	s.log.Info("store is open", "dir", s.opts.Dir, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// open locks the directory before it opens what is in it.
func (s *Store) open() (err error) {
	if err := makeDir(s.opts.Dir); err != nil {
		return err
	}
	if s.lock, err = acquire(s.opts.Dir); err != nil {
		return err
	}
	if err := s.reserve.checkOpen(); err != nil {
		return err
	}
	s.db, err = openBadger(s.opts.Dir, &logger{s.log, &s.health})
	return err
}

// makeDir makes the directory and its name durable.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(dir)))
}

// openBadger turns a panic into an error: a damaged file makes Badger panic.
func openBadger(dir string, log badger.Logger) (db *badger.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("open Badger: %v", p)
		}
	}()
	return badger.Open(badgerOptions(dir, log))
}

func (s *Store) wrap(err error) error {
	var known *fault.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "store_open", "open the store in %q", s.opts.Dir).
		WithRemedy("check that the directory is writable and its disk sound; else move it away and restore the newest backup")
}

// Stop waits for those who use the store and closes it. It may be called again;
// where ctx ends first it returns a Timeout fault, with the store refusing
// everything but not closed.
func (s *Store) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
	}
	empty := s.gate.shut()
	select {
	case <-empty:
	default:
		select {
		case <-empty:
		case <-ctx.Done():
			return fault.Wrap(ctx.Err(), fault.Timeout, "store_busy", "stop the store: it is still in use")
		}
	}
	return s.close()
}

// close undoes what Start has done so far. The caller holds s.mu.
func (s *Store) close() error {
	s.gc.Wait() // of a failed Start there is none to wait for
	if s.started {
		s.commits.close()
		s.started = false
	}
	var err error
	if s.db != nil {
		err = s.db.Close()
		s.db = nil
	}
	if s.lock != nil { // last: until here the files are ours
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "store_close", "close the store in %q", s.opts.Dir)
	}
	return nil
}

// collect gives the space of deleted large values back to the disk.
func (s *Store) collect() {
	tick := time.NewTicker(gcEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.collectGarbage()
		case <-s.stopping:
			return
		}
	}
}

// collectGarbage rewrites value log files until none is worth it. Rewriting
// makes room in the end but needs some first, as deleting does.
func (s *Store) collectGarbage() {
	for !s.isStopping() && s.reserve.check(true) == nil {
		err := s.db.RunValueLogGC(gcRatio)
		if errors.Is(err, badger.ErrNoRewrite) {
			return
		}
		if err != nil {
			s.log.Warn("garbage of the value log was not collected", "error", err)
			return
		}
		s.log.Debug("a value log file was rewritten")
	}
}
