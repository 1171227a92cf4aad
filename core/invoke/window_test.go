package invoke

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// maxError is what the comment on buckets promises.
const maxError = 0.032

func TestQuantilesAreWithinThePromisedError(t *testing.T) {
	for name, draw := range map[string]func(*rand.Rand) time.Duration{
		"uniform": func(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(time.Second))) },
		"log normal": func(r *rand.Rand) time.Duration {
			return time.Duration(math.Exp(r.NormFloat64()*2) * float64(5*time.Millisecond))
		},
		"two humps": func(r *rand.Rand) time.Duration {
			return []time.Duration{200 * time.Microsecond, 800 * time.Second}[r.IntN(2)] + time.Duration(r.IntN(50_000))
		},
		"constant": func(*rand.Rand) time.Duration { return 17 * time.Microsecond },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var w window
			now := time.Unix(1_000_000, 0)
			exact := make([]time.Duration, 10_001)
			for i := range exact {
				// Over several minutes, so that closed slots take part.
				exact[i] = min(max(draw(r), 16*time.Microsecond), 900*time.Second)
				w.ended(now.Add(time.Duration(i/2000)*time.Minute), &Observation{Duration: exact[i]})
			}
			slices.Sort(exact)
			s := w.summary(time.Hour, now.Add(5*time.Minute))
			for q, got := range map[float64]time.Duration{0.50: s.P50, 0.95: s.P95, 0.99: s.P99} {
				want := exact[int(math.Ceil(q*float64(len(exact))))-1]
				if off := math.Abs(float64(got-want)) / float64(want); off > maxError {
					t.Errorf("p%v = %v, exactly %v: off by %.1f %%", q*100, got, want, off*100)
				}
			}
		})
	}
}

func TestEveryDurationFallsIntoABucketNearIt(t *testing.T) {
	last := -1
	for d := 16 * time.Microsecond; d < 900*time.Second; d += max(d/97, time.Microsecond) {
		b := bucketOf(d)
		if b < last || b >= numBuckets {
			t.Fatalf("bucket %d of %v after %d", b, d, last)
		}
		last = b
		if off := math.Abs(float64(middle(b)-d)) / float64(d); off > maxError+1/16.0/16 {
			t.Fatalf("bucket of %v reports %v", d, middle(b))
		}
	}
	if bucketOf(-1) != 0 || bucketOf(never) != numBuckets-1 {
		t.Errorf("extremes fall into %d and %d of %d", bucketOf(-1), bucketOf(never), numBuckets)
	}
}

const never = 1000 * time.Hour

func TestWindowForgetsWhatIsOlder(t *testing.T) {
	start := time.Unix(1_700_000_100, 0).Truncate(time.Hour)
	var w window
	w.ended(start, &Observation{Duration: time.Second, Failed: true, Cold: true, PeakMemory: 4 << 20})
	w.throttled(start)
	for _, tc := range []struct {
		length, after time.Duration
		seen          bool
	}{
		{time.Minute, 0, true},
		{time.Minute, time.Minute, true},
		{time.Minute, 2 * time.Minute, false},
		{time.Hour, time.Hour, true},
		{time.Hour, time.Hour + time.Minute, false},
		{6 * time.Hour, 6 * time.Hour, true},
		{6 * time.Hour, 6*time.Hour + 15*time.Minute, false},
		{24 * time.Hour, 24 * time.Hour, true},
		{100 * time.Hour, 24*time.Hour + 15*time.Minute, false},
	} {
		w.forget(start.Add(tc.after))
		s := w.summary(tc.length, start.Add(tc.after))
		want := uint64(0)
		if tc.seen {
			want = 1
		}
		if s.Invocations != want || s.Throttles != want || s.Errors != want || s.ColdStarts != want {
			t.Errorf("%v, %v later: %+v", tc.length, tc.after, s)
		}
	}
}

func TestSummaryAverages(t *testing.T) {
	var w window
	now := time.Unix(1_000_000, 0)
	for i := range 4 {
		w.ended(now, &Observation{Duration: time.Duration(i) * time.Second, Failed: i == 0, PeakMemory: int64(i) << 20})
	}
	s := w.summary(time.Minute, now)
	if s.ErrorRate != 0.25 || s.AvgDuration != 1500*time.Millisecond || s.AvgMemoryUsed != 3<<19 || s.MaxMemoryUsed != 3<<20 {
		t.Errorf("got %+v", s)
	}
	if got := new(window).summary(time.Hour, now); got != (Summary{}) {
		t.Errorf("an empty window says %+v", got)
	}
}

func TestClockThatGoesBackLosesNothing(t *testing.T) {
	var w window
	now := time.Unix(1_000_000, 0)
	w.ended(now, &Observation{})
	w.ended(now.Add(-time.Hour), &Observation{})
	if s := w.summary(time.Hour, now); s.Invocations != 2 {
		t.Errorf("got %+v", s)
	}
}

// TestBusyDayStaysWithinMemory holds the bound that the comment on rings gives.
func TestBusyDayStaysWithinMemory(t *testing.T) {
	var w window
	r := rand.New(rand.NewPCG(3, 4))
	now := time.Unix(1_700_000_000, 0)
	for range 25 * 60 {
		for range 40 {
			w.ended(now, &Observation{Duration: time.Duration(math.Exp(r.NormFloat64()/4) * float64(time.Millisecond))})
		}
		now = now.Add(time.Minute)
	}
	var cells int
	for i := range w.minutes {
		cells += cap(w.minutes[i].cells)
	}
	for i := range w.quarters {
		cells += cap(w.quarters[i].cells)
	}
	if bytes := cells * 8; bytes > 52<<10 {
		t.Errorf("a busy day holds %d bytes", bytes)
	}
	if len(w.minutes) > numMinutes+1 || len(w.quarters) > numQuarters {
		t.Errorf("%d minutes and %d quarters are kept", len(w.minutes), len(w.quarters))
	}
	if s := w.summary(MaxWindow, now); s.Invocations < 24*60*40 || s.Invocations > (24*60+15)*40 {
		t.Errorf("a day has %d invocations", s.Invocations)
	}
}

func TestFunctionThatIsNotInvokedAnyMoreHoldsNothing(t *testing.T) {
	var w window
	start := time.Unix(1_700_000_000, 0).Truncate(time.Hour)
	w.throttled(start)
	w.forget(start.Add(2 * time.Minute))
	w.ended(start.Add(3*time.Minute), &Observation{})
	w.forget(start.Add(3 * time.Minute)) // which is not over
	w.forget(start.Add(MaxWindow))
	if s := w.summary(MaxWindow, start.Add(MaxWindow)); s.Invocations != 1 || s.Throttles != 1 {
		t.Errorf("a day later it is %+v", s)
	}
	if w.minutes != nil || w.hist != nil || len(w.quarters) != 1 {
		t.Errorf("a day later it holds %d minutes and %d quarters", len(w.minutes), len(w.quarters))
	}
	w.forget(start.Add(MaxWindow + time.Hour))
	if w.quarters != nil {
		t.Errorf("it holds %d quarters for ever", len(w.quarters))
	}
	w.forget(start) // a clock that goes back
	w.ended(start, &Observation{})
	if s := w.summary(time.Minute, start); s.Invocations != 1 {
		t.Errorf("then %+v", s)
	}
}

func BenchmarkRecord(b *testing.B) {
	var w window
	now := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		o := Observation{Duration: 3 * time.Millisecond, PeakMemory: 1 << 20}
		for pb.Next() {
			w.ended(now, &o)
		}
	})
}
