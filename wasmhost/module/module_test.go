package module_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/wasmhost/internal/asm"
	"github.com/skiffhq/skiff/wasmhost/module"
)

func rich() *asm.Module {
	m := asm.New()
	m.Custom("note", []byte("hello"))
	f := m.Import("skiff", "log", "iii", "")
	m.TableMin, m.Max = 2, 10
	m.Global('i', asm.I32(-5))
	m.Global('l', asm.I64(1<<40))
	m.Data(70000, "abc")
	m.Data(-4096, "x")
	m.Alloc(8)
	m.Handler(asm.I32(0), asm.I32(0), asm.I32(0), asm.Call(f), asm.I64(0))
	m.Elements(0, 1)
	return m
}

func TestReadsTheOutline(t *testing.T) {
	b := rich().Bytes()
	m, err := module.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := m.Exported("handle"); !ok || got.String() != "(i32, i32) -> (i64)" {
		t.Errorf("handle is %v, %v", got, ok)
	}
	if _, ok := m.Exported("nothing"); ok {
		t.Error("it exports nothing")
	}
	if got, ok := m.FuncType(0); !ok || got.String() != "(i32, i32, i32) -> ()" {
		t.Errorf("the import is %v, %v", got, ok)
	}
	if len(m.Imports) != 1 || m.Imports[0].Name != "log" || m.Imports[0].Kind != module.Func {
		t.Errorf("imports: %+v", m.Imports)
	}
	if l := m.Memories[0]; l.Min != 1 || !l.HasMax || l.Max != 10 {
		t.Errorf("memory: %+v", l)
	}
	if len(m.Globals) != 2 || !m.Globals[1].Mutable || m.Globals[1].Type != module.I64 {
		t.Errorf("globals: %+v", m.Globals)
	}
	if d := m.Data[0]; d.Offset != 70000 || !d.Fixed || string(b[d.Start:d.End]) != "abc" {
		t.Errorf("data: %+v", d)
	}
	if d := m.Data[1]; d.Offset != 1<<32-4096 {
		t.Errorf("data: %+v", d)
	}
	for _, s := range m.Sections {
		if module.SectionID(b[s.Start]) != s.ID || s.Body <= s.Start || s.End < s.Body {
			t.Errorf("section %+v begins with %d", s, b[s.Start])
		}
	}
	for i, body := range m.Bodies {
		if b[body.End-1] != asm.End || body.Instructions < body.Start {
			t.Errorf("body %d: %+v", i, body)
		}
	}
}

// section wraps contents whose length is below 128.
func section(id byte, contents ...byte) string {
	return string(append([]byte{id, byte(len(contents))}, contents...))
}

const head = "\x00asm\x01\x00\x00\x00"

func TestRefusesWhatItCannotUse(t *testing.T) {
	many := asm.New()
	for range module.MaxTypes + 1 {
		many.Type("", "")
	}
	locals := asm.New()
	locals.Raw("", "", []byte{1, 0x91, 0x4e, module.I32, asm.End}) // 10,001
	large := asm.New()
	large.Raw("", "", append(make([]byte, module.MaxBody), asm.End))
	table := asm.New()
	table.TableMin = module.MaxElements + 1
	pages := asm.New()
	pages.Min = module.MaxPages + 1
	for name, c := range map[string]struct{ code, says string }{
		"nothing":              {"", "not a WebAssembly module"},
		"something else":       {"PK\x03\x04", "not a WebAssembly module"},
		"half a header":        {"\x00asm\x01", "ends too early"},
		"a later version":      {"\x00asm\x02\x00\x00\x00", "version"},
		"a truncated section":  {head + "\x01\x05\x00", "ends too early"},
		"an unknown section":   {head + section(13, 0), "not supported"},
		"sections out of turn": {head + section(3, 0) + section(1, 0), "out of order"},
		"a section twice":      {head + section(1, 0) + section(1, 0), "there twice"},
		"trailing bytes":       {head + section(1, 0, 0), "longer than its contents"},
		"an endless number":    {head + "\x01\x80\x80\x80\x80\x80\x80", "32 bits"},
		"a number of 33 bits":  {head + "\x01\xff\xff\xff\xff\x1f", "32 bits"},
		"shared memory":        {head + section(5, 1, 3, 1, 1), "single thread"},
		"64-bit memory":        {head + section(5, 1, 4, 1), "wasm32"},
		"two memories":         {head + section(5, 2, 0, 1, 0, 1), "2 memories"},
		"max below min":        {head + section(5, 1, 1, 2, 1), "less than its minimum"},
		"a name not UTF-8":     {head + section(7, 1, 1, 0xff, 0, 0), "UTF-8"},
		"the same export":      {head + section(7, 2, 1, 'a', 2, 0, 1, 'a', 2, 0), "twice"},
		"a dangling export":    {head + section(7, 1, 1, 'a', 0, 5), "does not exist"},
		"a dangling type":      {head + section(1, 0) + section(3, 1, 4), "does not exist"},
		"an unknown type":      {head + section(1, 1, 0x60, 1, 0x11, 0), "unknown type"},
		"a struct type":        {head + section(1, 1, 0x5f, 0), "not supported"},
		"functions undefined":  {head + section(1, 1, 0x60, 0, 0) + section(3, 1, 0), "defines 0"},
		"too many types":       {string(many.Bytes()), "10001 types"},
		"too many locals":      {string(locals.Bytes()), "10001 locals"},
		"a huge function":      {string(large.Bytes()), "are allowed"},
		"a huge table":         {string(table.Bytes()), "elements"},
		"a huge memory":        {string(pages.Bytes()), "pages"},
		"a list that lies":     {head + section(1, 0x7f), "ends too early"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := module.Read([]byte(c.code))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want it to say %q", err, c.says)
			}
		})
	}
}

func TestTellsComponentsApart(t *testing.T) {
	for _, b := range []string{"\x00asm\x0d\x00\x01\x00", "\x00asm\x0a\x00\x01\x00rest"} {
		if _, err := module.Read([]byte(b)); !errors.Is(err, module.ErrComponent) {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(rich().Bytes())
	f.Add([]byte(head))
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	f.Add([]byte(head + section(5, 1, 3, 1, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := module.Read(b)
		if err != nil {
			return
		}
		for name, e := range m.Exports {
			if e.Kind == module.Func {
				if _, ok := m.Exported(name); !ok {
					t.Errorf("the export %q has no type", name)
				}
			}
		}
		for _, s := range m.Sections {
			if s.Start < 8 || s.Body < s.Start || s.End < s.Body || s.End > len(b) {
				t.Errorf("section %+v of %d bytes", s, len(b))
			}
		}
		for _, d := range m.Data {
			_ = b[d.Start:d.End]
		}
		for _, body := range m.Bodies {
			_ = b[body.Start:body.Instructions]
			_ = b[body.Instructions:body.End]
		}
	})
}
