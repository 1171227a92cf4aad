package wasmhost

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/internal/asm"
)

// Where a snoop keeps what.
const (
	snoopEvent = 1024
	eventSize  = 8
	snoopData  = 2048
)

// snoop is a guest that looks for anything that is not as at the start, and
// then leaves its mark wherever it can: in all memory, in variables, files,
// descriptors and output that is not ended. Extra finds and marks what else
// the module has; it must leave a number that is not zero where it found
// something. The first byte of the event says how it ends.
type snoop struct {
	*asm.Module
	scan, open, print, read, exit, dive int
	checks, marks                       []byte
}

func newSnoop(pages int) *snoop {
	const wasi = "wasi_snapshot_preview1"
	s := &snoop{Module: asm.New()}
	s.Min = pages
	s.open = s.Import(wasi, "path_open", "iiiiillii", "i")
	s.print = s.Import(wasi, "fd_write", "iiii", "i")
	s.read = s.Import(wasi, "fd_read", "iiii", "i")
	s.exit = s.Import(wasi, "proc_exit", "i", "")
	s.scan = s.Func("ii", "i", "",
		asm.Block, asm.Void, asm.Loop, asm.Void,
		asm.Get(0), asm.Get(1), asm.I32LtU, asm.Eqz, asm.BrIf(1),
		asm.Get(0), asm.Load32(0), asm.If, asm.Void, asm.I32(1), asm.Return, asm.End,
		asm.Get(0), asm.I32(4), asm.I32Add, asm.Set(0),
		asm.Br(0), asm.End, asm.End, asm.I32(0))
	s.dive = s.Func("i", "", "", asm.Get(0), asm.If, asm.Void, asm.Get(0), asm.I32(1), asm.I32Sub, asm.Call(s.scan+1), asm.End)
	s.Data(snoopData, "DATAsec\x00")
	s.Data(snoopData+4, "sec\x00") // over the first
	s.variable('i', asm.I32(7), nil)
	s.variable('l', asm.I64(1<<40), nil)
	s.variable('f', asm.Code(0x43, 0, 0, 0xc0, 0x3f), asm.Code(0xbc, 0xac)) // as an i64
	s.variable('d', asm.Code(0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f), asm.Code(0xbd))
	s.check(asm.Size(), asm.I32(pages), byte(0x47)) // i32.ne
	s.check(asm.I32(snoopData), asm.Load32(0), asm.I32(0x41544144), byte(0x47))
	s.check(asm.I32(snoopData), asm.Load32(4), asm.I32(0x00636573), byte(0x47))
	s.check(asm.I32(0), asm.I32(snoopEvent), asm.Call(s.scan))
	s.check(asm.I32(snoopEvent+eventSize), asm.I32(snoopData), asm.Call(s.scan))
	s.check(asm.I32(snoopData+8), asm.Size(), asm.I32(16), byte(0x74), asm.Call(s.scan))
	// A file of its own is made, and gets the first descriptor there is.
	s.check(asm.I32(4), asm.I32(0), asm.I32(snoopData+4), asm.I32(3), asm.I32(5), asm.I64(1<<6), asm.I64(0), asm.I32(0), asm.I32(0), asm.Call(s.open))
	s.check(asm.I32(0), asm.Load32(0), asm.I32(5), byte(0x47))
	return s
}

func (s *snoop) check(code ...any) {
	s.checks = append(append(s.checks, asm.Code(code...)...), asm.Code(byte(0x72))...) // i32.or
}

func (s *snoop) mark(code ...any) { s.marks = append(s.marks, asm.Code(code...)...) }

// variable adds a variable that must have its first value; bits turns what it
// holds into an i64.
func (s *snoop) variable(letter byte, init, bits []byte) {
	g := s.Global(letter, init)
	if letter == 'i' {
		s.check(asm.GlobalGet(g), init, byte(0x47))
		s.mark(asm.I32(-559038737), asm.GlobalSet(g))
		return
	}
	s.check(asm.GlobalGet(g), bits, init, bits, byte(0x52)) // i64.ne
	other := map[byte][]byte{'l': asm.I64(-1), 'f': asm.Code(0x43, 1, 2, 3, 4), 'd': asm.Code(0x44, 1, 2, 3, 4, 5, 6, 7, 8)}
	s.mark(other[letter], asm.GlobalSet(g))
}

