package wasmhost

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/internal/asm"
	"github.com/skiffhq/skiff/wasmhost/module"
)

const preview1 = "wasi_snapshot_preview1"

// TestHostCallsEndAtTheDeadline is about guests that let the host work.
func TestHostCallsEndAtTheDeadline(t *testing.T) {
	r := newRig(t)
	// vectors names all memory above the first pages again and again, with
	// lines that are empty.
	vectors := func(m *asm.Module, fd int) []byte {
		print := m.Import(preview1, "fd_write", "iiii", "i")
		return asm.Code(asm.I32(3199), asm.Grow(), asm.Drop,
			asm.I32(65536), asm.I32('\n'), asm.I32(3100<<16), asm.Fill(),
			asm.Loop, asm.Void,
			asm.Get(2), asm.I32(65536), asm.Store32(2048), asm.Get(2), asm.I32(3100<<16), asm.Store32(2052),
			asm.Get(2), asm.I32(8), asm.I32Add, asm.Set(2), asm.Get(2), asm.I32(8192), asm.I32LtU, asm.BrIf(0), asm.End,
			asm.I32(fd), asm.I32(2048), asm.I32(1024), asm.I32(0), asm.Call(print), asm.Drop, asm.I64(0))
	}
	for name, code := range map[string]func(*asm.Module) []byte{
		"lines of a long list of buffers": func(m *asm.Module) []byte { return vectors(m, 1) },
		"entropy": func(m *asm.Module) []byte {
			random := m.Import(preview1, "random_get", "ii", "i")
			return asm.Code(asm.I32(3199), asm.Grow(), asm.Drop,
				asm.Loop, asm.Void, asm.I32(0), asm.I32(3000<<16), asm.Call(random), asm.Drop, asm.Br(0), asm.End, asm.I64(0))
		},
		"a sleep": func(m *asm.Module) []byte {
			poll := m.Import(preview1, "poll_oneoff", "iiii", "i")
			return asm.Code(asm.I32(2048), asm.I32(-1), asm.Store32(24), asm.I32(2048), asm.I32(-1), asm.Store32(28),
				asm.I32(2048), asm.I32(4096), asm.I32(1), asm.I32(0), asm.Call(poll), asm.Drop, asm.I64(0))
		},
		"log lines": func(m *asm.Module) []byte {
			log := m.Import("skiff", "log", "iii", "")
			return asm.Code(asm.I32(3199), asm.Grow(), asm.Drop,
				asm.Loop, asm.Void, asm.I32(9), asm.I32(0), asm.I32(3100<<16), asm.Call(log), asm.Br(0), asm.End, asm.I64(0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := r.unit(reactor(code), "main.handle")
			in := r.start(u)
			defer in.Stop(context.Background())
			begin := time.Now()
			_, err := in.Invoke(context.Background(), invocation("x", 500*time.Millisecond))
			if took := time.Since(begin); !fault.Is(err, fault.Timeout) || took > 3*time.Second {
				t.Errorf("got %v after %v", err, took)
			}
		})
	}
}

// TestDescriptorsDoNotOutliveTheirGuest lets guests open files and never close
// them.
func TestDescriptorsDoNotOutliveTheirGuest(t *testing.T) {
	r := newRig(t)
	m := asm.New()
	open := m.Import(preview1, "path_open", "iiiiillii", "i")
	m.Data(2048, "main.wasm")
	m.Alloc(1024)
	m.Handler(asm.Loop, asm.Void,
		asm.I32(3), asm.I32(0), asm.I32(2048), asm.I32(9), asm.I32(0), asm.I64(2), asm.I64(0), asm.I32(0), asm.I32(0), asm.Call(open),
		asm.I32(33), asm.I32Eq, asm.If, asm.Void, asm.I64(0), asm.Return, asm.End, // EMFILE
		asm.Br(0), asm.End, asm.I64(0))
	u := r.unit(m.Bytes(), "main.handle")
	if _, err := r.invoke(u, "x"); err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	for range 20 {
		if res, err := r.invoke(u, "x"); err != nil || res.Failure != nil {
			t.Fatalf("got %+v, %v", res.Failure, err)
		}
	}
	if after := openFiles(t); after > before+5 {
		t.Errorf("%d files are open, %d were", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// custom is a section of names, with a list in it.
func custom(id byte, list []byte) []byte {
	return append(module.AppendU32([]byte{id}, uint32(len(list))), list...)
}

// TestModulesThatDeclareMoreThanTheyHold would take the process with them: the
// engine makes room for what is declared.
func TestModulesThatDeclareMoreThanTheyHold(t *testing.T) {
	r := newRig(t)
	for id := byte(1); id <= 2; id++ {
		m := asm.New()
		m.Custom("name", custom(id, module.AppendU32(nil, 1<<32-1)))
		m.Alloc(1024)
		m.Handler(asm.I64(0))
		err := r.host.Check(context.Background(), r.unit(m.Bytes(), "main.handle"))
		if !fault.HasReason(err, fault.ReasonInvalidWasm) {
			t.Errorf("got %v", err)
		}
	}
}

func TestTracesOfLongNamesAreShort(t *testing.T) {
	m := asm.New()
	list := module.AppendU32(nil, 2)
	for i := range 2 {
		list = module.AppendU32(append(list, byte(i)), module.MaxName)
		list = append(list, bytes.Repeat([]byte{'x'}, module.MaxName)...)
	}
	m.Custom("name", custom(1, list))
	f := m.Func("i", "", "", asm.Get(0), asm.Eqz, asm.If, asm.Void, asm.Unreachable, asm.End, asm.Get(0), asm.I32(1), asm.I32Sub, asm.Call(0))
	m.Alloc(1024)
	m.Handler(asm.I32(100), asm.Call(f), asm.I64(0))
	r := newRig(t)
	res, err := r.invoke(r.unit(m.Bytes(), "main.handle"), "x")
	if err != nil || res.Failure == nil || res.Failure.Type != sandbox.FailureTrap {
		t.Fatalf("got %+v, %v", res.Failure, err)
	}
	all := len(res.Failure.Message)
	for _, frame := range res.Failure.StackTrace {
		all += len(frame)
	}
	if all > 3*maxErrorText || len(res.Failure.StackTrace) == 0 {
		t.Errorf("%d frames, %d bytes", len(res.Failure.StackTrace), all)
	}
}

func TestErrorsOfManyImportsAreShort(t *testing.T) {
	m := asm.New()
	for i := range 500 {
		m.Import("env", fmt.Sprint(i)+strings.Repeat("y", 10_000), "", "")
	}
	m.Alloc(1024)
	m.Handler(asm.I64(0))
	r := newRig(t)
	err := r.host.Check(context.Background(), r.unit(m.Bytes(), "main.handle"))
	if !fault.HasReason(err, fault.ReasonInvalidWasm) || len(err.Error()) > 10_000 || !strings.Contains(err.Error(), "480 imports more") {
		t.Errorf("got %.300v", err)
	}
}

func TestErrorObjectsTakeNoMoreThanTheirText(t *testing.T) {
	object := `{"errorMessage":"m","stackTrace":[` + strings.Repeat(`"",`, 1<<20) + `""]}`
	if n := testing.AllocsPerRun(1, func() { handled([]byte(object)) }); n > 100 {
		t.Errorf("%v objects were made of it", n)
	}
	if f := handled([]byte(object)); len(f.Message) > maxErrorText || len(f.StackTrace) != 0 {
		t.Errorf("got a message of %d bytes and %d frames", len(f.Message), len(f.StackTrace))
	}
	f := handled([]byte(`{"errorMessage":"m","errorType":"T","stackTrace":["a","b"]}`))
	if f.Message != "m" || f.Type != "T" || len(f.StackTrace) != 2 || !f.Handled {
		t.Errorf("got %+v", f)
	}
}

// FuzzLoad gives modules of all kinds to everything that sees them before they
// run. What is accepted must have been compiled, and nothing may panic.
func FuzzLoad(f *testing.F) {
	f.Add(echo())
	f.Add(cat())
	f.Add(newSnoop(1).reactor())
	f.Add(reactor(tableBomb))
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	e, err := newEngine(context.Background(), "")
	if err != nil {
		f.Fatal(err)
	}
	defer e.close(context.Background())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := module.Read(b)
		if err != nil {
			return
		}
		outlineOf(m, e)
		safe, facts, err := prepare(b, m)
		if err != nil {
			return
		}
		recipeOf(b, m, facts)
		compiled, err := e.compile(context.Background(), safe)
		if err != nil {
			if strings.Contains(err.Error(), "the compiler failed") {
				t.Logf("the compiler panicked, and was stopped: %v", err)
			}
			return
		}
		compiled.Close(context.Background())
	})
}
