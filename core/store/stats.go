package store

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Stats is what the store has done since Start and the space it takes.
type Stats struct {
	Commits     uint64        // transactions of Badger, one sync each
	Requests    uint64        // updates in them
	CommitTime  time.Duration // of all commits together, almost all of it their syncs
	LSMBytes    int64         // on disk, tables and logs of memtables
	VlogBytes   int64         // on disk, values that lie outside the tables
	FreeBytes   int64         // on the disk for others; -1 where it is not known
	WritesReady bool          // false while writes are refused
}

// Stats returns figures for metrics. It waits for no request and no commit;
// the sizes on disk are up to a second old.
func (s *Store) Stats() Stats {
	if !s.gate.enter() {
		return Stats{FreeBytes: -1}
	}
	defer s.gate.leave()
	st := Stats{
		Commits:     s.commits.commits.Load(),
		Requests:    s.commits.requests.Load(),
		CommitTime:  time.Duration(s.commits.took.Load()),
		FreeBytes:   s.reserve.left(),
		WritesReady: s.commits.ready() == nil && s.reserve.check(false) == nil,
	}
	st.LSMBytes, st.VlogBytes = s.use.read(s.opts.Dir, s.opts.Now())
	return st
}

// use is the space that the store took a moment ago. Metrics ask for it once
// for each figure, and several scrapers may ask at once.
type use struct {
	mu        sync.Mutex // held while the directory is read
	asked     time.Time
	lsm, vlog atomic.Int64
}

// useMaxAge is how old the figures may be.
const useMaxAge = time.Second

// read returns the bytes of tables and of values outside them. Where somebody
// else is reading the directory, which a busy disk may delay, it returns what
// was known before.
func (u *use) read(dir string, now time.Time) (lsm, vlog int64) {
	if u.mu.TryLock() {
		if age := now.Sub(u.asked); u.asked.IsZero() || age >= useMaxAge || age < 0 {
			lsm, vlog := diskUse(dir)
			u.lsm.Store(lsm)
			u.vlog.Store(vlog)
			u.asked = now
		}
		u.mu.Unlock()
	}
	return u.lsm.Load(), u.vlog.Load()
}

// diskUse counts the blocks that files take, not their lengths: Badger makes
// its logs as long as they may become.
func diskUse(dir string) (lsm, vlog int64) {
	files, _ := os.ReadDir(dir) // what cannot be read is not counted
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			continue // deleted meanwhile
		}
		size := info.Size()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			size = st.Blocks * 512
		}
		switch filepath.Ext(f.Name()) {
		case ".sst", ".mem":
			lsm += size
		case ".vlog":
			vlog += size
		}
	}
	return lsm, vlog
}