func (s *snoop) found() []byte { return asm.Code(asm.I32(0), s.checks) }

// spoil leaves the marks, and ends as the event says.
func (s *snoop) spoil() []byte {
	mode := func(letter byte, then ...any) []byte {
		return asm.Code(asm.I32(snoopEvent), asm.Load8(0), asm.I32(int(letter)), asm.I32Eq, asm.If, asm.Void, asm.Code(then...), asm.End)
	}
	buffer := func(at, n int) []byte {
		return asm.Code(asm.I32(16), asm.I32(at), asm.Store32(0), asm.I32(16), asm.I32(n), asm.Store32(4))
	}
	return asm.Code(
		mode('g', asm.I32(3), asm.Grow(), asm.Drop),
		mode('r', asm.I32(20_000), asm.Call(s.dive)),
		buffer(snoopEvent, eventSize), asm.I32(2), asm.I32(16), asm.I32(1), asm.I32(24), asm.Call(s.print), asm.Drop, // a line without end
		buffer(snoopEvent, eventSize), asm.I32(5), asm.I32(16), asm.I32(1), asm.I32(24), asm.Call(s.print), asm.Drop, // into the file
		s.marks,
		asm.I32(0), asm.I32(0xa5), asm.I32(snoopEvent), asm.Fill(),
		asm.I32(snoopEvent+eventSize), asm.I32(0xa5), asm.Size(), asm.I32(16), byte(0x74), asm.I32(snoopEvent+eventSize), asm.I32Sub, asm.Fill(),
		mode('t', asm.Unreachable),
		mode('l', asm.Loop, asm.Void, asm.Br(0), asm.End),
		mode('x', asm.I32(3), asm.Call(s.exit)))
}

// reactor answers with its event, and with one byte of it where it found
// something.
func (s *snoop) reactor() []byte {
	s.Alloc(snoopEvent)
	s.Handler(s.found(), asm.If, asm.Void, asm.I64(snoopEvent<<32|1), asm.Return, asm.End,
		s.spoil(), asm.I64(snoopEvent<<32|eventSize))
	return s.Bytes()
}

// command does the same with its streams.
func (s *snoop) command() []byte {
	s.check(asm.I32(snoopEvent), asm.I32(snoopEvent+eventSize), asm.Call(s.scan))
	buffer := asm.Code(asm.I32(32), asm.I32(snoopEvent), asm.Store32(0), asm.I32(32), asm.I32(eventSize), asm.Store32(4))
	answer := func(n int) []byte {
		return asm.Code(buffer, asm.I32(32), asm.I32(n), asm.Store32(4), asm.I32(1), asm.I32(32), asm.I32(1), asm.I32(40), asm.Call(s.print), asm.Drop)
	}
	s.Export("_start", s.Func("", "", "i", s.found(), asm.Set(0), buffer,
		asm.I32(0), asm.I32(32), asm.I32(1), asm.I32(40), asm.Call(s.read), asm.Drop,
		asm.Get(0), asm.If, asm.Void, answer(1), asm.Return, asm.End,
		answer(eventSize), s.spoil()))
	return s.Bytes()
}

