package invoke

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOutcomeTellsWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.cold = 40 * time.Millisecond
		var deadline time.Time
		w.handler = func(_ context.Context, inv *sandbox.Invocation) (sandbox.Result, error) {
			deadline = inv.Deadline
			time.Sleep(2300 * time.Microsecond)
			return sandbox.Result{Payload: inv.Payload, Logs: []sandbox.Line{{Message: "hi"}}, PeakMemory: 3 << 20}, nil
		}
		v := w.start(t, nil)
		begin := time.Now()
		req := request()
		req.Tail, req.LogStream = true, true
		out, err := v.Invoke(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		if out.RequestID != "r1" || out.Unit != w.unit || string(out.Result.Payload) != "{}" || len(out.Result.Logs) != 1 {
			t.Errorf("outcome %+v", out)
		}
		if out.Duration != 2300*time.Microsecond || out.Billed() != 3*time.Millisecond || !out.Cold || out.InitDuration != w.cold {
			t.Errorf("duration %v, billed %v, cold %v after %v", out.Duration, out.Billed(), out.Cold, out.InitDuration)
		}
		if want := "2000/01/01/[3]i1"; out.LogStream != want {
			t.Errorf("log stream %q, want %q", out.LogStream, want)
		}
		if want := begin.Add(w.unit.Timeout); !deadline.Equal(want) {
			t.Errorf("deadline %v, want %v", deadline, want)
		}
		got := v.Window(w.fn, time.Hour, time.Now())
		if got.Invocations != 1 || got.ColdStarts != 1 || got.Errors != 0 || got.MaxMemoryUsed != 3<<20 || got.AvgDuration != out.Duration {
			t.Errorf("window %+v", got)
		}
	})
}

func TestLogsGoToTheSinkAndOnRequestToTheCaller(t *testing.T) {
	w := newWorld()
	w.handler = func(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
		return sandbox.Result{Logs: []sandbox.Line{{Message: "late"}}}, fault.New(fault.Timeout, "function_timeout", "too slow")
	}
	v := w.start(t, nil)
	req := request()
	out, err := v.Invoke(context.Background(), req)
	wantFault(t, err, fault.Timeout, "function_timeout")
	if out.Result.Logs != nil || len(w.lines) != 1 || w.lines[0] != "r1" {
		t.Errorf("outcome has %v, the sink %v", out.Result.Logs, w.lines)
	}
	req.Tail = true
	if out, _ = v.Invoke(context.Background(), req); len(out.Result.Logs) != 1 {
		t.Error("the tail is missing where the function timed out")
	}
}

func TestWhatCountsAsWhat(t *testing.T) {
	type counts struct{ invocations, errors, throttles uint64 }
	fails := func(class fault.Class) error { return fault.New(class, "why", "x") }
	handler := func(res sandbox.Result, err error) func(*world) {
		return func(w *world) {
			w.handler = func(context.Context, *sandbox.Invocation) (sandbox.Result, error) { return res, err }
		}
	}
	acquire := func(class fault.Class) func(*world) {
		return func(w *world) { w.onAcquire = func(*function.Unit) error { return fails(class) } }
	}
	for name, tc := range map[string]struct {
		set  func(*world)
		want counts
	}{
		"success":                 {func(*world) {}, counts{1, 0, 0}},
		"the function's failure":  {handler(sandbox.Result{Failure: &sandbox.Failure{Type: "E"}}, nil), counts{1, 1, 0}},
		"timeout":                 {handler(sandbox.Result{}, fails(fault.Timeout)), counts{1, 1, 0}},
		"the caller left":         {handler(sandbox.Result{}, fails(fault.Canceled)), counts{1, 0, 0}},
		"an answer too large":     {handler(sandbox.Result{Payload: make([]byte, sandbox.MaxPayload+1)}, nil), counts{1, 1, 0}},
		"an answer at the limit":  {handler(sandbox.Result{Payload: make([]byte, sandbox.MaxPayload)}, nil), counts{1, 0, 0}},
		"code that cannot start":  {acquire(fault.InitFailed), counts{1, 1, 0}},
		"no memory":               {acquire(fault.Exhausted), counts{0, 0, 1}},
		"no runtime":              {acquire(fault.Unavailable), counts{}},
		"the caller left earlier": {acquire(fault.Canceled), counts{}},
		"a paused function":       {func(w *world) { w.reserve(0) }, counts{0, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			tc.set(w)
			v := w.start(t, nil)
			_, _ = v.Invoke(context.Background(), request())
			s := v.Window(w.fn, time.Hour, time.Now())
			if got := (counts{s.Invocations, s.Errors, s.Throttles}); got != tc.want {
				t.Errorf("window %+v, want %+v", got, tc.want)
			}
			c := w.series["api"]
			got := counts{uint64(c.ended.Load()), uint64(c.failed.Load()), uint64(c.throttled.Load())}
			if got != tc.want || c.began.Load() != c.ended.Load() {
				t.Errorf("metrics %+v, want %+v", got, tc.want)
			}
			if n, _ := v.VersionTotals(w.fn, 3); n != tc.want.invocations {
				t.Errorf("total %d, want %d", n, tc.want.invocations)
			}
		})
	}
}

