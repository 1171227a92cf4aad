package wasmhost

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/internal/asm"
)

// reactor returns a module with a handler of the given code, after fn has put
// into it what the code needs.
func reactor(code func(m *asm.Module) []byte) []byte {
	m := asm.New()
	body := code(m)
	m.Alloc(1024)
	m.Handler(body)
	return m.Bytes()
}

func instructions(parts ...any) func(*asm.Module) []byte {
	return func(*asm.Module) []byte { return asm.Code(parts...) }
}

// callBomb calls 2^levels functions without a loop.
func callBomb(m *asm.Module) []byte {
	f := m.Func("", "", "")
	for range 64 {
		f = m.Func("", "", "", asm.Call(f), asm.Call(f))
	}
	return asm.Code(asm.Call(f), asm.I64(0))
}

// tableBomb does the same through a table, which no graph of calls shows.
func tableBomb(m *asm.Module) []byte {
	typ := m.Type("", "")
	all := []int{m.Func("", "", "")}
	for i := range 64 {
		all = append(all, m.Func("", "", "", asm.I32(i), asm.CallIndirect(typ), asm.I32(i), asm.CallIndirect(typ)))
	}
	m.TableMin = len(all)
	m.Elements(all...)
	return asm.Code(asm.Call(all[64]), asm.I64(0))
}

// unwinding recurses deeply and then returns through much code.
func unwinding(m *asm.Module) []byte {
	var much []any
	for range 100_000 {
		much = append(much, asm.GlobalGet(0), asm.I32(1), asm.I32Add, asm.GlobalSet(0))
	}
	m.Global('i', asm.I32(0))
	f := m.Func("i", "", "", asm.Get(0), asm.If, asm.Void, asm.Get(0), asm.I32(1), asm.I32Sub, asm.Call(0), asm.End, asm.Code(much...))
	return asm.Code(asm.I32(500_000), asm.Call(f), asm.I64(0))
}

// fillBomb fills much memory again and again, without a loop.
func fillBomb(m *asm.Module) []byte {
	code := asm.Code(asm.I32(2047), asm.Grow(), asm.Drop)
	for range 5000 {
		code = append(code, asm.Code(asm.I32(0), asm.I32(1), asm.I32(2000<<16), asm.Fill())...)
		code = append(code, asm.Code(asm.I32(64), asm.I32(0), asm.I32(1900<<16), asm.Copy())...)
	}
	return append(code, asm.I64(0)...)
}

