package module_test

import (
	"strings"
	"testing"

	"github.com/skiffhq/skiff/wasmhost/internal/asm"
	"github.com/skiffhq/skiff/wasmhost/module"
)

// leb is a number in LEB128.
func leb(n int) string { return string(module.AppendU32(nil, uint32(n))) }

// long wraps contents of any length.
func long(id byte, contents string) string { return string(id) + leb(len(contents)) + contents }

// named is the section of names with one subsection in it.
func named(id byte, contents string) string { return long(0, "\x04name"+long(id, contents)) }

// elements is a section of one segment.
func elements(segment string) string { return long(9, "\x01"+segment) }

const atZero = "\x41\x00\x0b" // i32.const 0

// TestRefusesCountsThatTheEngineWouldBelieve is about modules of a few bytes:
// the engine takes as much memory as they declare, which no process survives.
func TestRefusesCountsThatTheEngineWouldBelieve(t *testing.T) {
	const many = "\xff\xff\xff\xff\x0f"
	for name, c := range map[string]struct{ code, says string }{
		"elements by index":          {elements("\x00" + atZero + many), "elements"},
		"elements, passive":          {elements("\x01\x00" + many), "elements"},
		"elements of a table":        {elements("\x02\x00" + atZero + "\x00" + many), "elements"},
		"elements, declared":         {elements("\x03\x00" + many), "elements"},
		"elements by code":           {elements("\x04" + atZero + many), "elements"},
		"elements by code, passive":  {elements("\x05\x70" + many), "elements"},
		"elements by code, a table":  {elements("\x06\x00" + atZero + "\x70" + many), "elements"},
		"elements by code, declared": {elements("\x07\x70" + many), "elements"},
		"elements that are missing":  {elements("\x00" + atZero + "\x05\x00"), "too early"},
		"an unknown segment":         {elements("\x08"), "flags"},
		"an unknown kind":            {elements("\x01\x01\x00"), "kind"},
		"an unknown reference":       {elements("\x05\x64" + many), "kind"},
		"a typed null":               {elements("\x04\x41\x00\x0b\x01\xd0\x80\x0b\x0b"), "reference"},
		"function names":             {named(1, many), "names"},
		"local names of functions":   {named(2, many), "named locals"},
		"local names":                {named(2, "\x01\x00"+many), "names"},
		"a long name":                {named(0, many), "bytes"},
		"a name beyond its list":     {named(0, "\x05ab"), "too early"},
		"a list beyond its section":  {long(0, "\x04name\x01\x7f\x00"), "too early"},
		"a list with more":           {named(1, "\x00\x00"), "longer than its contents"},
		"a custom name too long":     {long(0, many), "too early"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := module.Read([]byte(head + c.code))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want it to say %q", err, c.says)
			}
		})
	}
}

func TestBoundsWhatTheEngineKeeps(t *testing.T) {
	sections := head + strings.Repeat(section(0, 1, 'x'), module.MaxSections)
	longest := named(0, leb(module.MaxName)+strings.Repeat("x", module.MaxName))
	locals := func(functions int) string {
		m := asm.New()
		for range functions {
			m.Raw("", "", []byte{1, 0x90, 0x4e, module.I32, asm.End}) // 10,000
		}
		return string(m.Bytes())
	}
	names := func(n int) string { return head + named(1, leb(n)+strings.Repeat("\x00\x00", n)) }
	segments := func(n int) string { return head + elements("\x00"+atZero+leb(n)+strings.Repeat("\x00", n)) }
	most := module.MaxAllLocals / module.MaxLocals
	for name, c := range map[string]struct{ most, over, says string }{
		"sections":         {sections, sections + section(0, 1, 'x'), "sections"},
		"the length names": {head + longest, head + named(0, leb(module.MaxName+1)+strings.Repeat("x", module.MaxName+1)), "strip"},
		"all locals":       {locals(most), locals(most + 1), "locals together"},
		"all names":        {names(module.MaxNames), names(module.MaxNames + 1), "names"},
		"all elements":     {segments(module.MaxElements), segments(module.MaxElements + 1), "elements"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := module.Read([]byte(c.most)); err != nil {
				t.Errorf("at the bound: %v", err)
			}
			if _, err := module.Read([]byte(c.over)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("over the bound: %v", err)
			}
		})
	}
}