func TestRefusalsBeforeAnythingRuns(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*world, *Request)
		class  fault.Class
		reason string
	}{
		"unknown function": {func(_ *world, r *Request) { r.Function = "g" }, fault.NotFound, "function_not_found"},
		"payload too large": {func(_ *world, r *Request) { r.Payload = make([]byte, sandbox.MaxPayload+1) },
			fault.TooLarge, "payload_too_large"},
		"role not allowed": {func(w *world, r *Request) {
			w.fn.AllowedRoles, r.Role = []function.Role{function.RoleOperator}, function.RoleViewer
		}, fault.Denied, "role_not_allowed"},
		"paused": {func(w *world, _ *Request) { w.reserve(0) }, fault.Throttled, fault.ReasonConcurrency},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			req := request()
			tc.change(w, req)
			w.onAcquire = func(*function.Unit) error { t.Error("an instance was acquired"); return nil }
			out, err := w.start(t, nil).Invoke(context.Background(), req)
			wantFault(t, err, tc.class, tc.reason)
			if out.RequestID != "r1" {
				t.Error("the outcome lacks the request id")
			}
		})
	}
}

func TestAdministratorsAndTheApplianceMayInvokeEverything(t *testing.T) {
	for _, role := range []function.Role{function.RoleAdmin, "", function.RoleOperator} {
		w := newWorld()
		w.fn.AllowedRoles = []function.Role{function.RoleOperator}
		req := request()
		req.Role = role
		if _, err := w.start(t, nil).Invoke(context.Background(), req); err != nil {
			t.Errorf("role %q: %v", role, err)
		}
	}
}

func TestDryRunRunsNothing(t *testing.T) {
	w := newWorld()
	w.onAcquire = func(*function.Unit) error { t.Error("an instance was acquired"); return nil }
	v := w.start(t, nil)
	req := request()
	req.DryRun = true
	out, err := v.Invoke(context.Background(), req)
	if err != nil || out.Unit != w.unit {
		t.Fatalf("got %+v, %v", out, err)
	}
	if n, _ := v.Totals(w.fn); n != 0 {
		t.Errorf("counted %d", n)
	}
}

func TestRetiredUnitIsResolvedAgainOnce(t *testing.T) {
	w := newWorld()
	retired := fault.New(fault.Unavailable, ReasonRetired, "retired")
	old, next := w.unit, *w.unit
	next.Version = 4
	w.onAcquire = func(u *function.Unit) error {
		if u == old {
			w.unit = &next
			return retired
		}
		return nil
	}
	v := w.start(t, nil)
	out, err := v.Invoke(context.Background(), request())
	if err != nil || out.Unit.Version != 4 {
		t.Fatalf("got %+v, %v", out, err)
	}
	w.onAcquire = func(*function.Unit) error { return retired }
	w.lookups.Store(0)
	if _, err = v.Invoke(context.Background(), request()); !errors.Is(err, retired) || w.lookups.Load() != 2 {
		t.Errorf("got %v after %d lookups", err, w.lookups.Load())
	}
}

func TestPanicsBecomeInternalFaults(t *testing.T) {
	w := newWorld()
	w.handler = func(context.Context, *sandbox.Invocation) (sandbox.Result, error) { panic("secret") }
	v := w.start(t, nil)
	_, err := v.Invoke(context.Background(), request())
	wantFault(t, err, fault.Internal, "panic")
	if strings.Contains(err.Error(), "secret") {
		t.Error("the fault shows what the panic said")
	}
	if w.stopped.Load() != 1 {
		t.Error("the instance was not stopped")
	}
	if s := v.Window(w.fn, time.Hour, time.Now()); s.Errors != 1 {
		t.Errorf("window %+v", s)
	}
	w.onAcquire = func(*function.Unit) error { panic("pool") }
	_, err = v.Invoke(context.Background(), request())
	wantFault(t, err, fault.Internal, "panic")
}

func TestRequestIDsAreDistinctUUIDs(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	w := newWorld()
	v := w.start(t, nil)
	seen := map[string]bool{}
	for range 1000 {
		req := request()
		req.RequestID = ""
		out, err := v.Invoke(context.Background(), req)
		if err != nil || !form.MatchString(out.RequestID) || seen[out.RequestID] {
			t.Fatalf("request id %q, %v", out.RequestID, err)
		}
		seen[out.RequestID] = true
	}
}

