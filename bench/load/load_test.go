package load

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"go.uber.org/goleak"
)

func quantile(h *hdrhistogram.Histogram, q float64) time.Duration {
	return time.Duration(h.ValueAtQuantile(q))
}

// stalling answers within a millisecond but for one second after the fifth.
func stalling(start time.Time) func([]byte, time.Time) (string, time.Time) {
	from, to := start.Add(5*time.Second), start.Add(6*time.Second)
	return func(body []byte, at time.Time) (string, time.Time) {
		when := at.Add(time.Millisecond)
		if when.After(from) && when.Before(to) {
			when = to
		}
		return ok(body), when
	}
}

func TestOpenLoopChargesAStallToEveryRequestOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, plan(t, &double{reply: stalling(time.Now())}))
		if r.Right != 1000 || r.Failed() != 0 {
			t.Fatalf("%d right, errors %v", r.Right, r.Errors)
		}
		// One request in ten was due in the stall, the first waited 1 s, the
		// last hardly at all.
		for q, want := range map[float64][2]time.Duration{
			50:  {0, 2 * time.Millisecond},
			89:  {0, 30 * time.Millisecond},
			95:  {450 * time.Millisecond, 550 * time.Millisecond},
			99:  {850 * time.Millisecond, 950 * time.Millisecond},
			100: {980 * time.Millisecond, 1010 * time.Millisecond},
		} {
			if got := quantile(r.Latency, q); got < want[0] || got > want[1] {
				t.Errorf("p%g is %v, want %v to %v", q, got, want[0], want[1])
			}
		}
		if lag := quantile(r.Lag, 99); lag < 800*time.Millisecond {
			t.Errorf("the pool was busy, but p99 of the lag is %v", lag)
		}
	})
}

func TestClosedLoopHidesTheSameStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(t, &double{reply: stalling(time.Now())})
		p.Rate = 0
		r := run(t, p)
		if want := int64(4 * 9000); r.Right < want-8 || r.Right > want+8 {
			t.Errorf("%d right answers, want about %d", r.Right, want)
		}
		if got := quantile(r.Latency, 99.9); got > 2*time.Millisecond {
			t.Errorf("p99.9 is %v", got)
		}
		if got := time.Duration(r.Latency.Max()); got < 990*time.Millisecond {
			t.Errorf("max is %v", got)
		}
		if r.Lag.TotalCount() != 0 {
			t.Error("a closed loop has no intended times to lag behind")
		}
	})
}

func TestRequestsGoOutWhenTheyAreDueWithoutDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{reply: echoAfter(time.Millisecond)}
		p := plan(t, d)
		p.Rate, p.Duration = 300, time.Minute // a third of a nanosecond is lost at each turn
		start := time.Now()
		r := run(t, p)
		if r.Sent != 18000 || len(d.arrivals) != 18000 {
			t.Fatalf("sent %d, arrived %d", r.Sent, len(d.arrivals))
		}
		for i, at := range d.arrivals {
			want := time.Duration(float64(i) / 300 * 1e9)
			if got := at.Sub(start); got != want {
				t.Fatalf("request %d went out after %v, want %v", i, got, want)
			}
		}
		if r.Lag.Max() > 1000 || r.Rate() < 299.9 || r.Rate() > 300.1 {
			t.Errorf("lag %d ns, rate %f", r.Lag.Max(), r.Rate())
		}
	})
}

func TestABusyPoolCountsAsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(t, &double{reply: echoAfter(100 * time.Millisecond)})
		p.Connections, p.Duration = 1, time.Second // 10 answers a second for 100 requests
		r := run(t, p)
		if r.Right != 100 || quantile(r.Latency, 100) < 8900*time.Millisecond {
			t.Errorf("%d right, max %v", r.Right, quantile(r.Latency, 100))
		}
		if r.Elapsed != 10*time.Second || r.Rate() != 10 {
			t.Errorf("took %v at %f/s", r.Elapsed, r.Rate())
		}
	})
}

func TestErrorsAreCountedByKind(t *testing.T) {
	tests := map[string]struct{ answer, kind string }{
		"other status":    {"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy", "status 503"},
		"other body":      {ok([]byte("onE")), KindBody},
		"longer body":     {ok([]byte("one ")), KindBody},
		"function failed": {"HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Handled\r\nContent-Length: 3\r\n\r\none", KindFunctionError},
		"not HTTP":        {"oops\r\n\r\n", KindMalformed},
		"hung up":         {"", KindClosed},
		"half an answer":  {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\no", KindUnanswered},
	}
	for name, tt := range tests {
		for mode, rate := range map[string]float64{"open": 100, "closed": 0} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkKind(t, rate, tt.answer, tt.kind) })
			})
		}
	}
}

func checkKind(t *testing.T, rate float64, bad, kind string) {
	var n atomic.Int64
	d := &double{reply: func(body []byte, at time.Time) (string, time.Time) {
		if n.Add(1) == 5 {
			return bad, at
		}
		return ok(body), at.Add(time.Millisecond)
	}}
	p := plan(t, d)
	p.Rate, p.Requests, p.Duration = rate, requests("one"), time.Second
	r := run(t, p)
	if r.Failed() != 1 || r.Errors[kind] != 1 || r.Samples[kind] == "" {
		t.Errorf("errors %v, samples %v", r.Errors, r.Samples)
	}
	if r.Right != r.Sent-1 {
		t.Errorf("%d of %d right", r.Right, r.Sent)
	}
}

