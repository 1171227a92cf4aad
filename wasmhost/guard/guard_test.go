package guard

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/skiffhq/skiff/wasmhost/internal/asm"
	"github.com/skiffhq/skiff/wasmhost/module"
)

func rewrite(t testing.TB, b []byte) ([]byte, Facts) {
	t.Helper()
	m, err := module.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	out, facts, err := Rewrite(b, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := module.Read(out); err != nil {
		t.Fatalf("what was rewritten cannot be read: %v", err)
	}
	return out, facts
}

func instantiate(t testing.TB, b []byte) api.Module {
	t.Helper()
	return instantiateWith(t, b, func() {})
}

func instantiateWith(t testing.TB, b []byte, onYield func()) api.Module {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { r.Close(ctx) })
	_, err := r.NewHostModuleBuilder(YieldModule).
		NewFunctionBuilder().WithFunc(onYield).Export(YieldName).
		NewFunctionBuilder().WithFunc(func(n int32) int32 { return n + 1000 }).Export("more").Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := r.InstantiateWithConfig(ctx, b, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	return mod
}

// outcome runs a function and tells what it gave.
func outcome(mod api.Module, name string, args ...uint64) string {
	res, err := mod.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil {
		what, _, _ := strings.Cut(err.Error(), "\n")
		return what
	}
	return fmt.Sprint(res)
}

// everything has one of each thing that is rewritten.
func everything() *asm.Module {
	m := asm.New()
	m.Min = 40
	m.TableMin = 3
	m.Global('i', asm.I32(7))
	m.Data(100, "some data that is not zero")
	m.Export("fill", m.Func("iii", "", "", asm.Get(0), asm.Get(1), asm.Get(2), asm.Fill()))
	m.Export("copy", m.Func("iii", "", "", asm.Get(0), asm.Get(1), asm.Get(2), asm.Copy()))
	m.Export("global", m.Func("", "i", "", asm.GlobalGet(0)))
	factorial := m.Func("i", "i", "",
		asm.Get(0), asm.Eqz, asm.If, 0x7f, asm.I32(1), 0x05, asm.Get(0), asm.Get(0), asm.I32(1), asm.I32Sub, asm.Call(3), asm.I32Mul, asm.End)
	m.Export("factorial", factorial)
	m.Elements(0, 1, factorial)
	m.Export("indirect", m.Func("i", "i", "", asm.Get(0), asm.I32(2), asm.CallIndirect(3)))
	m.Export("reference", m.Func("i", "i", "", // puts a function into the table and calls it
		asm.I32(0), asm.RefFunc(factorial), byte(0x26), byte(0), asm.Get(0), asm.I32(0), asm.CallIndirect(3)))
	m.Export("grow", m.Func("i", "i", "", asm.RefNull(), asm.Get(0), asm.TableGrow()))
	return m
}

func TestWhatAGuestComputesStaysTheSame(t *testing.T) {
	b := everything().Bytes()
	out, _ := rewrite(t, b)
	before, after := instantiate(t, b), instantiate(t, out)
	for _, c := range []struct {
		name string
		args []uint64
	}{
		{"global", nil}, {"factorial", []uint64{10}}, {"indirect", []uint64{6}}, {"reference", []uint64{5}},
		{"grow", []uint64{100}}, {"grow", []uint64{0}},
	} {
		if want, got := outcome(before, c.name, c.args...), outcome(after, c.name, c.args...); got != want {
			t.Errorf("%s%v is %s, was %s", c.name, c.args, got, want)
		}
	}
}

func TestMemoryIsFilledAndCopiedAsBefore(t *testing.T) {
	b := everything().Bytes()
	out, _ := rewrite(t, b)
	before, after := instantiate(t, b), instantiate(t, out)
	size := int(before.Memory().Size())
	random := rand.New(rand.NewPCG(1, 2))
	lengths := []int{0, 1, piece - 1, piece, piece + 1, 2 * piece, 3*piece + 17, size}
	number := func() int {
		if random.IntN(2) == 0 {
			return lengths[random.IntN(len(lengths))]
		}
		return random.IntN(size)
	}
	for i := range 300 {
		args := []uint64{uint64(number()), uint64(number()), uint64(number())}
		name := []string{"fill", "copy"}[i%2]
		if name == "copy" && i%4 == 1 { // overlapping
			args[1] = uint64(max(0, int(args[0])+random.IntN(3*piece)-piece))
		}
		fits := int(args[0]+args[2]) <= size && (name == "fill" || int(args[1]+args[2]) <= size)
		want, got := outcome(before, name, args...), outcome(after, name, args...)
		if got != want {
			t.Fatalf("%s%v is %s, was %s", name, args, got, want)
		}
		x, _ := before.Memory().Read(0, uint32(size))
		y, _ := after.Memory().Read(0, uint32(size))
		if !fits { // it trapped, and may have stopped anywhere
			copy(y, x)
		} else if !bytes.Equal(x, y) {
			t.Fatalf("%s%v left another memory", name, args)
		}
		before.Memory().Write(uint32(random.IntN(size-8)), []byte("noise"))
		copy(y, x)
	}
}

func TestTablesGetAMaximum(t *testing.T) {
	out, _ := rewrite(t, everything().Bytes())
	mod := instantiate(t, out)
	for _, c := range []struct{ by, want string }{{"1000000000", "[4294967295]"}, {"65533", "[3]"}, {"1", "[4294967295]"}} {
		var n uint64
		fmt.Sscan(c.by, &n)
		if got := outcome(mod, "grow", n); got != c.want {
			t.Errorf("growing by %s gave %s, want %s", c.by, got, c.want)
		}
	}
	large := asm.New()
	large.TableMin, large.TableMax = 70_000, 80_000
	large.Export("f", large.Func("", "", ""))
	again, _ := rewrite(t, large.Bytes())
	m, _ := module.Read(again)
	if l := m.Tables[0]; l.Min != 70_000 || l.Max != 70_000 {
		t.Errorf("a large table became %+v", l)
	}
}

func TestFindsWhatCanBePutBack(t *testing.T) {
	simple := asm.New()
	simple.Global('i', asm.I32(1))
	simple.Global('d', byte(0x44), make([]byte, 8))
	simple.Export("f", simple.Func("", "", ""))
	out, facts := rewrite(t, simple.Bytes())
	if !facts.FixedTables || !facts.FixedSegments || len(facts.Variables) != 2 {
		t.Errorf("facts: %+v", facts)
	}
	mod := instantiate(t, out)
	g, ok := mod.ExportedGlobal(facts.Variables[0]).(api.MutableGlobal)
	if !ok || g.Get() != 1 {
		t.Error("a variable is not exported")
	}
	_, facts = rewrite(t, everything().Bytes())
	if facts.FixedTables {
		t.Error("a table that changes was called fixed")
	}
	vector := asm.New()
	vector.Global('v', byte(0xfd), byte(12), make([]byte, 16))
	vector.Export("f", vector.Func("", "", ""))
	if _, facts = rewrite(t, vector.Bytes()); facts.Variables != nil {
		t.Error("a vector cannot be put back")
	}
	drops := asm.New()
	drops.Export("f", drops.Func("", "", "", byte(0xfc), byte(9), byte(0)))
	if _, facts = rewrite(t, drops.Bytes()); facts.FixedSegments {
		t.Error("a segment that is dropped was called fixed")
	}
}

func TestLooksWhereAGuestCouldRunLong(t *testing.T) {
	leaf := function{size: 10}
	heavy := function{size: largeBody + 1}
	for name, c := range map[string]struct {
		functions []function
		want      []where
	}{
		"a leaf":              {[]function{leaf}, []where{nowhere}},
		"a call":              {[]function{leaf, {size: 10, calls: []call{{callee: 0}}}}, []where{nowhere, nowhere}},
		"itself":              {[]function{{size: 10, calls: []call{{callee: 0}}}}, []where{atEntry}},
		"a circle of three":   {[]function{{size: 1, calls: []call{{callee: 1}}}, {size: 1, calls: []call{{callee: 2}}}, {size: 1, calls: []call{{callee: 0}}}}, []where{atEntry, atEntry, atEntry}},
		"through a table":     {[]function{{size: 10, indirect: true}}, []where{atEntry}},
		"much code":           {[]function{heavy}, []where{afterCalls}},
		"many calls":          {[]function{{size: 100}, {size: 100, calls: make([]call, 100)}}, []where{nowhere, atEntry}},
		"a caller of a heavy": {[]function{heavy, {size: 10, calls: []call{{callee: 0}}}}, []where{afterCalls, nowhere}},
		"not in the circle":   {[]function{{size: 1, calls: []call{{callee: 1}}}, {size: 1, calls: []call{{callee: 0}}}, {size: 1, calls: []call{{callee: 0}}}}, []where{atEntry, atEntry, nowhere}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := looks(&scanned{functions: c.functions})
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestNoChainIsLongWithoutALook checks the rule itself on random graphs: a
// function that does not look weighs little with all that it calls.
func TestNoChainIsLongWithoutALook(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		functions := make([]function, 1+random.IntN(60))
		for i := range functions {
			functions[i].size = random.IntN(300)
			for range random.IntN(6) {
				functions[i].calls = append(functions[i].calls, call{callee: uint32(random.IntN(len(functions)))})
			}
		}
		at, _ := looks(&scanned{functions: functions})
		var weigh func(i uint32, depth int) int
		weigh = func(i uint32, depth int) int {
			if depth > len(functions) {
				t.Fatal("a circle without a look")
			}
			n := functions[i].size
			for _, c := range functions[i].calls {
				if at[c.callee] == nowhere {
					n += weigh(c.callee, depth+1)
				}
			}
			return n
		}
		for i := range functions {
			if at[i] == nowhere && weigh(uint32(i), 0) > maxWeight {
				t.Fatalf("function %d weighs %d and does not look", i, weigh(uint32(i), 0))
			}
		}
	}
}

func TestRefusesWhatTakesTooLongToCompile(t *testing.T) {
	loops := func(n, locals int) []byte {
		var code []any
		for range n {
			code = append(code, asm.Loop, asm.Void, asm.I32(0), asm.BrIf(0), asm.End)
		}
		a := asm.New()
		a.Func("", "", strings.Repeat("i", locals), code...)
		return a.Bytes()
	}
	for name, c := range map[string]struct {
		code []byte
		fits bool
	}{
		"an ordinary function":       {loops(500, 500), true},
		"many branches":              {loops(7_900, 10), true},
		"too many branches":          {loops(8_100, 1), false},
		"branches with many locals":  {loops(2_000, 5_000), false},
		"locals and nothing of them": {loops(1, 9_000), true},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := module.Read(c.code)
			if err != nil {
				t.Fatal(err)
			}
			_, facts, err := Rewrite(c.code, m)
			if (err == nil) != c.fits || c.fits && facts.CompileMemory <= 0 {
				t.Errorf("got %+v, %v", facts, err)
			}
		})
	}
}

func TestRefusesInstructionsThatAreNotSupported(t *testing.T) {
	for name, c := range map[string]struct {
		code []byte
		says string
	}{
		"atomics":          {[]byte{0xfe, 0, 0, 0, asm.End}, "single thread"},
		"exceptions":       {[]byte{0x06, 0x40, asm.End}, "exceptions"},
		"tail calls":       {[]byte{0x12, 0, asm.End}, "tail calls"},
		"relaxed vectors":  {[]byte{0xfd, 0x80, 2, asm.End}, "vector"},
		"another memory":   {[]byte{0x28, 0x42, 0, 0, asm.End}, "another memory"},
		"what is unknown":  {[]byte{0xff, asm.End}, "not known"},
		"a body cut short": {[]byte{0x41}, "too early"},
		"no end":           {[]byte{0x01}, "no end"},
	} {
		t.Run(name, func(t *testing.T) {
			a := asm.New()
			a.Raw("", "", append([]byte{0}, c.code...))
			b := a.Bytes()
			m, err := module.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err = Rewrite(b, m); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want it to say %q", err, c.says)
			}
		})
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add(everything().Bytes())
	f.Add(asm.New().Bytes())
	f.Add(numbered().Bytes())
	f.Add(turning().Bytes())
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x04\x01\x02\x00\x0b"))
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	f.Cleanup(func() { r.Close(ctx) })
	valid := func(b []byte) error {
		c, err := r.CompileModule(ctx, b)
		if err == nil {
			c.Close(ctx)
		}
		return err
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := module.Read(b)
		if err != nil {
			return
		}
		out, _, err := Rewrite(b, m)
		if err != nil {
			return
		}
		if _, err := module.Read(out); err != nil {
			t.Errorf("what was rewritten cannot be read: %v", err)
		}
		if valid(b) == nil {
			if err := valid(out); err != nil {
				t.Errorf("what was rewritten is not valid any more: %v", err)
			}
		}
	})
}