func TestLogStreamNamesLatest(t *testing.T) {
	if got := logStream(time.Date(2026, 11, 24, 23, 0, 0, 0, time.UTC), 0, "x"); got != "2026/11/24/[$LATEST]x" {
		t.Errorf("got %q", got)
	}
}

func TestSeriesAreAskedForOnceAPair(t *testing.T) {
	w := newWorld()
	v := w.start(t, nil)
	var first *counter
	for range 3 {
		_, _ = v.Invoke(context.Background(), request())
		if c := w.series["api"]; first == nil {
			first = c
		} else if c != first {
			t.Fatal("the series was made again")
		}
	}
	req := request()
	req.Trigger = "lambda"
	_, _ = v.Invoke(context.Background(), req)
	if first.ended.Load() != 3 || w.series["lambda"].ended.Load() != 1 {
		t.Error("triggers are mixed up")
	}
	changed := *w.unit
	changed.Revision++
	w.unit = &changed
	_, _ = v.Invoke(context.Background(), request())
	if w.series["api"] == first {
		t.Error("a changed unit kept the old series")
	}
}

// TestHammerKeepsEveryLimit runs hundreds of callers over functions with and
// without reservations: no limit may ever be exceeded, everybody is answered.
func TestHammerKeepsEveryLimit(t *testing.T) {
	const callers, calls, global = 300, 40, 6
	worlds := many{}
	var reserved [3]*world
	for i, limit := range []int{1, 3, 5} {
		w := newWorld()
		w.reserve(limit)
		reserved[i], worlds[string(rune('a'+i))] = w, w
	}
	worlds["open1"], worlds["open2"] = newWorld(), newWorld()
	var shared atomic.Int64
	for name, w := range worlds {
		w.fn.Name, w.unit.Function = name, name
		var mine atomic.Int64
		limit := int64(global)
		inUse := &shared
		if r := w.fn.ReservedConcurrency; r != nil {
			limit, inUse = int64(*r), &mine
		}
		w.handler = func(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
			if n := inUse.Add(1); n > limit {
				t.Errorf("%d of %q at once, %d may", n, name, limit)
			}
			defer inUse.Add(-1)
			time.Sleep(time.Duration(rand.IntN(50)) * time.Microsecond)
			return sandbox.Result{}, nil
		}
	}
	v := New(Options{Resolver: worlds, Pool: worlds, Global: global, QueueDepth: 20, QueueTimeout: 5 * time.Millisecond})
	if err := v.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	var answered, ran atomic.Int64
	names := []string{"a", "b", "c", "open1", "open2"}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range calls {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+rand.IntN(20))*time.Millisecond)
				_, err := v.Invoke(ctx, &Request{Function: names[rand.IntN(len(names))]})
				cancel()
				switch answered.Add(1); {
				case err == nil:
					ran.Add(1)
				case !fault.Is(err, fault.Throttled) && !fault.Is(err, fault.Exhausted):
					t.Errorf("got %v", err)
				}
			}
		})
	}
	wg.Wait()
	if answered.Load() != callers*calls || ran.Load() == 0 {
		t.Errorf("answered %d, ran %d of %d", answered.Load(), ran.Load(), callers*calls)
	}
	if running, waiting := v.Load(); running != 0 || waiting != 0 {
		t.Errorf("left: %d running, %d waiting", running, waiting)
	}
	for name := range worlds {
		if n := v.functions.Load(name).gate.held.Load(); n != 0 {
			t.Errorf("%q still holds %d places", name, n)
		}
	}
	if err := v.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// many is several worlds by the name of their function.
type many map[string]*world

func (m many) Resolve(name, qualifier string) (*function.Function, *function.Unit, error) {
	return m[name].Resolve(name, qualifier)
}

func (m many) Acquire(ctx context.Context, u *function.Unit) (Lease, error) {
	return m[u.Function].Acquire(ctx, u)
}

func BenchmarkInvoke(b *testing.B) {
	w := newWorld()
	v := w.start(b, nil)
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		req := request()
		req.RequestID = ""
		for pb.Next() {
			if _, err := v.Invoke(ctx, req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestInvokeAllocatesLittle(t *testing.T) {
	w := newWorld()
	v := w.start(t, nil)
	req, ctx := request(), context.Background()
	req.RequestID = ""
	n := testing.AllocsPerRun(200, func() { _, _ = v.Invoke(ctx, req) })
	// The call, which is the outcome; its id; and the lease of this test.
	if n > 3 {
		t.Errorf("%v allocations an invocation, want at most 3", n)
	}
}
