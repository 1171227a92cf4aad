package wasmhost

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/internal/asm"
)

func bundle(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGoProgramsFindTheirFiles(t *testing.T) {
	r := newRig(t)
	u := r.unit(bundle(t, map[string]string{"main.wasm": string(goGuest(t, "files")), "data/table.txt": "from the bundle"}), "main._start")
	u.Environment = map[string]string{"MODE": "test", "BAD": "a\x00b"}
	for range 2 { // the second finds /tmp as empty as the first
		in := r.start(u)
		res, err := in.Invoke(context.Background(), invocation("", time.Minute))
		if err != nil || string(res.Payload) != "ok" {
			t.Errorf("got %q, failure %+v, logs %v, %v", res.Payload, res.Failure, res.Logs, err)
		}
		if err := in.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestCommandsAnswerOnStandardOutput(t *testing.T) {
	r := newRig(t)
	for _, payload := range []string{"", "x", strings.Repeat("long ", 100_000)} {
		res, err := r.invoke(r.unit(cat(), ""), payload)
		if err != nil || res.Payload == nil || string(res.Payload) != payload {
			t.Errorf("%d bytes became %d, %+v, %v", len(payload), len(res.Payload), res.Failure, err)
		}
	}
}

func TestGoCommandsRunAsTheyAre(t *testing.T) {
	r := newRig(t)
	u := r.unit(goGuest(t, "command"), "main._start")
	res, err := r.invoke(u, `{"a":1}`)
	var got map[string]any
	if err != nil || json.Unmarshal(res.Payload, &got) != nil || got["hello"] != "world" || got["a"] != 1.0 {
		t.Errorf("got %q, %v", res.Payload, err)
	}
	res, err = r.invoke(u, `not JSON`)
	if err != nil || res.Failure == nil || res.Failure.Type != sandbox.FailureExit || len(res.Logs) != 1 || res.Logs[0].Stream != "stderr" {
		t.Errorf("got %+v, %+v, %v", res.Failure, res.Logs, err)
	}
}

// TestCommandsThatWriteTooMuchEnd is about a guest that never stops writing.
func TestCommandsThatWriteTooMuchEnd(t *testing.T) {
	m := asm.New()
	write := m.Import("wasi_snapshot_preview1", "fd_write", "iiii", "i")
	m.Data(0, "\x00\x01\x00\x00\x00\x80\x00\x00")
	m.Export("_start", m.Func("", "", "", asm.Loop, asm.Void,
		asm.I32(1), asm.I32(0), asm.I32(1), asm.I32(8), asm.Call(write), asm.Drop, asm.Br(0), asm.End))
	r := newRig(t)
	res, err := r.invoke(r.unit(m.Bytes(), "main._start"), "x")
	if !fault.HasReason(err, fault.ReasonResponseInvalid) {
		t.Errorf("got %d bytes, %v", len(res.Payload), err)
	}
}

func TestKeptInstancesOfCommandsServeOnce(t *testing.T) {
	r := newRig(t)
	u := r.unit(cat(), "main._start")
	u.Isolation = function.IsolationInstance
	in := r.start(u)
	defer in.Stop(context.Background())
	if _, err := in.Invoke(context.Background(), invocation("x", time.Minute)); err != nil || in.Reusable() {
		t.Errorf("reusable is %v, %v", in.Reusable(), err)
	}
}

// TestSandboxesThatAreUsedAgainAreNew counts in a variable, in data and in
// memory that was zero, and expects each request to begin at the same values,
// in sandboxes that were put back.
func TestSandboxesThatAreUsedAgainAreNew(t *testing.T) {
	m := asm.New()
	m.Alloc(1024)
	m.Data(100, "A")
	g := m.Global('i', asm.I32('g'))
	count := func(at int) []byte {
		return asm.Code(asm.I32(at), asm.I32(at), asm.Load8(0), asm.I32(1), asm.I32Add, asm.Store8(0))
	}
	m.Handler(count(100), count(101),
		asm.GlobalGet(g), asm.I32(1), asm.I32Add, asm.GlobalSet(g), asm.I32(102), asm.GlobalGet(g), asm.Store8(0),
		asm.I64(100<<32|3))
	r := newRig(t)
	u := r.unit(m.Bytes(), "main.handle")
	seen := map[*run]int{}
	for range 10 {
		in := r.start(u)
		seen[in.run]++
		res, err := in.Invoke(context.Background(), invocation("x", time.Minute))
		if err != nil || string(res.Payload) != "B\x01h" {
			t.Fatalf("got %q, %v", res.Payload, err)
		}
		in.Stop(context.Background())
	}
	if len(seen) != 1 {
		t.Errorf("%d sandboxes were made", len(seen))
	}
}

func TestABrokenSandboxIsNotUsedAgain(t *testing.T) {
	r := newRig(t)
	u := r.unit(reactor(instructions(asm.Unreachable)), "main.handle")
	first := r.start(u)
	broken := first.run
	first.Invoke(context.Background(), invocation("x", time.Minute))
	first.Stop(context.Background())
	second := r.start(u)
	defer second.Stop(context.Background())
	if second.run == broken {
		t.Error("a sandbox that trapped was used again")
	}
}

func TestIdleSandboxesGiveWay(t *testing.T) {
	r := newRigWith(t, 2<<20)
	var all []*instance
	u := r.unit(echo(), "main.handle")
	for {
		in, err := r.host.Start(context.Background(), u)
		if err != nil {
			break
		}
		all = append(all, in.(*instance))
	}
	for _, in := range all {
		in.Stop(context.Background())
	}
	if len(u.Function) == 0 || r.host.idle.Load() == 0 {
		t.Error("nothing waits")
	}
	large := r.unit(reactor(instructions(asm.I32(14), asm.Grow(), asm.Drop, asm.I64(0))), "main.handle")
	for range len(all) / 2 {
		if _, err := r.invoke(large, "x"); err != nil {
			t.Fatalf("another function found no room: %v", err)
		}
	}
	for _, un := range *r.host.units.Load() {
		un.sweep()
		un.sweep()
	}
	if n := r.host.idle.Load(); n != 0 {
		t.Errorf("%d bytes wait after two sweeps", n)
	}
}
