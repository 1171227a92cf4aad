package guard

import (
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/skiffhq/skiff/wasmhost/internal/asm"
	"github.com/skiffhq/skiff/wasmhost/module"
)

const tableInit, tableSet = 0x0c, 0x26

// names is a section of names for numbered.
func names() []byte {
	b := []byte{0, 2, 1, 'm'}
	functions := []byte{3, 0, 4, 'm', 'o', 'r', 'e', 1, 3, 'o', 'n', 'e', 8, 4, 't', 'r', 'a', 'p'}
	b = append(append(b, 1, byte(len(functions))), functions...)
	return append(b, 2, 1, 0) // names of locals: none
}

// numbered names functions in all ways there are: function i gives i, and each
// place of the table holds another one, put there by another kind of segment.
func numbered() *asm.Module {
	m := asm.New()
	m.Custom("name", names())
	more := m.Import(YieldModule, "more", "i", "i")
	m.TableMin = 10
	for i := 1; i <= 6; i++ {
		m.Func("", "i", "", asm.I32(i))
	}
	typ := m.Type("", "i")
	at := func(i int) []byte { return append(asm.I32(i), asm.End) }
	ref := func(f byte) []byte { return []byte{0xd2, f, asm.End} }
	m.RawElements(asm.Code(0, at(0), 1, 1)...)
	m.RawElements(asm.Code(1, 0, 1, 2)...)
	m.RawElements(asm.Code(2, 0, at(2), 0, 1, 3)...)
	m.RawElements(asm.Code(3, 0, 1, 4)...)
	m.RawElements(asm.Code(4, at(4), 1, ref(5))...)
	m.RawElements(asm.Code(5, module.FuncRef, 2, ref(6), asm.RefNull(), asm.End)...)
	m.RawElements(asm.Code(6, 0, at(6), module.FuncRef, 1, ref(1))...)
	m.RawElements(asm.Code(7, module.FuncRef, 1, ref(2))...)
	m.Global('i', asm.I32(0))
	m.Global('r', asm.RefFunc(3))
	m.Export("through", m.Func("i", "i", "", asm.Get(0), asm.CallIndirect(typ)))
	m.Export("trap", m.Func("", "", "", asm.Unreachable))
	m.Export("imported", m.Func("", "i", "", asm.I32(7), asm.Call(more)))
	m.Export("more", more)
	m.Export("six", 6)
	m.Export("put", m.Func("", "", "",
		asm.I32(1), asm.I32(0), asm.I32(1), 0xfc, tableInit, 1, 0, // passive, of indices
		asm.I32(5), asm.I32(0), asm.I32(2), 0xfc, tableInit, 5, 0, // passive, of expressions
		asm.I32(7), asm.RefFunc(4), tableSet, 0, // declared only
		asm.I32(8), asm.RefFunc(2), tableSet, 0,
		asm.I32(9), asm.GlobalGet(1), tableSet, 0))
	m.Export("started", m.Func("", "i", "", asm.GlobalGet(0)))
	m.Start = m.Func("", "", "", asm.I32(42), asm.GlobalSet(0))
	return m
}

func TestFunctionsKeepTheirPlaces(t *testing.T) {
	b := numbered().Bytes()
	out, _ := rewrite(t, b)
	before, after := instantiate(t, b), instantiate(t, out)
	for _, name := range []string{"before", "put", "after", "imported", "six", "started", "more"} {
		if name == "before" || name == "after" {
			for i := range uint64(11) {
				if want, got := outcome(before, "through", i), outcome(after, "through", i); got != want {
					t.Errorf("%s put, place %d gives %s, gave %s", name, i, got, want)
				}
			}
			continue
		}
		args := make([]uint64, len(before.ExportedFunction(name).Definition().ParamTypes()))
		want, got := outcome(before, name, args...), outcome(after, name, args...)
		if got != want || strings.Contains(got, "error") {
			t.Errorf("%s gives %s, gave %s", name, got, want)
		}
	}
	for i, want := range []string{"[1]", "[2]", "[3]", "error", "[5]", "[6]", "error", "[4]", "[2]", "[3]"} {
		if got := outcome(after, "through", uint64(i)); !strings.Contains(got, want) {
			t.Errorf("place %d gives %s, want %s", i, got, want)
		}
	}
}

func TestNamesOfFunctionsStayRight(t *testing.T) {
	ctx := context.Background()
	out, _ := rewrite(t, numbered().Bytes())
	_, err := instantiate(t, out).ExportedFunction("trap").Call(ctx)
	if err == nil || !strings.Contains(err.Error(), "m.trap()") {
		t.Errorf("got %v", err)
	}
	b := asm.New()
	b.Custom("producers", []byte("clang"))
	b.Export("trap", b.Func("", "", "", asm.Unreachable))
	out, _ = rewrite(t, b.Bytes())
	if m, _ := module.Read(out); m.Sections[0].ID == module.SectionCustom {
		t.Error("a section that nobody reads was kept")
	}
	if _, err := instantiate(t, out).ExportedFunction("trap").Call(ctx); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("got %v", err)
	}
}

// TestNoGuestReachesWhatWasAdded is about the security boundary: a guest that
// set its budget would never yield.
func TestNoGuestReachesWhatWasAdded(t *testing.T) {
	for name, build := range map[string]func(m *asm.Module){
		"reads the budget":     func(m *asm.Module) { m.Func("", "", "", asm.GlobalGet(1), asm.Drop) },
		"sets the budget":      func(m *asm.Module) { m.Func("", "", "", asm.I32(1<<30), asm.GlobalSet(1)) },
		"exports the budget":   func(m *asm.Module) { m.ExportGlobal("b", 1); m.Func("", "", "") },
		"begins with it":       func(m *asm.Module) { m.Global('i', asm.GlobalGet(2)); m.Func("", "", "") },
		"calls a helper":       func(m *asm.Module) { m.Func("", "", "", asm.Call(1)) },
		"a reference to one":   func(m *asm.Module) { m.Func("", "", "", asm.RefFunc(1), asm.Drop) },
		"an element of one":    func(m *asm.Module) { m.TableMin = 3; m.Elements(1); m.Func("", "", "") },
		"starts with one":      func(m *asm.Module) { m.Start = m.Func("", "", "") + 1 },
		"a global of one":      func(m *asm.Module) { m.Global('r', asm.RefFunc(1)); m.Func("", "", "") },
		"unknown elements":     func(m *asm.Module) { m.RawElements(8, 0); m.Func("", "", "") },
		"elements cut short":   func(m *asm.Module) { m.RawElements(0, 0x41); m.Func("", "", "") },
		"code behind the end":  func(m *asm.Module) { m.Func("", "", "", asm.End, asm.Loop, asm.Void, asm.Br(0), asm.End) },
		"too long an encoding": func(m *asm.Module) { m.Func("", "", "", 0x24, 0x81, 0x80, 0x00) },
	} {
		t.Run(name, func(t *testing.T) {
			a := asm.New()
			a.Global('i', asm.I32(0))
			build(a)
			b := a.Bytes()
			m, err := module.Read(b)
			if err != nil {
				return // refused already
			}
			if _, _, err = Rewrite(b, m); err == nil {
				t.Error("it was rewritten")
			}
		})
	}
}

func TestModulesOfFewSections(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { r.Close(ctx) })
	head := "\x00asm\x01\x00\x00\x00"
	for name, code := range map[string]string{
		"no imports, no exports": head + "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x04\x01\x02\x00\x0b",
		"nothing":                head,
	} {
		out, _ := rewrite(t, []byte(code))
		if _, err := r.CompileModule(ctx, out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
