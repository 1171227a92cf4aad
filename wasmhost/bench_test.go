package wasmhost

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

// BenchmarkInvoke runs invocations as the pool has them run: with a fresh
// sandbox each, from Start to Stop, or on an instance that is kept.
func BenchmarkInvoke(b *testing.B) {
	guests := []struct {
		name    string
		code    func() []byte
		handler string
		keep    bool
	}{
		{"reactor", echo, "main.handle", false},
		{"command", cat, "main._start", false},
		{"kept-reactor", echo, "main.handle", true},
		{"go-kept-reactor", func() []byte { return goGuest(b, "reactor", "-buildmode=c-shared") }, "main.handle", true},
		{"go-reactor", func() []byte { return goGuest(b, "reactor", "-buildmode=c-shared") }, "main.handle", false},
		{"go-command", func() []byte { return goGuest(b, "command") }, "main._start", false},
	}
	if path := os.Getenv("SKIFF_BENCH_GUEST"); path != "" {
		code, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		guests = guests[:1]
		guests[0].code, guests[0].handler = func() []byte { return code }, os.Getenv("SKIFF_BENCH_HANDLER")
	}
	for _, g := range guests {
		b.Run(g.name, func(b *testing.B) {
			r := newRig(b)
			u := r.unit(g.code(), g.handler)
			if g.keep {
				u.Isolation = function.IsolationInstance
			}
			if err := r.host.Prepare(context.Background(), u); err != nil {
				b.Fatal(err)
			}
			runBench(b, r, u, g.keep)
		})
	}
}

// cpuTime returns what the process has used of all processors, which says more
// than the clock where others use them, too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func runBench(b *testing.B, r *rig, u *function.Unit, keep bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var in sandbox.Instance
	var err error
	b.ReportAllocs()
	before := cpuTime()
	defer func() { b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op") }()
	for b.Loop() {
		if in == nil {
			if in, err = r.host.Start(ctx, u); err != nil {
				b.Fatal(err)
			}
		}
		inv := sandbox.Invocation{RequestID: "r", Deadline: time.Now().Add(30 * time.Second), Payload: []byte(`{"a":1,"b":"two"}`)}
		res, err := in.Invoke(ctx, &inv)
		if err != nil || res.Failure != nil || len(res.Payload) < len(inv.Payload) {
			b.Fatal(res, err)
		}
		if !keep {
			in.Stop(ctx)
			in = nil
		}
	}
	if in != nil {
		in.Stop(ctx)
	}
}