func TestGuestsEndAtTheirDeadline(t *testing.T) {
	r := newRig(t)
	other := r.unit(echo(), "main.handle")
	for name, code := range map[string]func(*asm.Module) []byte{
		"loop":                          instructions(asm.Loop, asm.Void, asm.Br(0), asm.End, asm.I64(0)),
		"calls without a loop":          callBomb,
		"calls through a table":         tableBomb,
		"the way back from a recursion": unwinding,
		"filling and copying of memory": fillBomb,
		"references to functions": func(m *asm.Module) []byte {
			f := m.Func("", "", "")
			m.Export("f", f)
			return asm.Code(asm.Loop, asm.Void, asm.RefFunc(f), asm.Drop, asm.Br(0), asm.End, asm.I64(0))
		},
		"growing a memory that is large": instructions(asm.Loop, asm.Void, asm.I32(1), asm.Grow(), asm.Drop, asm.Br(0), asm.End, asm.I64(0)),
		"calls of the host that take long": func(m *asm.Module) []byte {
			random := m.Import("wasi_snapshot_preview1", "random_get", "ii", "i")
			return asm.Code(asm.I32(1000), asm.Grow(), asm.Drop,
				asm.Loop, asm.Void, asm.I32(0), asm.I32(1000<<16), asm.Call(random), asm.Drop, asm.Br(0), asm.End, asm.I64(0))
		},
		"calls of the host that are short": func(m *asm.Module) []byte {
			say := m.Import("skiff", "log", "iii", "")
			return asm.Code(asm.Loop, asm.Void, asm.I32(0), asm.I32(0), asm.I32(1), asm.Call(say), asm.Br(0), asm.End, asm.I64(0))
		},
		"short loops, called again and again": func(m *asm.Module) []byte {
			f := m.Func("", "", "i", asm.I32(3), asm.Set(0), asm.Loop, asm.Void, asm.Get(0), asm.I32(1), asm.I32Sub, byte(0x22), byte(0), asm.BrIf(0), asm.End)
			return asm.Code(asm.Loop, asm.Void, asm.Call(f), asm.Br(0), asm.End, asm.I64(0))
		},
		"a loop of much code": func(m *asm.Module) []byte {
			var much []any
			for range 50_000 {
				much = append(much, asm.Get(2), asm.I32(1), asm.I32Add, asm.Set(2))
			}
			return asm.Code(asm.Loop, asm.Void, asm.Code(much...), asm.Br(0), asm.End, asm.I64(0))
		},
		"growing a table": func(m *asm.Module) []byte {
			m.TableMin = 1
			return asm.Code(asm.Loop, asm.Void, asm.RefNull(), asm.I32(1000), asm.TableGrow(), asm.Drop, asm.Br(0), asm.End, asm.I64(0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := r.unit(reactor(code), "main.handle")
			in := r.start(u)
			defer in.Stop(context.Background())
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			_, err := in.Invoke(context.Background(), invocation("x", 300*time.Millisecond))
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			if !fault.Is(err, fault.Timeout) {
				t.Errorf("got %v, want a timeout", err)
			}
			if took > 5*time.Second {
				t.Errorf("it took %v to end", took)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
				t.Errorf("the guest made the host take %d bytes", n)
			}
			if res, err := r.invoke(other, "x"); err != nil || string(res.Payload) != "x" {
				t.Errorf("afterwards: %+v, %v", res, err)
			}
		})
	}
}

func TestGuestsFailAlone(t *testing.T) {
	r := newRig(t)
	divide := byte(0x6d)
	for _, c := range []struct {
		name string
		code func(*asm.Module) []byte
		want string
		says string
	}{
		{"unreachable", instructions(asm.Unreachable), sandbox.FailureTrap, "unreachable"},
		{"division by zero", instructions(asm.I32(1), asm.I32(0), divide, asm.Drop, asm.I64(0)), sandbox.FailureTrap, "divide by zero"},
		{"outside of memory", instructions(asm.I32(-1), asm.Load8(0), asm.Drop, asm.I64(0)), sandbox.FailureTrap, "out of bounds"},
		{"filling outside of memory", instructions(asm.I32(0), asm.I32(1), asm.I32(-1), asm.Fill(), asm.I64(0)), sandbox.FailureTrap, "out of bounds"},
		{"no function in the table", func(m *asm.Module) []byte {
			m.TableMin = 1
			return asm.Code(asm.I32(0), asm.CallIndirect(m.Type("", "")), asm.I64(0))
		}, sandbox.FailureTrap, "table"},
		{"endless recursion", func(m *asm.Module) []byte {
			return asm.Code(asm.Call(m.Func("", "", "", asm.Call(0))), asm.I64(0))
		}, sandbox.FailureStack, "stack"},
		{"a trap for want of memory", instructions(asm.I32(65000), asm.Grow(), asm.I32(-1), asm.I32Eq, asm.If, asm.Void, asm.Unreachable, asm.End, asm.I64(0)),
			sandbox.FailureOutOfMemory, "256 MiB"},
		{"an exit", func(m *asm.Module) []byte {
			return asm.Code(asm.I32(9), asm.Call(m.Import("wasi_snapshot_preview1", "proc_exit", "i", "")), asm.I64(0))
		}, sandbox.FailureExit, "code 9"},
		{"an exit with success", func(m *asm.Module) []byte {
			return asm.Code(asm.I32(0), asm.Call(m.Import("wasi_snapshot_preview1", "proc_exit", "i", "")), asm.I64(0))
		}, sandbox.FailureExit, "code 0"},
		{"an exit with the engine's own number", func(m *asm.Module) []byte {
			return asm.Code(asm.I32(-1), asm.Call(m.Import("wasi_snapshot_preview1", "proc_exit", "i", "")), asm.I64(0))
		}, sandbox.FailureExit, "code 4294967295"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := r.unit(reactor(c.code), "main.handle")
			u.Isolation = function.IsolationInstance
			in := r.start(u)
			defer in.Stop(context.Background())
			res, err := in.Invoke(context.Background(), invocation("x", 20*time.Second))
			if err != nil || res.Failure == nil {
				t.Fatalf("got %+v, %v", res, err)
			}
			if f := res.Failure; f.Type != c.want || !strings.Contains(f.Message, c.says) || f.Handled {
				t.Errorf("got %+v, want %s with %q", *f, c.want, c.says)
			}
			if in.Reusable() {
				t.Error("the instance is reusable")
			}
		})
	}
}

