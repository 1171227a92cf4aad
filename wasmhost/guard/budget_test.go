package guard

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/wasmhost/internal/asm"
	"github.com/skiffhq/skiff/wasmhost/module"
)

const tee, eq, and, brTable = 0x22, asm.I32Eq, 0x71, 0x0e

// down subtracts one from a local and goes on while it is not zero.
func down(local, depth int) []byte {
	return asm.Code(asm.Get(local), asm.I32(1), asm.I32Sub, tee, local, asm.BrIf(depth))
}

// turning has loops of all shapes. Each export takes how often to turn.
func turning() *asm.Module {
	m := asm.New()
	sum := asm.Code(asm.Get(1), asm.Get(0), asm.I32Add, asm.Set(1))
	add := m.Func("ii", "i", "", asm.Get(0), asm.Get(1), asm.I32Add)
	m.Export("loop", m.Func("i", "i", "i", asm.Loop, asm.Void, sum, down(0, 0), asm.End, asm.Get(1)))
	m.Export("nested", m.Func("i", "i", "ii",
		asm.Loop, asm.Void, asm.I32(3), asm.Set(2), asm.Loop, asm.Void, sum, down(2, 0), asm.End, down(0, 0), asm.End, asm.Get(1)))
	m.Export("left", m.Func("i", "i", "i", // by branches over two levels, and by return
		asm.Block, asm.Void, asm.Loop, asm.Void, asm.Loop, asm.Void, sum,
		asm.Get(0), asm.I32(5), eq, asm.BrIf(2), asm.Get(0), asm.I32(9), eq, asm.If, asm.Void, asm.Get(1), asm.Return, asm.End,
		down(0, 1), asm.End, asm.End, asm.End, asm.Get(1)))
	m.Export("chosen", m.Func("i", "i", "i",
		asm.Block, asm.Void, asm.Loop, asm.Void, sum,
		asm.Get(0), asm.I32(1), asm.I32Sub, tee, 0, brTable, 1, 1, 0, asm.End, asm.End, asm.Get(1)))
	m.Export("calls", m.Func("i", "i", "i",
		asm.Loop, asm.Void, asm.Get(1), asm.Get(0), asm.Call(add), asm.Set(1), down(0, 0), asm.End, asm.Get(1)))
	m.Export("mixed", m.Func("i", "i", "ii", // a loop without calls within one with
		asm.Loop, asm.Void, asm.I32(4), asm.Set(2), asm.Loop, asm.Void, sum, down(2, 0), asm.End,
		asm.Get(1), asm.Get(0), asm.Call(add), asm.Set(1), down(0, 0), asm.End,
		asm.I32(4), asm.Set(2), asm.Loop, asm.Void, sum, down(2, 0), asm.End, asm.Get(1)))
	m.Export("result", m.Func("i", "i", "i", asm.Loop, module.I32, sum, down(0, 0), asm.Get(1), asm.End))
	long := bytes.Repeat(asm.Code(asm.Get(1), asm.I32(1), asm.I32Add, asm.Set(1)), 14_000) // pays in full at each turn
	m.Export("long", m.Func("i", "i", "ii",
		asm.Loop, asm.Void, asm.I32(3), asm.Set(2), long, asm.Loop, asm.Void, sum, down(2, 0), asm.End, down(0, 0), asm.End, asm.Get(1)))
	fill := asm.Code(asm.I32(0), asm.Get(0), asm.I32(1000), asm.Fill())
	m.Export("fills", m.Func("i", "i", "", asm.Loop, asm.Void, fill, down(0, 0), asm.End, asm.I32(999), asm.Load8(0)))
	m.Export("grows", m.Func("i", "i", "", asm.Loop, asm.Void, asm.I32(0), asm.Grow(), asm.Drop, down(0, 0), asm.End, asm.Size()))
	recursive := add + 11
	m.Export("recursive", m.Func("i", "i", "", asm.Get(0), asm.Eqz, asm.If, module.I32, asm.I32(0), 0x05,
		asm.Get(0), asm.Get(0), asm.I32(1), asm.I32Sub, asm.Call(recursive), asm.I32Add, asm.End))
	return m
}

var shapes = []string{"loop", "nested", "left", "chosen", "calls", "mixed", "result", "long", "fills", "grows", "recursive"}

func TestLoopsComputeAsBefore(t *testing.T) {
	b := turning().Bytes()
	out, _ := rewrite(t, b)
	yields := 0
	before, after := instantiate(t, b), instantiateWith(t, out, func() { yields++ })
	for _, name := range shapes {
		for _, n := range []uint64{1, 2, 4, 5, 8, 11, 33, 100, 1500} {
			if want, got := outcome(before, name, n), outcome(after, name, n); got != want {
				t.Errorf("%s(%d) is %s, was %s", name, n, got, want)
			}
		}
	}
	if yields == 0 {
		t.Error("nothing yielded")
	}
}

