package wasmhost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/memory"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/internal/asm"
)

func TestCheckNamesAllThatIsWrong(t *testing.T) {
	r := newRig(t)
	imports := asm.New()
	imports.Import("env", "abort", "iiii", "")
	imports.Import("skiff", "teleport", "", "")
	imports.Import("skiff", "yield", "", "")
	imports.Import("wasi_snapshot_preview1", "fd_write", "i", "i")
	imports.Alloc(8)
	imports.Handler(asm.I64(0))
	large := asm.New()
	large.Min = 5000
	large.Alloc(8)
	large.Handler(asm.I64(0))
	bare := asm.New()
	bare.Export("other", bare.Func("", "", ""))
	wrong := asm.New()
	wrong.Export("_start", wrong.Func("i", "", ""))
	invalid := asm.New()
	invalid.Export("_start", invalid.Func("", "", "", asm.Drop))
	noMemory := asm.New()
	noMemory.Min = -1
	noMemory.Alloc(8)
	noMemory.Handler(asm.I64(0))
	for name, c := range map[string]struct {
		code    []byte
		handler string
		says    []string
	}{
		"imports":            {imports.Bytes(), "main.handle", []string{"env.abort", "skiff.teleport", "skiff.yield", "fd_write as (i32) -> (i32)"}},
		"too much memory":    {large.Bytes(), "main.handle", []string{"313 MiB", "memorySize is 256"}},
		"no exports":         {bare.Bytes(), "main.handle", []string{`"handle"`, `"skiff_alloc"`}},
		"no command":         {bare.Bytes(), "main._start", []string{`"_start"`}},
		"reactor as command": {echo(), "main._start", []string{`"_start"`, "these handlers: main.handle"}},
		"a wrong signature":  {wrong.Bytes(), "main._start", []string{"(i32) -> ()", "must be () -> ()"}},
		"wrong code":         {invalid.Bytes(), "main._start", []string{"not valid"}},
		"no memory":          {noMemory.Bytes(), "main.handle", []string{"no memory"}},
		"another file":       {echo(), "other.handle", []string{"other.wasm", "main._start"}},
		"a component":        {[]byte("\x00asm\x0d\x00\x01\x00"), "main._start", []string{"component", "wasm32-wasip1"}},
	} {
		t.Run(name, func(t *testing.T) {
			u := r.unit(bundle(t, map[string]string{"main.wasm": string(c.code)}), c.handler)
			err := r.host.Check(context.Background(), u)
			if !fault.Is(err, fault.Invalid) || !fault.HasReason(err, fault.ReasonInvalidWasm) {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
			if err := r.host.Prepare(context.Background(), u); !fault.Is(err, fault.InitFailed) {
				t.Errorf("Prepare: %v", err)
			}
		})
	}
	if err := r.host.Check(context.Background(), r.unit(echo(), "main.handle")); err != nil {
		t.Errorf("a good module: %v", err)
	}
	if n := len(r.host.codes); n != 0 {
		t.Errorf("%d modules are kept after they were checked", n)
	}
}

func TestUnitsOfOneBundleShareItsModule(t *testing.T) {
	r := newRig(t)
	var units []*function.Unit
	for range 5 {
		units = append(units, r.unit(echo(), "main.handle"))
	}
	var wg sync.WaitGroup
	for _, u := range units {
		wg.Go(func() {
			if err := r.host.Prepare(context.Background(), u); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(r.host.codes); n != 1 {
		t.Errorf("%d modules were compiled", n)
	}
	in := r.start(units[0])
	for _, u := range units {
		r.host.Forget(u.Key)
	}
	if res, err := in.Invoke(context.Background(), invocation("x", time.Minute)); err != nil || string(res.Payload) != "x" {
		t.Errorf("an instance of forgotten code: %+v, %v", res, err)
	}
	in.Stop(context.Background())
	if n := len(r.host.codes); n != 0 {
		t.Errorf("%d modules are kept", n)
	}
	if u := r.ledger.Usage(); len(u.Holders) > 1 || len(u.Holders) == 1 && u.Holders[0].Name != "wasm (idle)" {
		t.Errorf("the ledger holds %+v", u)
	}
}

func TestCodeThatFailedToLoadIsTriedAnew(t *testing.T) {
	r := newRigWith(t, 1<<20)
	u := r.unit(echo(), "main.handle")
	rest := r.ledger.Account("somebody")
	rest.Reserve(1 << 20)
	if err := r.host.Prepare(context.Background(), u); !fault.Is(err, fault.Exhausted) {
		t.Errorf("without memory: %v", err)
	}
	rest.Close()
	if err := r.host.Prepare(context.Background(), u); err != nil {
		t.Error(err)
	}
	u.CodeSHA256 = strings.Repeat("0", 64)
	u.Born = -1
	if err := r.host.Prepare(context.Background(), u); !fault.HasReason(err, fault.ReasonNoCode) {
		t.Errorf("code that is not stored: %v", err)
	}
}

func TestReactorsReportErrors(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		text string
		want sandbox.Failure
	}{
		{"plain text", sandbox.Failure{Type: sandbox.FailureFunction, Message: "plain text", Handled: true}},
		{`{"errorMessage":"m","errorType":"T","stackTrace":["a","b"]}`, sandbox.Failure{Type: "T", Message: "m", StackTrace: []string{"a", "b"}, Handled: true}},
		{`{"errorMessage":"m"}`, sandbox.Failure{Type: sandbox.FailureFunction, Message: "m", Handled: true}},
		{`{"other":1}`, sandbox.Failure{Type: sandbox.FailureFunction, Message: `{"other":1}`, Handled: true}},
		{"\xff", sandbox.Failure{Type: sandbox.FailureFunction, Message: "\uFFFD", Handled: true}},
	} {
		m := asm.New()
		m.Data(2000, c.text)
		m.Alloc(8)
		m.Handler(asm.I64(2000<<32 | 1<<31 | int64(len(c.text))))
		res, err := r.invoke(r.unit(m.Bytes(), "main.handle"), "x")
		if err != nil || res.Failure == nil || !equalFailures(*res.Failure, c.want) {
			t.Errorf("%q became %+v, %v", c.text, res.Failure, err)
		}
	}
}

func equalFailures(a, b sandbox.Failure) bool {
	return a.Type == b.Type && a.Message == b.Message && a.Handled == b.Handled && strings.Join(a.StackTrace, "|") == strings.Join(b.StackTrace, "|")
}

func TestMetaTellsAboutTheInvocation(t *testing.T) {
	r := newRig(t)
	inv := invocation("x", time.Minute)
	deadline := strconv.FormatInt(inv.Deadline.UnixMilli(), 10)
	for key, want := range []string{"request-1", deadline, "00-trace-1", "f", "7", ""} {
		m := asm.New()
		meta := m.Import("skiff", "meta", "iii", "i")
		m.Alloc(8)
		m.Handler(asm.I32(key), asm.I32(4000), asm.I32(4), asm.Call(meta), asm.Set(2), asm.Pack(asm.I32(4000), asm.Get(2)))
		in := r.start(r.unit(m.Bytes(), "main.handle"))
		res, err := in.Invoke(context.Background(), inv)
		in.Stop(context.Background())
		// Four bytes were asked for, the length is that of the whole.
		got := strings.TrimRight(string(res.Payload), "\x00")
		if err != nil || len(res.Payload) != len(want) || got != want[:min(4, len(want))] {
			t.Errorf("key %d is %q, want %q, %v", key, res.Payload, want, err)
		}
	}
}

func TestTheCacheBelongsToThisUserAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	os.Mkdir(dir, 0o777)
	os.Chmod(dir, 0o777)
	store := artifact.New(t.TempDir(), artifact.Options{})
	h := New(Options{CacheDir: dir, Code: store, Memory: memory.New(1 << 30)})
	if err := h.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer h.Close(context.Background())
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	bad := New(Options{CacheDir: file, Code: store, Memory: memory.New(1 << 30)})
	if err := bad.Open(context.Background()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a file instead of a directory: %v", err)
	}
	if err := bad.Close(context.Background()); err != nil {
		t.Errorf("closing what was never opened: %v", err)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"old", "middle", "new"} {
		path := filepath.Join(dir, name)
		os.WriteFile(path, make([]byte, 100), 0o600)
		at := time.Unix(int64(i), 0)
		os.Chtimes(path, at, at)
	}
	if err := prune(dir, 250); err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 2 || left[0].Name() != "middle" || left[1].Name() != "new" {
		t.Errorf("left are %v", left)
	}
}

func TestAClosedHostServesNobody(t *testing.T) {
	r := newRig(t)
	u := r.unit(echo(), "main.handle")
	if err := r.host.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.host.Start(context.Background(), u); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

// TestInterruptionAtTheEndOfStartUpCounts ends the context while a start-up
// runs that takes no time, so that the interruption often comes too late to
// end it.
func TestInterruptionAtTheEndOfStartUpCounts(t *testing.T) {
	r := newRig(t)
	m := asm.New()
	m.Export("_initialize", m.Func("", "", ""))
	m.Alloc(8)
	m.Handler(asm.I64(0))
	u := r.unit(m.Bytes(), "main.handle")
	if err := r.host.Prepare(context.Background(), u); err != nil {
		t.Fatal(err)
	}
	un := (*r.host.units.Load())[u.Key]
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 500 {
		run, err := un.newRun()
		if err != nil {
			t.Fatal(err)
		}
		in := &instance{un: un, run: run}
		err = in.boot(ctx, run)
		run.clean()
		run.close()
		if !fault.Is(err, fault.Canceled) && !fault.Is(err, fault.InitFailed) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestCodeThatChangedOnDiskIsNotRun(t *testing.T) {
	r := newRig(t)
	u := r.unit(echo(), "main.handle")
	tree, err := r.store.Open(context.Background(), u.CodeSHA256)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(tree.Dir(), artifact.WasmFile)
	tree.Release()
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := slices.Clone(good)
	bad[len(bad)-2] ^= 1
	if err := errors.Join(os.Chmod(file, 0o600), os.WriteFile(file, bad, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := r.host.Prepare(context.Background(), u); !fault.HasReason(err, fault.ReasonBadBundle) || fault.Of(err).Remedy == "" {
		t.Errorf("got %v", err)
	}
}