func TestTrapsComeWithTheirFrames(t *testing.T) {
	r := newRig(t)
	res, err := r.invoke(r.unit(reactor(func(m *asm.Module) []byte {
		return asm.Code(asm.Call(m.Func("", "", "", asm.Unreachable)), asm.I64(0))
	}), "main.handle"), "x")
	if err != nil || res.Failure == nil || len(res.Failure.StackTrace) != 2 || !strings.Contains(res.Failure.StackTrace[1], "(i32,i32) i64") {
		t.Errorf("got %+v, %v", res.Failure, err)
	}
}

func TestGrowingBeyondTheLimitIsRefusedAndSurvivable(t *testing.T) {
	r := newRig(t)
	grow := func(m *asm.Module) []byte { // answers with nothing where growing fails
		return asm.Code(asm.I32(4096), asm.Grow(), asm.I32(-1), asm.I32Eq, asm.If, asm.Void, asm.I64(0), asm.Return, asm.End, asm.Unreachable)
	}
	res, err := r.invoke(r.unit(reactor(grow), "main.handle"), "x")
	if err != nil || res.Failure != nil || len(res.Payload) != 0 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestTablesDoNotGrowForEver(t *testing.T) {
	r := newRig(t)
	res, err := r.invoke(r.unit(reactor(func(m *asm.Module) []byte {
		m.TableMin = 1
		return asm.Code(asm.RefNull(), asm.I32(1<<30), asm.TableGrow(), asm.I32(-1), asm.I32Eq, asm.If, asm.Void, asm.I64(0), asm.Return, asm.End, asm.Unreachable)
	}), "main.handle"), "x")
	if err != nil || res.Failure != nil {
		t.Errorf("got %+v, %v", res.Failure, err)
	}
}

func TestAnswersThatCannotBeUsed(t *testing.T) {
	r := newRig(t)
	for name, code := range map[string]func(*asm.Module) []byte{
		"outside of memory": instructions(asm.I64(0x7fffffff<<32 | 100)),
		"across its end":    instructions(asm.I64(65530<<32 | 100)),
		"too long":          instructions(asm.I64(sandbox.MaxPayload + 1)),
		"a long error":      instructions(asm.I64(1<<31 | sandbox.MaxPayload + 1)),
	} {
		t.Run(name, func(t *testing.T) {
			res, err := r.invoke(r.unit(reactor(code), "main.handle"), "x")
			if !fault.HasReason(err, fault.ReasonResponseInvalid) || fault.ClassOf(err) != fault.InitFailed {
				t.Errorf("got %+v, %v", res, err)
			}
		})
	}
}

func TestEventsThatFindNoRoom(t *testing.T) {
	r := newRig(t)
	for name, at := range map[string]int{"none given": 0, "outside of memory": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			m := asm.New()
			m.Alloc(at)
			m.Handler(asm.I64(0))
			res, err := r.invoke(r.unit(m.Bytes(), "main.handle"), "x")
			if err != nil || res.Failure == nil || res.Failure.Type != sandbox.FailureTrap || !strings.Contains(res.Failure.Message, "skiff_alloc") {
				t.Errorf("got %+v, %v", res.Failure, err)
			}
		})
	}
}