// TestEveryLoopYieldsInTime counts turns between yields, however short the
// calls are by which they come about.
func TestEveryLoopYieldsInTime(t *testing.T) {
	out, _ := rewrite(t, turning().Bytes())
	yields := 0
	mod := instantiateWith(t, out, func() { yields++ })
	for _, name := range shapes {
		if name == "left" {
			continue // it ends early
		}
		for _, turns := range []int{20, 1000} {
			yields = 0
			const all = 4 * refill / least
			for range all / turns {
				if got := outcome(mod, name, uint64(turns)); !strings.HasPrefix(got, "[") {
					t.Fatalf("%s: %s", name, got)
				}
			}
			if yields < 3 {
				t.Errorf("%s(%d): %d turns, %d yields", name, turns, all, yields)
			}
		}
	}
}

func TestAYieldEndsTheGuest(t *testing.T) {
	a := asm.New()
	a.Export("forever", a.Func("", "", "", asm.Loop, asm.Void, asm.Br(0), asm.End))
	out, _ := rewrite(t, a.Bytes())
	over := errors.New("it is over")
	yields := 0
	mod := instantiateWith(t, out, func() {
		if yields++; yields == 5 {
			panic(over)
		}
	})
	if _, err := mod.ExportedFunction("forever").Call(context.Background()); !errors.Is(err, over) {
		t.Errorf("got %v", err)
	}
}

func TestPricesGrowWithTheCode(t *testing.T) {
	last := 0
	for n := 0; n <= module.MaxBody; n += 7 {
		p := price(n)
		if p < last || p < least || p > refill {
			t.Fatalf("%d bytes cost %d after %d", n, p, last)
		}
		last = p
	}
	for _, v := range []int64{0, 1, 63, 64, 127, 128, 8191, 8192, piece, refill} {
		if got, want := signed(v), asm.I32(int(v))[1:]; !bytes.Equal(got, want) {
			t.Errorf("%d is % x, want % x", v, got, want)
		}
	}
}

// TestRandomProgramsComputeAsBefore holds what was rewritten against the
// original, on functions of random blocks, loops and branches.
func TestRandomProgramsComputeAsBefore(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		p := &program{random: random}
		m := asm.New()
		leaf := m.Func("i", "i", "", asm.Get(0), asm.I32(3), asm.I32Mul)
		p.leaf = leaf
		body := p.block(0)
		m.Export("f", m.Func("i", "i", "ii", asm.I32(2000), asm.Set(2), body, asm.Get(1)))
		b := m.Bytes()
		out, _ := rewrite(t, b)
		before, after := instantiate(t, b), instantiate(t, out)
		for range 5 {
			n := uint64(random.IntN(1000))
			if want, got := outcome(before, "f", n), outcome(after, "f", n); got != want {
				t.Fatalf("f(%d) is %s, was %s:\n% x", n, got, want, b)
			}
		}
	}
}

// program writes random code over the locals 0 (argument), 1 (sum) and 2
// (turns that are left, so that it ends).
type program struct {
	random *rand.Rand
	leaf   int
}

func (p *program) block(depth int) (b []byte) {
	for range 1 + p.random.IntN(4) {
		b = append(b, p.statement(depth)...)
	}
	return b
}

func (p *program) statement(depth int) []byte {
	spend := asm.Code(asm.Get(2), asm.Eqz, asm.If, asm.Void, asm.Get(1), asm.Return, asm.End, asm.Get(2), asm.I32(1), asm.I32Sub, asm.Set(2))
	condition := asm.Code(asm.Get(1), asm.I32(1<<p.random.IntN(5)), and)
	switch kind := p.random.IntN(7); {
	case kind < 2 || depth > 4:
		return asm.Code(asm.Get(1), asm.I32(31), asm.I32Mul, asm.Get(0), asm.I32Add, asm.I32(p.random.IntN(100)), asm.I32Add, asm.Set(1))
	case kind == 2:
		return asm.Code(asm.Get(1), asm.Call(p.leaf), asm.Set(1))
	case kind == 3:
		return asm.Code(asm.Block, asm.Void, p.block(depth+1), asm.End)
	case kind == 4:
		return asm.Code(condition, asm.If, asm.Void, p.block(depth+1), 0x05, p.block(depth+1), asm.End)
	case kind == 5 && depth > 0:
		return asm.Code(spend, condition, asm.BrIf(p.random.IntN(depth)))
	}
	return asm.Code(asm.Loop, asm.Void, spend, p.block(depth+1), condition, asm.BrIf(0), asm.End)
}
