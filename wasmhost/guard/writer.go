package guard

import "github.com/skiffhq/skiff/wasmhost/module"

// writer puts the new module together.
type writer struct {
	in      []byte
	out     []byte
	m       *module.Module
	scan    *scanned
	looks   []where
	weights []int
	err     error

	types    []module.FuncType // that are added
	extra    []helper          // functions that are added
	imported uint32            // the index of the function that is imported
	pause    uint32            // and of the helpers
	spend    uint32
	ahead    uint32
	fill     uint32
	copy     uint32
	budget   uint32 // the index of the global

	imports, globals bool // the section has been written
	variables        []export
}

// helper is a function that is added.
type helper struct {
	typ  uint32
	body []byte
}

var (
	oneNumber    = module.FuncType{Params: "\x7f"}
	threeNumbers = module.FuncType{Params: "\x7f\x7f\x7f"}
)

func newWriter(b []byte, m *module.Module, s *scanned) *writer {
	w := &writer{in: b, m: m, scan: s, imported: uint32(m.ImportedFunctions)}
	w.looks, w.weights = looks(s)
	w.budget = uint32(m.ImportedGlobals + len(m.Globals) + len(s.order))
	w.pause = w.add(w.typeOf(module.FuncType{}), w.pauseBody())
	w.spend = w.add(w.typeOf(oneNumber), w.spendBody())
	w.ahead = w.add(w.typeOf(module.FuncType{}), w.aheadBody())
	if s.fills {
		w.fill = w.add(w.typeOf(threeNumbers), w.fillBody())
	}
	if s.copies {
		w.copy = w.add(w.typeOf(threeNumbers), w.copyBody())
	}
	return w
}

// add adds a function behind all others and returns its index. The one that it
// yields by must be the first.
func (w *writer) add(typ uint32, body []byte) uint32 {
	if len(w.extra) == 0 {
		w.pause = w.renumbered(uint32(w.m.ImportedFunctions + len(w.m.Functions)))
	}
	w.extra = append(w.extra, helper{typ, body})
	return w.pause + uint32(len(w.extra)-1)
}

// typeOf returns the index of a signature, which is added where there is none.
func (w *writer) typeOf(t module.FuncType) uint32 {
	for i, known := range w.m.Types {
		if t == known {
			return uint32(i)
		}
	}
	for i, known := range w.types {
		if t == known {
			return uint32(len(w.m.Types) + i)
		}
	}
	w.types = append(w.types, t)
	return uint32(len(w.m.Types) + len(w.types) - 1)
}

// module writes all sections in their order.
func (w *writer) module() []byte {
	w.out = append(make([]byte, 0, len(w.in)+len(w.in)/4+256), w.in[:8]...)
	if _, ok := w.m.Section(module.SectionType); !ok {
		w.typeSection(module.Section{})
	}
	for _, s := range w.m.Sections {
		w.missing(s.ID)
		w.next(s)
	}
	return w.out
}

// missing writes the sections that must come before one, where the module has
// none of them.
func (w *writer) missing(before module.SectionID) {
	switch before {
	case module.SectionFunction:
		w.addImport(module.Section{})
	case module.SectionExport, module.SectionStart, module.SectionElement, module.SectionDataCount, module.SectionCode:
		w.addGlobals(module.Section{})
	}
}

// next writes a section anew.
func (w *writer) next(s module.Section) {
	switch s.ID {
	case module.SectionType:
		w.typeSection(s)
	case module.SectionImport:
		w.addImport(s)
	case module.SectionFunction:
		w.functions(s)
	case module.SectionTable:
		w.tables()
	case module.SectionGlobal:
		w.addGlobals(s)
	case module.SectionExport:
		w.exports(s)
	case module.SectionStart:
		w.start(s)
	case module.SectionElement:
		w.elements(s)
	case module.SectionCode:
		w.code()
	case module.SectionCustom:
		w.custom(s)
	default:
		w.out = append(w.out, w.in[s.Start:s.End]...)
	}
}

func (w *writer) section(id module.SectionID, contents []byte) {
	w.out = append(w.out, byte(id))
	w.out = append(module.AppendU32(w.out, uint32(len(contents))), contents...)
}

// longer begins a section that is a list with more entries than it had.
func (w *writer) longer(s module.Section, had, more int) []byte {
	b := module.AppendU32(nil, uint32(had+more))
	if s.End == 0 {
		return b
	}
	r := module.NewReader(w.in[:s.End], s.Body)
	r.U32()
	return append(b, w.in[r.Offset():s.End]...)
}

func (w *writer) typeSection(s module.Section) {
	b := w.longer(s, len(w.m.Types), len(w.types))
	for _, t := range w.types {
		b = append(b, 0x60, byte(len(t.Params)))
		b = append(append(b, t.Params...), 0)
	}
	w.section(module.SectionType, b)
}

// addImport writes the section of imports, unless it has been written, with
// one more. It comes last, so that other imports keep their indices.
func (w *writer) addImport(s module.Section) {
	if w.imports {
		return
	}
	w.imports = true
	b := w.longer(s, len(w.m.Imports), 1)
	b = appendName(appendName(b, YieldModule), YieldName)
	w.section(module.SectionImport, module.AppendU32(append(b, byte(module.Func)), w.typeOf(module.FuncType{})))
}

func appendName(b []byte, name string) []byte {
	return append(module.AppendU32(b, uint32(len(name))), name...)
}

func (w *writer) functions(s module.Section) {
	b := w.longer(s, len(w.m.Functions), len(w.extra))
	for _, h := range w.extra {
		b = module.AppendU32(b, h.typ)
	}
	w.section(s.ID, b)
}

func (w *writer) tables() {
	b := module.AppendU32(nil, uint32(len(w.m.Tables)))
	for _, t := range w.m.Tables {
		most := max(tableRoom, t.Min)
		if t.HasMax {
			most = min(most, t.Max)
		}
		b = append(b, t.Ref, 1)
		b = module.AppendU32(module.AppendU32(b, t.Min), most)
	}
	w.section(module.SectionTable, b)
}

// addGlobals writes the section of globals, unless it has been written, with
// one more for each function that a reference is taken of, and the budget.
func (w *writer) addGlobals(s module.Section) {
	if w.globals {
		return
	}
	w.globals = true
	b := module.AppendU32(nil, w.budget-uint32(w.m.ImportedGlobals)+1)
	b = append(b, w.initialisers(s)...)
	for _, f := range w.scan.order {
		b = append(b, module.FuncRef, 0)
		b = append(append(b, index(byte(opRefFunc), w.renumbered(f))...), end)
	}
	b = append(b, module.I32, 1)
	b = append(append(append(b, i32Const), signed(refill)...), end)
	w.section(module.SectionGlobal, b)
}