func TestStartUpThatFails(t *testing.T) {
	r := newRig(t)
	initialize := func(code ...any) []byte {
		m := asm.New()
		m.Alloc(8)
		m.Handler(asm.I64(0))
		m.Export("_initialize", m.Func("", "", "", code...))
		return m.Bytes()
	}
	startSection := asm.New()
	startSection.Alloc(8)
	startSection.Handler(asm.I64(0))
	startSection.Start = startSection.Func("", "", "", asm.Unreachable)
	for name, code := range map[string][]byte{"in _initialize": initialize(asm.Unreachable), "in the start section": startSection.Bytes()} {
		t.Run(name, func(t *testing.T) {
			_, err := r.host.Start(context.Background(), r.unit(code, "main.handle"))
			if !fault.Is(err, fault.InitFailed) || !strings.Contains(err.Error(), "unreachable") {
				t.Errorf("got %v", err)
			}
		})
	}
	endless := asm.New()
	endless.Alloc(8)
	endless.Handler(asm.I64(0))
	endless.Start = endless.Func("", "", "", asm.Loop, asm.Void, asm.Br(0), asm.End)
	for name, code := range map[string][]byte{
		"by taking for ever":                      initialize(asm.Loop, asm.Void, asm.Br(0), asm.End),
		"by taking for ever in the start section": endless.Bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			_, err := r.host.Start(ctx, r.unit(code, "main.handle"))
			if !fault.Is(err, fault.Timeout) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestNoRequestSeesTheMemoryOfAnother is about the security boundary: guests
// fill all memory they can get, at sizes around the one where zeroing changes
// its way, and the next guest looks for what they left.
func TestNoRequestSeesTheMemoryOfAnother(t *testing.T) {
	r := newRig(t)
	fill := func(pages int) []byte {
		return reactor(instructions(asm.I32(pages), asm.Grow(), asm.Drop,
			asm.I32(0), asm.I32(0xa5), asm.Size(), asm.I32(16), byte(0x74), asm.Fill(), asm.I64(0)))
	}
	// look answers with nothing, or traps where any byte of so many pages is set.
	look := func(pages int) []byte {
		return reactor(instructions(asm.I32(pages), asm.Grow(), asm.Drop,
			asm.I32(0), asm.I32(0), asm.Store8(1024), // the event
			asm.Loop, asm.Void,
			asm.Get(2), asm.Load32(0), asm.If, asm.Void, asm.Unreachable, asm.End,
			asm.Get(2), asm.I32(4), asm.I32Add, asm.Set(2),
			asm.Get(2), asm.Size(), asm.I32(16), byte(0x74), asm.I32LtU, asm.BrIf(0),
			asm.End, asm.I64(0)))
	}
	sizes := []int{1, 14, 15, 16, 17, 64}
	for _, pages := range sizes {
		for range 3 {
			if _, err := r.invoke(r.unit(fill(pages), "main.handle"), ""); err != nil {
				t.Fatal(err)
			}
			for _, n := range sizes {
				res, err := r.invoke(r.unit(look(n), "main.handle"), "")
				if err != nil || res.Failure != nil {
					t.Fatalf("after %d pages were filled a guest of %d pages found something: %+v, %v", pages, n, res.Failure, err)
				}
			}
		}
	}
}

// TestGuestsInALoopLetTheCollectorIn is about the world, which stops for a
// collection only when every guest lets it.
func TestGuestsInALoopLetTheCollectorIn(t *testing.T) {
	r := newRig(t)
	u := r.unit(reactor(instructions(asm.Loop, asm.Void, asm.Br(0), asm.End, asm.I64(0))), "main.handle")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	const guests = 3 // more than there may be cores
	for range guests {
		in := r.start(u)
		go func() {
			_, err := in.Invoke(ctx, invocation("x", time.Minute))
			in.Stop(context.Background())
			ended <- err
		}()
	}
	for range 10 {
		runtime.GC()
	}
	cancel()
	for range guests {
		if err := <-ended; fault.ClassOf(err) != fault.Canceled {
			t.Errorf("got %v", err)
		}
	}
}