func TestAnAnswerThatClosesTheConnectionIsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{reply: func(body []byte, at time.Time) (string, time.Time) {
			return strings.Replace(ok(body), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1), at
		}}
		p := plan(t, d)
		p.Duration = time.Second
		if r := run(t, p); r.Right != 100 || r.Failed() != 0 || d.dials < 100 {
			t.Errorf("%d right, errors %v, %d dials", r.Right, r.Errors, d.dials)
		}
	})
}

func TestIdleConnectionsMayBeClosedByTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{reply: echoAfter(time.Millisecond)}
		p := plan(t, d)
		p.Rate, p.Duration = 1, 4*time.Second
		time.AfterFunc(1500*time.Millisecond, d.hangUp)
		if r := run(t, p); r.Right != 4 || r.Failed() != 0 || d.dials != 8 {
			t.Errorf("%d right, errors %v, %d dials", r.Right, r.Errors, d.dials)
		}
	})
}

func TestAServerThatIsGoneIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{reply: echoAfter(0)}
		p := plan(t, d)
		refuse := atomic.Bool{}
		p.Dial = func(ctx context.Context) (net.Conn, error) {
			if refuse.Load() {
				return nil, errors.New("refused")
			}
			return d.dial(ctx)
		}
		time.AfterFunc(5*time.Second+time.Millisecond, func() { refuse.Store(true); d.hangUp() })
		r := run(t, p)
		if r.Right != 501 || r.Errors[KindUnanswered] != 499 || r.Errors[KindConnect] == 0 {
			t.Errorf("%d right, errors %v", r.Right, r.Errors)
		}
	})
}

func TestTheContextEndsARun(t *testing.T) {
	for mode, rate := range map[string]float64{"open": 100, "slow open": 0.2, "closed": 0} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := plan(t, &double{reply: echoAfter(time.Millisecond)})
				p.Rate, p.Duration = rate, time.Hour
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				if _, err := Run(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("ended after %v", took)
				}
			})
		})
	}
}

func TestPlansThatMakeNoSenseAreRefused(t *testing.T) {
	good := plan(t, &double{})
	for name, change := range map[string]func(*Plan){
		"no server":      func(p *Plan) { p.Dial = nil },
		"no request":     func(p *Plan) { p.Requests = nil },
		"no connection":  func(p *Plan) { p.Connections = 0 },
		"no time":        func(p *Plan) { p.Duration = 0 },
		"negative rate":  func(p *Plan) { p.Rate = -1 },
		"large requests": func(p *Plan) { p.Requests = []Request{{Wire: make([]byte, MaxRequest+1)}} },
	} {
		p := good
		change(&p)
		if _, err := Run(t.Context(), p); err == nil {
			t.Errorf("%s: was run", name)
		}
	}
}

// TestOverTCP runs both loops, shortly, against a real server and the real
// clock; it looks at what is certain on a busy machine only.
func TestOverTCP(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	for mode, rate := range map[string]float64{"open": 500, "closed": 0} {
		var began, ended int
		progress := &Progress{}
		p := Plan{
			Dial: TCP(s.Listener.Addr().String()), Requests: requests("one", "two"), Connections: 3, Rate: rate,
			Duration: 200 * time.Millisecond, Progress: progress,
			Started: func() { began++ }, Ended: func() { ended++ },
		}
		r := run(t, p)
		if r.Right == 0 || r.Right != r.Sent || r.Failed() != 0 || progress.Right() < r.Right {
			t.Errorf("%s: %d of %d right, progress %d, errors %v", mode, r.Right, r.Sent, progress.Right(), r.Errors)
		}
		if rate > 0 && r.Sent != 100 || began != 1 || ended != 1 {
			t.Errorf("%s: sent %d, began %d, ended %d", mode, r.Sent, began, ended)
		}
	}
}

func TestPauseIsNeverShort(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	for _, d := range []time.Duration{-time.Second, 0, 1, time.Microsecond, 200 * time.Microsecond, 3 * time.Millisecond} {
		for range 10 {
			until := time.Now().Add(d)
			a.pause(until)
			if now := time.Now(); now.Before(until) {
				t.Fatalf("woke %v early", until.Sub(now))
			}
		}
	}
}

func TestMergeAddsRunsUp(t *testing.T) {
	sum := NewResult()
	for i := range 3 {
		r := NewResult()
		r.Sent, r.Elapsed = 3, time.Second
		r.right(time.Duration(i+1) * time.Millisecond)
		r.right(time.Hour) // clamped
		r.wrong(KindBody, "sample %d", i)
		sum.Merge(r)
	}
	if sum.Sent != 9 || sum.Right != 6 || sum.Elapsed != 3*time.Second || sum.Rate() != 2 || sum.Failed() != 3 {
		t.Errorf("got %+v", sum)
	}
	if sum.Samples[KindBody] != "sample 0" || sum.Latency.TotalCount() != 6 || quantile(sum.Latency, 100) < 9*time.Minute {
		t.Errorf("samples %v, max %v", sum.Samples, quantile(sum.Latency, 100))
	}
}
