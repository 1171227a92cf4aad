package invoke

import (
	"slices"
	"sync"
	"time"
)

// A function's recent past is kept twice: an hour of minutes and a day of
// quarters of an hour, of each only those in which something happened. What is
// over is kept compact, so that a function holds some 50 KiB after a busy day
// and 550 KiB at the very most. A day after its last invocation it holds
// next to nothing: see forget.
const (
	quarter     = 15 // minutes
	numMinutes  = 60
	numQuarters = 24*60/quarter + 1 // one more, as a day rarely begins with one
	// MaxWindow is how far back Window looks.
	MaxWindow = 24 * time.Hour
)

// Summary is what a function did within a window.
type Summary struct {
	Invocations uint64
	Errors      uint64  // failures of the function, and of the platform once it ran
	ErrorRate   float64 // fraction; 0 without invocations
	ColdStarts  uint64
	Throttles   uint64 // refused for want of concurrency, instances or memory

	// Durations of the handler. The quantiles are off by at most 3.2 %.
	AvgDuration, P50, P95, P99 time.Duration

	// Peak memory of the invocations, in bytes.
	AvgMemoryUsed, MaxMemoryUsed int64
}

// counts are sums over some time.
type counts struct {
	invocations, errors, coldStarts, throttles uint64
	duration                                   time.Duration // sum
	memory                                     uint64        // sum of peaks in KiB, which a day cannot overflow
	maxMemory                                  int64
}

func (c *counts) add(o *counts) {
	c.invocations += o.invocations
	c.errors += o.errors
	c.coldStarts += o.coldStarts
	c.throttles += o.throttles
	c.duration += o.duration
	c.memory += o.memory
	c.maxMemory = max(c.maxMemory, o.maxMemory)
}

// slot is a minute or a quarter that is over, or at least no longer counted
// into. Its number is that of the minute or quarter since 1970.
type slot struct {
	number int64
	counts
	cells []cell
}

// window counts one function's invocations. Recording holds its mutex for
// some 20 ns, which is less than the atomic operations on a dozen counters
// would cost.
type window struct {
	mu     sync.Mutex
	minute int64 // the one that now and hist count
	now    counts
	hist   *[numBuckets]uint32 // made by the first that is counted

	minutes, quarters []slot // the oldest first
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// ended counts an invocation.
func (w *window) ended(at time.Time, o *Observation) {
	bucket := bucketOf(o.Duration)
	w.mu.Lock()
	w.advance(minuteOf(at))
	c := &w.now
	c.invocations++
	c.duration += o.Duration
	c.memory += uint64(max(o.PeakMemory, 0)) >> 10
	c.maxMemory = max(c.maxMemory, o.PeakMemory)
	if o.Failed {
		c.errors++
	}
	if o.Cold {
		c.coldStarts++
	}
	if w.hist == nil {
		w.hist = new([numBuckets]uint32)
	}
	w.hist[bucket]++
	w.mu.Unlock()
}

// throttled counts an invocation that was refused.
func (w *window) throttled(at time.Time) {
	w.mu.Lock()
	w.advance(minuteOf(at))
	w.now.throttles++
	w.mu.Unlock()
}

// advance closes the current minute where it is over. A clock that was put
// back goes on counting into it. mu is held.
func (w *window) advance(minute int64) {
	if minute <= w.minute {
		return
	}
	if w.now != (counts{}) {
		w.close()
	}
	w.minute = minute
}

// close moves the current minute to those that are over. mu is held.
func (w *window) close() {
	var cells []cell
	if w.hist != nil {
		cells = compact(w.hist)
		clear(w.hist[:])
	}
	w.drop(w.minute)
	w.minutes = append(w.minutes, slot{w.minute, w.now, cells})
	number := w.minute / quarter
	if n := len(w.quarters); n == 0 || w.quarters[n-1].number != number {
		w.quarters = append(w.quarters, slot{number: number})
	}
	q := &w.quarters[len(w.quarters)-1]
	q.add(&w.now)
	q.cells = merge(q.cells, cells)
	w.now = counts{}
}

// drop lets go of what is too old for the minute. mu is held.
func (w *window) drop(minute int64) {
	w.minutes = after(w.minutes, minute-numMinutes-1) // an hour rarely begins with a minute
	w.quarters = after(w.quarters, minute/quarter-numQuarters)
}

// after returns the slots with a higher number, and frees the others.
func after(slots []slot, number int64) []slot {
	old := 0
	for old < len(slots) && slots[old].number <= number {
		old++
	}
	if old == len(slots) {
		return nil
	}
	return slices.Delete(slots, 0, old)
}

// forget frees what nobody can ask for any more: a function that nobody
// invokes would keep its last day for ever.
func (w *window) forget(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(minuteOf(now))
	w.drop(w.minute)
	if w.now == (counts{}) {
		w.hist = nil
	}
}

// summary sums up the given time before now.
func (w *window) summary(length time.Duration, now time.Time) Summary {
	var sum counts
	var hist [numBuckets]uint64
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(minuteOf(now))
	w.each(length, w.minute, func(c *counts, cells []cell) {
		sum.add(c)
		for _, cell := range cells {
			hist[cell.bucket] += uint64(cell.count)
		}
	})
	sum.add(&w.now)
	if w.hist != nil {
		for i, c := range w.hist {
			hist[i] += uint64(c)
		}
	}
	return sum.summary(&hist)
}

// each calls fn with every closed slot of the length before the end of the
// given minute: minutes where an hour of them suffices, else quarters, and
// then the first quarter wholly. mu is held.
func (w *window) each(length time.Duration, minute int64, fn func(*counts, []cell)) {
	first := minute - int64((min(length, MaxWindow)+time.Minute-1)/time.Minute)
	slots, from := w.minutes, first
	if length > numMinutes*time.Minute {
		slots, from = w.quarters, first/quarter
	}
	for i := range slots {
		if s := &slots[i]; s.number >= from {
			fn(&s.counts, s.cells)
		}
	}
}

func (c *counts) summary(hist *[numBuckets]uint64) Summary {
	s := Summary{Invocations: c.invocations, Errors: c.errors, ColdStarts: c.coldStarts, Throttles: c.throttles}
	if c.invocations == 0 {
		return s
	}
	s.ErrorRate = float64(c.errors) / float64(c.invocations)
	s.AvgDuration = c.duration / time.Duration(c.invocations)
	s.P50, s.P95, s.P99 = quantile(hist, 0.50), quantile(hist, 0.95), quantile(hist, 0.99)
	s.AvgMemoryUsed = int64(c.memory / c.invocations << 10)
	s.MaxMemoryUsed = c.maxMemory
	return s
}
