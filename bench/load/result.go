package load

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The histograms hold nanoseconds in steps of at most 0.1 %, and of half a
// microsecond below a millisecond; what took longer counts as maxLatency.
const (
	minLatency = int64(time.Microsecond)
	maxLatency = int64(10 * time.Minute)
	digits     = 3
)

// The kinds of errors.
const (
	KindConnect       = "connect"        // a lost connection could not be opened again
	KindClosed        = "closed"         // the connection ended before the answer
	KindMalformed     = "malformed"      // not HTTP as we know it
	KindStatus        = "status "        // and the code: an answer that is not 200
	KindFunctionError = "function error" // 200, but the function failed
	KindBody          = "body"           // 200 with another body than the right one
	KindUnanswered    = "unanswered"     // no answer when the drain was over
)

// Result is what came out of a run, or of several after Merge. It is not safe
// for concurrent use.
type Result struct {
	Sent    int64                   // requests that were due; in a closed loop, that were sent
	Right   int64                   // right answers: within the time, in a closed loop
	Elapsed time.Duration           // from the first request's time to the last answer; in a closed loop, to the end of sending
	Latency *hdrhistogram.Histogram // ns, of right answers
	Lag     *hdrhistogram.Histogram // ns, how much later than intended requests went out; empty in a closed loop
	Errors  map[string]int64        // by kind
	Samples map[string]string       // the first error of each kind, for people
}

// NewResult returns an empty result, to merge others into.
func NewResult() *Result {
	r := newPartial()
	r.Lag = newHistogram()
	return r
}

// newPartial is a result without Lag, which is not one caller's.
func newPartial() *Result {
	return &Result{Latency: newHistogram(), Errors: map[string]int64{}, Samples: map[string]string{}}
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(minLatency, maxLatency, digits)
}

// Rate returns right answers per second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Right) / r.Elapsed.Seconds()
}

// Failed returns the number of errors of all kinds.
func (r *Result) Failed() int64 {
	var n int64
	for _, count := range r.Errors {
		n += count
	}
	return n
}

// Merge adds another result, as if it had come after this one.
func (r *Result) Merge(other *Result) {
	r.Elapsed += other.Elapsed
	r.add(other)
}

// add adds a result of the same time.
func (r *Result) add(other *Result) {
	r.Sent += other.Sent
	r.Right += other.Right
	r.Latency.Merge(other.Latency)
	if other.Lag != nil {
		r.Lag.Merge(other.Lag)
	}
	r.MergeErrors(other)
}

// MergeErrors adds another result's errors alone, where its answers were not
// to count.
func (r *Result) MergeErrors(other *Result) {
	for kind, n := range other.Errors {
		r.Errors[kind] += n
	}
	for kind, text := range other.Samples {
		if _, ok := r.Samples[kind]; !ok {
			r.Samples[kind] = text
		}
	}
}

func (r *Result) right(latency time.Duration) {
	r.Right++
	record(r.Latency, latency)
}

func (r *Result) wrong(kind, format string, args ...any) {
	r.Errors[kind]++
	if _, ok := r.Samples[kind]; !ok {
		r.Samples[kind] = fmt.Sprintf(format, args...)
	}
}

// record clamps: the value is then in range and cannot be refused.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(int64(d), 0), maxLatency))
}

// Progress counts while a run is on. It may be read from any goroutine, and
// used for one run after another.
type Progress struct {
	right, failed atomic.Int64
}

// Right returns the right answers so far.
func (p *Progress) Right() int64 { return p.right.Load() }

// Failed returns the errors so far.
func (p *Progress) Failed() int64 { return p.failed.Load() }