// snoops are guests that keep state in every kind of place.
func snoops(r *rig) map[string]*function.Unit {
	vector := newSnoop(1)
	v := vector.Global('v', 0xfd, 12, make([]byte, 16))
	vector.check(asm.GlobalGet(v), byte(0xfd), byte(0x53)) // v128.any_true
	vector.mark(asm.Code(0xfd, 12, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8), asm.GlobalSet(v))

	reference := newSnoop(1)
	ref := reference.Global('r', asm.RefNull())
	reference.check(asm.GlobalGet(ref), byte(0xd1), asm.Eqz)
	reference.mark(asm.RefFunc(reference.dive), asm.GlobalSet(ref))
	reference.Export("dive", reference.dive)

	table := newSnoop(1)
	table.TableMin = 2
	table.check(asm.I32(1), 0x25, 0, byte(0xd1), asm.Eqz) // table.get, ref.is_null
	table.mark(asm.I32(1), asm.RefFunc(table.dive), 0x26, 0)
	table.Export("dive", table.dive)

	grown := newSnoop(1)
	grown.TableMin = 1
	grown.check(asm.Code(0xfc, 16, 0), asm.I32(1), byte(0x47)) // table.size
	grown.mark(asm.RefNull(), asm.I32(1), asm.TableGrow(), asm.Drop)

	return map[string]*function.Unit{
		"small":         r.unit(newSnoop(1).reactor(), "main.handle"),
		"another":       r.unit(newSnoop(1).reactor(), "main.handle"),
		"larger":        r.unit(newSnoop(3).reactor(), "main.handle"),
		"command":       r.unit(newSnoop(1).command(), "main._start"),
		"large command": r.unit(newSnoop(70).command(), "main._start"),
		"vector":        r.unit(vector.reactor(), "main.handle"),
		"reference":     r.unit(reference.reactor(), "main.handle"),
		"table":         r.unit(table.reactor(), "main.handle"),
		"grown table":   r.unit(grown.reactor(), "main.handle"),
	}
}

// try runs one request and says what is wrong with its outcome.
func (r *rig) try(u *function.Unit, mode byte, n int) error {
	in, err := r.host.Start(context.Background(), u)
	if err != nil {
		return err
	}
	defer in.Stop(context.Background())
	event, within := fmt.Sprintf("%c%07d", mode, n), 20*time.Second
	if mode == 'l' {
		within = 50 * time.Millisecond
	}
	res, err := in.Invoke(context.Background(), invocation(event, within))
	for _, l := range res.Logs {
		if l.Message != event {
			return fmt.Errorf("it said %q for %q", l.Message, event)
		}
	}
	switch {
	case mode == 'l' && err != nil, err == nil && res.Failure != nil && (mode == 't' && res.Failure.Type == sandbox.FailureTrap || mode == 'x' && res.Failure.Type == sandbox.FailureExit):
		return nil
	case err != nil || res.Failure != nil:
		return fmt.Errorf("it failed: %+v, %w", res.Failure, err)
	case string(res.Payload) != event || len(res.Logs) != 1:
		return fmt.Errorf("it found something, and answered %q with %d lines", res.Payload, len(res.Logs))
	}
	return nil
}

// TestNoRequestFindsWhatAnotherLeft runs 2,000 requests that look for marks and
// leave their own, of several functions at once and with every kind of end.
func TestNoRequestFindsWhatAnotherLeft(t *testing.T) {
	r := newRig(t)
	units := snoops(r)
	var names []string
	for name, u := range units {
		for range map[bool]int{true: 1, false: 5}[name == "large command"] {
			names = append(names, name)
		}
		if err := r.try(u, 'a', 0); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range 500 {
				name, mode := names[random.IntN(len(names))], "aaaaaaaaggrrtx"[random.IntN(14)]
				if random.IntN(50) == 0 {
					mode = 'l'
				}
				if err := r.try(units[name], mode, g*1000+i); err != nil {
					t.Errorf("%s, ending by %c: %v", name, mode, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := r.try(units["small"], 'a', 9999); err != nil { // those before may have waited in vain
		t.Error(err)
	}
	if un := (*r.host.units.Load())[units["small"].Key]; len(un.idle) == 0 {
		t.Error("no sandbox waits: reuse was not tried")
	}
	for _, name := range []string{"vector", "reference", "table", "grown table"} {
		if un := (*r.host.units.Load())[units[name].Key]; len(un.idle) != 0 {
			t.Errorf("%s: a sandbox is used again whose state cannot be put back", name)
		}
	}
}
