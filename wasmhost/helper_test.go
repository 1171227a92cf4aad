package wasmhost

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/memory"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/internal/asm"
)

// compiled keeps machine code for all tests of the process, as Go guests take
// seconds to compile.
var compiled string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wasmhost")
	if err != nil {
		panic(err)
	}
	compiled = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// rig is a host over a real code store, found clean at the end.
type rig struct {
	t      testing.TB
	host   *Host
	store  *artifact.Store
	ledger *memory.Ledger
}

func newRig(t testing.TB) *rig { return newRigWith(t, 4<<30) }

func newRigWith(t testing.TB, budget int64) *rig {
	t.Helper()
	r := &rig{t: t, ledger: memory.New(budget), store: artifact.New(t.TempDir(), artifact.Options{})}
	if err := r.store.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.host = New(Options{CacheDir: filepath.Join(compiled, "cache"), Code: r.store, Memory: r.ledger, Log: slog.New(slog.DiscardHandler)})
	if err := r.host.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	if err := r.host.Close(context.Background()); err != nil {
		r.t.Errorf("Close: %v", err)
	}
	if n := r.host.memory.Live(); n != 0 {
		r.t.Errorf("%d memories outlive the host", n)
	}
	if u := r.ledger.Usage(); u.Used != 0 {
		r.t.Errorf("the ledger holds %+v in the end", u)
	}
}

var born int64

// unit stores code and returns a unit that runs it.
func (r *rig) unit(code []byte, handler string) *function.Unit {
	r.t.Helper()
	b, err := r.store.Put(context.Background(), bytes.NewReader(code), artifact.MaxPacked)
	if err != nil {
		r.t.Fatal(err)
	}
	born++
	u := &function.Unit{Key: function.Key{Function: "f", Version: 7, Born: born}, CodeSHA256: b.SHA256, Settings: function.Default().Settings}
	u.Runtime, u.Handler = function.RuntimeWasm, handler
	return u
}

func (r *rig) start(u *function.Unit) *instance {
	r.t.Helper()
	in, err := r.host.Start(context.Background(), u)
	if err != nil {
		r.t.Fatalf("Start: %v", err)
	}
	return in.(*instance)
}

// invoke runs one invocation as the pool does for fresh sandboxes.
func (r *rig) invoke(u *function.Unit, payload string) (sandbox.Result, error) {
	r.t.Helper()
	in := r.start(u)
	defer in.Stop(context.Background())
	return in.Invoke(context.Background(), invocation(payload, 10*time.Second))
}

func invocation(payload string, within time.Duration) *sandbox.Invocation {
	return &sandbox.Invocation{RequestID: "request-1", Deadline: time.Now().Add(within), Traceparent: "00-trace-1", Payload: []byte(payload)}
}

var built sync.Map

// goGuest builds a Go guest from testdata once.
func goGuest(t testing.TB, name string, flags ...string) []byte {
	t.Helper()
	out := filepath.Join(compiled, "go-"+name+".wasm")
	return guest(t, out, "go", append([]string{"build", "-o", out}, append(flags, "./testdata/go/"+name)...)...)
}

// cGuest builds a C guest from testdata once. It needs clang and lld, and no
// C library.
func cGuest(t testing.TB, name string) []byte {
	t.Helper()
	out := filepath.Join(compiled, "c-"+name+".wasm")
	return guest(t, out, "clang", "--target=wasm32", "-nostdlib", "-Wl,--no-entry", "-mbulk-memory", "-O2", "-fno-builtin", "-o", out, "testdata/c/"+name+".c")
}

func guest(t testing.TB, out, tool string, args ...string) []byte {
	t.Helper()
	build, _ := built.LoadOrStore(out, sync.OnceValues(func() ([]byte, error) {
		cmd := exec.Command(tool, args...)
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the guest %s: %w: %s", out, err, text)
		}
		return os.ReadFile(out)
	}))
	b, err := build.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// echo answers with the event.
func echo() []byte {
	m := asm.New()
	m.Alloc(1024)
	m.Handler(asm.Pack(asm.Get(0), asm.Get(1)))
	return m.Bytes()
}

// cat is a command that copies its input to its output.
func cat() []byte {
	m := asm.New()
	read := m.Import("wasi_snapshot_preview1", "fd_read", "iiii", "i")
	write := m.Import("wasi_snapshot_preview1", "fd_write", "iiii", "i")
	m.Data(0, "\x00\x04\x00\x00\x00\x80\x00\x00") // a buffer of 32 KiB at 1024
	m.Export("_start", m.Func("", "", "",
		asm.Loop, asm.Void,
		asm.I32(0), asm.I32(0), asm.I32(1), asm.I32(8), asm.Call(read), asm.Drop,
		asm.I32(16), asm.I32(1024), asm.Store32(0), asm.I32(16), asm.I32(8), asm.Load32(0), asm.Store32(4),
		asm.I32(1), asm.I32(16), asm.I32(1), asm.I32(24), asm.Call(write), asm.Drop,
		asm.I32(8), asm.Load32(0), asm.BrIf(0),
		asm.End))
	return m.Bytes()
}
