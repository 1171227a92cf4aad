package wasm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/skiffhq/skiff/bootstrap/wasm/guests"
)

// errorBit marks the length of an error result.
const errorBit = 1 << 31

// memoryPages is the memory limit of the guests under test, that of a function
// which does not say otherwise: 256 MiB.
const memoryPages = 256 << 20 >> 16

// call is what the host knows of and learns from one call. It travels in the
// context, where the host functions find it.
type call struct {
	meta map[int32]string
	logs []logLine
}

type logLine struct {
	level int32
	text  string
}

type callKey struct{}

// engine is the one runtime of the test binary, with the host's imports.
var engine = sync.OnceValue(func() wazero.Runtime {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(memoryPages))
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	_, err := r.NewHostModuleBuilder("skiff").
		NewFunctionBuilder().WithFunc(hostLog).Export("log").
		NewFunctionBuilder().WithFunc(hostMeta).Export("meta").
		Instantiate(ctx)
	if err != nil {
		panic(err)
	}
	return r
})

func hostLog(ctx context.Context, m api.Module, level int32, ptr, n uint32) {
	text, ok := m.Memory().Read(ptr, n)
	if !ok {
		panic(fmt.Sprintf("log of %d bytes at %d is outside of the memory", n, ptr))
	}
	c := ctx.Value(callKey{}).(*call)
	c.logs = append(c.logs, logLine{level, string(text)})
}

func hostMeta(ctx context.Context, m api.Module, key int32, ptr, capacity uint32) int32 {
	value := ctx.Value(callKey{}).(*call).meta[key]
	part := value[:min(len(value), int(capacity))]
	if !m.Memory().WriteString(ptr, part) {
		panic(fmt.Sprintf("meta for %d bytes at %d is outside of the memory", capacity, ptr))
	}
	return int32(len(value))
}

// guestDir is where guests are built, once in a run of the test binary.
var guestDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "skiff-guests-") })

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := guestDir(); err == nil {
		os.RemoveAll(dir)
	}
	engine().Close(context.Background())
	os.Exit(code)
}

// built keeps what was compiled, by name.
var built = struct {
	sync.Mutex
	modules map[string]wazero.CompiledModule
}{modules: map[string]wazero.CompiledModule{}}

// module compiles what build made, the first time that the name is asked for.
func module(t *testing.T, name string, build func(dir string) (string, error)) wazero.CompiledModule {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if m, ok := built.modules[name]; ok {
		return m
	}
	dir, err := guestDir()
	if err != nil {
		t.Fatal(err)
	}
	path, err := build(dir)
	if err != nil {
		t.Fatalf("the guest %s could not be built: %v", name, err)
	}
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A Go guest takes long to compile with the race detector on: use all cores.
	ctx := experimental.WithCompilationWorkers(t.Context(), runtime.GOMAXPROCS(0))
	m, err := engine().CompileModule(ctx, code)
	if err != nil {
		t.Fatalf("compile %s: %v", filepath.Base(path), err)
	}
	t.Logf("%s: %d bytes", filepath.Base(path), len(code))
	built.modules[name] = m
	return m
}

// example returns the compiled example guest.
func example(t *testing.T, kind guests.Kind) wazero.CompiledModule {
	t.Helper()
	return module(t, string(kind), func(dir string) (string, error) {
		return guests.Build(context.Background(), kind, dir)
	})
}

// reactor is an instance that is called over and over.
type reactor struct {
	t      *testing.T
	module api.Module
	alloc  api.Function
	handle api.Function
}

// start makes an instance and initialises it.
func start(t *testing.T, m wazero.CompiledModule) *reactor {
	t.Helper()
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithSysWalltime().WithSysNanotime()
	mod, err := engine().InstantiateModule(context.WithValue(t.Context(), callKey{}, &call{}), m, config)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() { mod.Close(context.Background()) })
	return &reactor{t, mod, mod.ExportedFunction("skiff_alloc"), mod.ExportedFunction("handle")}
}

// outcome is what came of a call.
type outcome struct {
	result string
	failed bool
	logs   []logLine
}

// do calls the guest by the ABI and copies the result. A trap fails the test.
func (r *reactor) do(payload string, meta map[int32]string) outcome {
	r.t.Helper()
	out, err := r.try(payload, meta)
	if err != nil {
		r.t.Fatalf("call with %.60q: %v", payload, err)
	}
	return out
}

// repeat does the same small request n times.
func (r *reactor) repeat(n int) {
	r.t.Helper()
	for range n {
		r.do(`{"name":"Ada"}`, nil)
	}
}

func (r *reactor) try(payload string, meta map[int32]string) (outcome, error) {
	c := &call{meta: meta}
	ctx := context.WithValue(context.Background(), callKey{}, c)
	at, err := r.alloc.Call(ctx, uint64(len(payload)))
	if err != nil {
		return outcome{logs: c.logs}, fmt.Errorf("skiff_alloc: %w", err)
	}
	if !r.module.Memory().WriteString(uint32(at[0]), payload) {
		return outcome{}, fmt.Errorf("skiff_alloc(%d) = %d is outside of the memory", len(payload), at[0])
	}
	packed, err := r.handle.Call(ctx, at[0], uint64(len(payload)))
	if err != nil {
		return outcome{logs: c.logs}, err
	}
	ptr, n := uint32(packed[0]>>32), uint32(packed[0])
	result, ok := r.module.Memory().Read(ptr, n&^errorBit)
	if !ok {
		return outcome{}, fmt.Errorf("a result of %d bytes at %d is outside of the memory", n&^errorBit, ptr)
	}
	return outcome{string(result), n&errorBit != 0, c.logs}, nil
}

// wantError checks an error result and returns its stack trace.
func (o outcome) wantError(t *testing.T, errorType, message string) []string {
	t.Helper()
	var e struct {
		ErrorMessage, ErrorType string
		StackTrace              []string
	}
	if err := json.Unmarshal([]byte(o.result), &e); err != nil {
		t.Fatalf("the error result %q is not JSON: %v", o.result, err)
	}
	if !o.failed || e.ErrorType != errorType || e.ErrorMessage != message {
		t.Errorf("failed %t with %s: %q; want %s: %q", o.failed, e.ErrorType, e.ErrorMessage, errorType, message)
	}
	return e.StackTrace
}

// command runs a WASI command and returns its output, errors and exit code.
func command(t *testing.T, m wazero.CompiledModule, stdin string) (stdout, stderr string, exit uint32) {
	t.Helper()
	var out, errs bytes.Buffer
	config := wazero.NewModuleConfig().WithName("").WithStdin(bytes.NewBufferString(stdin)).
		WithStdout(&out).WithStderr(&errs).WithEnv("SKIFF_REQUEST_ID", "req-1")
	mod, err := engine().InstantiateModule(t.Context(), m, config)
	var ended *sys.ExitError
	switch {
	case errors.As(err, &ended):
		return out.String(), errs.String(), ended.ExitCode()
	case err != nil:
		t.Fatalf("run with %.60q: %v", stdin, err)
	}
	mod.Close(t.Context())
	return out.String(), errs.String(), 0
}
