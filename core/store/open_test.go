package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/skiffhq/skiff/core/fault"
)

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	started(t, Options{Dir: dir})
	err := New(Options{Dir: dir}).Start(context.Background())
	wantFault(t, err, fault.Conflict, "store_locked")
	if !strings.Contains(err.Error(), "process ") {
		t.Errorf("%v does not say which process", err)
	}
}

func TestAStoreStartsOnce(t *testing.T) {
	s := started(t, Options{Dir: filepath.Join(t.TempDir(), "made", "by", "it")})
	if err := s.Start(context.Background()); !fault.Is(err, fault.Internal) {
		t.Errorf("a second start: %v", err)
	}
	stop(t, s)
	if err := s.Start(context.Background()); !fault.Is(err, fault.Internal) {
		t.Errorf("a start after the stop: %v", err)
	}
	stop(t, New(Options{Dir: t.TempDir()})) // never started
	wantFault(t, New(Options{Dir: t.TempDir()}).Ready(), fault.Unavailable, "store_not_running")
}

func TestWhatIsNoStoreIsNotOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	wantFault(t, New(Options{Dir: file}).Start(context.Background()), fault.Unavailable, "store_open")

	damaged := t.TempDir()
	must(t, os.WriteFile(filepath.Join(damaged, "MANIFEST"), []byte("nonsense"), 0o600))
	wantFault(t, New(Options{Dir: damaged}).Start(context.Background()), fault.Unavailable, "store_open")

	foreign := t.TempDir()
	db, err := badger.Open(badgerOptions(foreign, nil))
	must(t, err)
	must(t, db.Update(func(txn *badger.Txn) error { return txn.Set([]byte("theirs"), []byte("x")) }))
	must(t, db.Close())
	wantFault(t, New(Options{Dir: foreign}).Start(context.Background()), fault.Unavailable, "store_foreign")
}

func TestStatsCountWhatIsOnDisk(t *testing.T) {
	s := started(t, Options{Dir: t.TempDir()})
	fill(t, s.Catalog(), 1000)
	st := s.Stats()
	if st.Commits == 0 || st.Requests < st.Commits || st.CommitTime <= 0 || st.LSMBytes < 500<<10 || st.LSMBytes > 10<<20 || !st.WritesReady {
		t.Errorf("%+v", st)
	}
	stop(t, s)
	if st := s.Stats(); st != (Stats{FreeBytes: -1}) {
		t.Errorf("stopped: %+v", st)
	}
}

func TestWhoOnlyAsksWaitsForNoRequest(t *testing.T) {
	s := started(t, Options{Dir: t.TempDir()})
	s.commits.lock() // as a request does while it runs
	defer s.commits.unlock()
	if st := s.Stats(); !st.WritesReady || st.FreeBytes <= 0 {
		t.Errorf("%+v", st)
	}
	must(t, s.Ready())
}

func TestSizesOnDiskAreReadOnceASecondAtMost(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	write := func(name string) { must(t, os.WriteFile(filepath.Join(dir, name), make([]byte, 8192), 0o600)) }
	var u use
	write("1.sst")
	lsm, _ := u.read(dir, now)
	write("2.sst")
	write("1.vlog")
	if again, vlog := u.read(dir, now.Add(useMaxAge-1)); lsm <= 0 || again != lsm || vlog != 0 {
		t.Errorf("read again too early: %d, then %d and %d", lsm, again, vlog)
	}
	u.mu.Lock() // as somebody who reads the directory of a slow disk
	if again, _ := u.read(dir, now.Add(time.Hour)); again != lsm {
		t.Errorf("got %d of a reading that is not over", again)
	}
	u.mu.Unlock()
	if later, vlog := u.read(dir, now.Add(useMaxAge)); later != 2*lsm || vlog != lsm {
		t.Errorf("a second later %d and %d, was %d", later, vlog, lsm)
	}
}

func TestADirectoryIsSyncedOnlyWhenItChanged(t *testing.T) {
	dir := t.TempDir()
	d := &dirSync{dir: dir}
	past := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(dir, past, past))
	must(t, d.sync())
	if d.synced.IsZero() {
		t.Error("an old change was not remembered")
	}
	must(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o600))
	before := d.synced
	must(t, d.sync())
	if !d.synced.Equal(before) {
		t.Error("a change was taken for synced while another could follow within the same tick")
	}
	if err := (&dirSync{dir: filepath.Join(dir, "gone")}).sync(); err == nil {
		t.Error("a directory that is not there was synced")
	}
}

// TestBadgerStillLogsAFailedSync reads the one place where Badger loses an
// error: if it changes, so must health.
func TestBadgerStillLogsAFailedSync(t *testing.T) {
	src, err := os.ReadFile(badgerSource(t, "value.go"))
	must(t, err)
	if strings.Count(string(src), `Errorf("`+failedSync) != 1 {
		t.Errorf("Badger does not log %q any more: see what became of the error", failedSync)
	}
}
