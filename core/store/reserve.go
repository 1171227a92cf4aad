package store

import (
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skiffhq/skiff/core/fault"
)

// DefaultReserve is the free space, in bytes, that the store leaves to itself
// where nothing else is said.
//
// Badger writes through mapped files: where the disk is full, that is no error
// but a signal that ends the process. So requests must stop while there is
// room for all that Badger does on its own account:
//
//	memtables   (numMemtables+1) logs and as many tables flushed from them
//	compaction  per compactor, all tables of level 0 that may stand there, and
//	            the base level they are merged with, written anew
//	value log   half a file, rewritten by its garbage collection
const DefaultReserve = 2*(numMemtables+1)*memTableSize +
	numCompactors*(levelZeroStall*memTableSize+baseLevelSize) + valueLogFileSize/2 + 16<<20

// openNeeds is what opening the store may write, in bytes: tables from the logs
// of all memtables, and the compaction that these set off.
const openNeeds = (numMemtables+1)*memTableSize + (levelZeroStall/2)*memTableSize + baseLevelSize

const (
	freeMaxAge = time.Second // of the figure that the file system gave
	// freeMaxBytes is how much may be written before it is asked again.
	freeMaxBytes = 4 << 20
)

// reserve refuses writes while the disk has little free space. It may be used
// by many goroutines.
type reserve struct {
	want int64                 // bytes
	free func() (int64, error) // bytes that an ordinary user may still write
	now  func() time.Time
	log  *slog.Logger

	mu      sync.Mutex
	asked   time.Time
	known   int64 // free bytes then; negative where they could not be asked
	written int64 // bytes since
	low     bool  // as it was logged last
}

// check returns an Exhausted fault where the space is below the reserve. A
// request that only deletes may use the upper half of the reserve: where it
// could not, nobody could make room any more.
func (r *reserve) check(shrinks bool) error {
	if shrinks {
		return r.demand(r.want / 2)
	}
	return r.demand(r.want)
}

// checkOpen is check for opening the store. A host that lost its power with a
// disk nearly full must come up again, to run functions and to be tidied up.
func (r *reserve) checkOpen() error { return r.demand(min(r.want, openNeeds)) }

func (r *reserve) demand(want int64) error {
	left := r.left()
	if left < 0 || left >= want {
		return nil
	}
	return fault.New(fault.Exhausted, fault.ReasonDiskReserve, "write to the store: %d MiB are free on its disk, and %d MiB are kept in reserve",
		left>>20, r.want>>20).
		WithRemedy("free space on the disk of the data directory; writing goes on by itself then")
}

// wrote tells how much was written since the file system was asked.
func (r *reserve) wrote(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written += bytes
}

// left returns the free bytes, or -1 where they are not known: a statfs that
// fails stops nobody.
func (r *reserve) left() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if age := now.Sub(r.asked); r.asked.IsZero() || age >= freeMaxAge || age < 0 || r.written >= freeMaxBytes {
		r.ask(now)
	}
	if r.known < 0 {
		return -1
	}
	return max(r.known-r.written, 0)
}

func (r *reserve) ask(now time.Time) {
	free, err := r.free()
	if err != nil {
		if r.known >= 0 {
			r.log.Warn("free space of the data directory is not known", "error", err)
		}
		free = -1
	}
	r.asked, r.known, r.written = now, free, 0
	if low := free >= 0 && free < r.want; low != r.low {
		r.low = low
		r.report(free)
	}
}

func (r *reserve) report(free int64) {
	if r.low {
		r.log.Error("the disk is nearly full: writes are refused", "free_bytes", free, "reserve_bytes", r.want)
		return
	}
	r.log.Info("the disk has room again: writes are taken", "free_bytes", free)
}

// freeSpace asks the file system that holds dir.
func freeSpace(dir string) func() (int64, error) {
	return func() (int64, error) {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return 0, err
		}
		return int64(st.Bavail) * st.Bsize, nil
	}
}