func TestCountsElementsAndNames(t *testing.T) {
	m, err := module.Read([]byte(head +
		long(9, "\x03\x00"+atZero+"\x02\x00\x01"+"\x01\x00\x01\x00"+"\x06\x00"+atZero+"\x70\x02\xd0\x70\x0b\xd2\x00\x0b") +
		named(1, "\x02\x00\x01a\x01\x01b") + long(0, "\x04name"+long(2, "\x01\x00\x01\x00\x01l")+long(9, "anything"))))
	if err != nil || m.Elements != 5 || m.Names != 3 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestConstantsOfEveryKind(t *testing.T) {
	global := func(kind byte, init string) string { return head + long(6, "\x01"+string(kind)+"\x00"+init) }
	for name, c := range map[string]struct{ code, says string }{
		"i32":                  {global(module.I32, "\x41\x7f\x0b"), ""},
		"i64":                  {global(module.I64, "\x42\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f\x0b"), ""},
		"f32":                  {global(module.F32, "\x43abcd\x0b"), ""},
		"f64":                  {global(module.F64, "\x44abcdefgh\x0b"), ""},
		"v128":                 {global(module.V128, "\xfd\x0c0123456789abcdef\x0b"), ""},
		"a global":             {global(module.I32, "\x23\x00\x0b"), ""},
		"a reference":          {global(module.FuncRef, "\xd2\x00\x0b"), ""},
		"no reference":         {global(module.ExternRef, "\xd0\x6f\x0b"), ""},
		"a calculation":        {global(module.I32, "\x41\x01\x41\x01\x6a\x0b"), "not supported there"},
		"no end":               {global(module.I32, "\x41\x01"), "no end"},
		"a number without end": {global(module.I32, "\x41\x80\x80\x80\x80\x80\x80\x00\x0b"), "32 bits"},
		"an unknown type":      {global(0x11, "\x41\x01\x0b"), "unknown type"},
		"neither nor":          {head + long(6, "\x01\x7f\x02\x41\x00\x0b"), "neither constant nor variable"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := module.Read([]byte(c.code))
			switch {
			case c.says == "" && (err != nil || len(m.Globals) != 1):
				t.Errorf("got %+v, %v", m, err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDataSegmentsOfEveryKind(t *testing.T) {
	data := func(segment string) string { return head + section(5, 1, 0, 1) + long(11, "\x01"+segment) }
	for name, c := range map[string]struct {
		code, says     string
		passive, fixed bool
	}{
		"active":             {code: data("\x00" + atZero + "\x01x"), fixed: true},
		"active, explicit":   {code: data("\x02\x00" + atZero + "\x01x"), fixed: true},
		"passive":            {code: data("\x01\x01x"), passive: true},
		"where a global is":  {code: data("\x00\x23\x00\x0b\x01x")},
		"of two constants":   {code: data("\x00\x41\x00\x41\x00\x0b\x01x")},
		"in another memory":  {code: data("\x02\x01" + atZero + "\x01x"), says: "another memory"},
		"of an unknown kind": {code: data("\x03"), says: "unknown flags"},
		"cut short":          {code: data("\x00" + atZero + "\x05x"), says: "too early"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := module.Read([]byte(c.code))
			switch {
			case c.says != "":
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v", err)
				}
			case err != nil:
				t.Error(err)
			case m.Data[0].Passive != c.passive || m.Data[0].Fixed != c.fixed || m.Data[0].End-m.Data[0].Start != 1:
				t.Errorf("got %+v", m.Data[0])
			}
		})
	}
}

func TestImportsOfEveryKind(t *testing.T) {
	imported := func(kind string) string { return head + section(1, 1, 0x60, 0, 0) + long(2, "\x01\x01a\x01b"+kind) }
	for name, c := range map[string]struct{ code, says string }{
		"a function":          {imported("\x00\x00"), ""},
		"a table":             {imported("\x01\x70\x00\x01"), ""},
		"a memory":            {imported("\x02\x00\x01"), ""},
		"a global":            {imported("\x03\x7f\x00"), ""},
		"a tag":               {imported("\x04\x00\x00"), "unknown kind"},
		"no such type":        {imported("\x00\x01"), "does not exist"},
		"a table of numbers":  {imported("\x01\x7f\x00\x01"), "unknown type"},
		"limits of no kind":   {imported("\x02\x08\x01"), "unknown flags"},
		"two memories in all": {imported("\x02\x00\x01") + section(5, 1, 0, 1), "2 memories"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := module.Read([]byte(c.code))
			switch {
			case c.says == "" && (err != nil || len(m.Imports) != 1 || m.Imports[0].Kind.String() == ""):
				t.Errorf("got %+v, %v", m, err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestACutModuleIsNotTakenForMore cuts a module at each byte. Cuts between
// sections may leave a module.
func TestACutModuleIsNotTakenForMore(t *testing.T) {
	b := rich().Bytes()
	for n := range len(b) {
		m, err := module.Read(b[:n])
		if err == nil && (len(m.Bodies) != len(m.Functions) || n > 8 && m.Sections[len(m.Sections)-1].End != n) {
			t.Errorf("the first %d bytes are taken for a module: %+v", n, m)
		}
	}
}
