package guard

import (
	"errors"

	"github.com/skiffhq/skiff/wasmhost/module"
)

// writer puts the new module together.
type writer struct {
	in    []byte
	out   []byte
	m     *module.Module
	scan  *scanned
	looks []where
	err   error

	extra      []helper // functions that are added
	fill, copy uint32   // their indices
	helperType uint32
	globals    bool // the section of globals has been written
	variables  []export
}

// helper is a function that stands for an instruction.
type helper struct{ body []byte }

var threeNumbers = module.FuncType{Params: "\x7f\x7f\x7f"}

// helpers adds the functions that the module needs. They come last, so that
// no index changes.
func (w *writer) helpers() {
	next := uint32(w.m.ImportedFunctions + len(w.m.Functions))
	if w.scan.fills {
		w.fill = next + uint32(len(w.extra))
		w.extra = append(w.extra, helper{fillBody()})
	}
	if w.scan.copies {
		w.copy = next + uint32(len(w.extra))
		w.extra = append(w.extra, helper{copyBody()})
	}
	w.helperType = uint32(len(w.m.Types))
	for i, t := range w.m.Types {
		if t == threeNumbers {
			w.helperType = uint32(i)
		}
	}
	if _, ok := w.m.Section(module.SectionType); !ok {
		w.err = errors.New("it has functions and no types")
	}
}

// module writes all sections in their order.
func (w *writer) module() []byte {
	w.out = append(make([]byte, 0, len(w.in)+len(w.in)/8+256), w.in[:8]...)
	for _, s := range w.m.Sections {
		switch s.ID {
		case module.SectionType:
			w.types(s)
		case module.SectionFunction:
			w.functions(s)
		case module.SectionTable:
			w.tables()
		case module.SectionGlobal:
			w.addGlobals(s)
		case module.SectionExport:
			w.addGlobals(module.Section{})
			w.exports(s)
		case module.SectionStart, module.SectionElement, module.SectionDataCount:
			w.addGlobals(module.Section{})
			w.same(s)
		case module.SectionCode:
			w.addGlobals(module.Section{})
			w.code()
		default:
			w.same(s)
		}
	}
	return w.out
}

func (w *writer) same(s module.Section) { w.out = append(w.out, w.in[s.Start:s.End]...) }

func (w *writer) section(id module.SectionID, contents []byte) {
	w.out = append(w.out, byte(id))
	w.out = append(module.AppendU32(w.out, uint32(len(contents))), contents...)
}

// rest returns the entries of a section that is a list, without their number.
func (w *writer) rest(s module.Section) []byte {
	r := module.NewReader(w.in[:s.End], s.Body)
	r.U32()
	return w.in[r.Offset():s.End]
}

func (w *writer) types(s module.Section) {
	if len(w.extra) == 0 || int(w.helperType) < len(w.m.Types) {
		w.same(s)
		return
	}
	b := append(module.AppendU32(nil, uint32(len(w.m.Types)+1)), w.rest(s)...)
	w.section(s.ID, append(b, 0x60, 3, module.I32, module.I32, module.I32, 0))
}

func (w *writer) functions(s module.Section) {
	b := append(module.AppendU32(nil, uint32(len(w.m.Functions)+len(w.extra))), w.rest(s)...)
	for range w.extra {
		b = module.AppendU32(b, w.helperType)
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
// one more for each function that a reference is taken of.
func (w *writer) addGlobals(s module.Section) {
	if w.globals {
		if s.End > 0 {
			w.same(s)
		}
		return
	}
	w.globals = true
	if s.End == 0 && len(w.scan.order) == 0 {
		return
	}
	b := module.AppendU32(nil, uint32(len(w.m.Globals)+len(w.scan.order)))
	if s.End > 0 {
		b = append(b, w.rest(s)...)
	}
	for _, f := range w.scan.order {
		b = append(b, module.FuncRef, 0, 0xd2)
		b = append(module.AppendU32(b, f), 0x0b)
	}
	w.section(module.SectionGlobal, b)
}

// exports adds the variables to the section of exports. A module without any
// export has no handler, so there always is one.
func (w *writer) exports(s module.Section) {
	b := append(module.AppendU32(nil, uint32(len(w.m.Exports)+len(w.variables))), w.rest(s)...)
	for _, v := range w.variables {
		b = append(module.AppendU32(b, uint32(len(v.name))), v.name...)
		b = module.AppendU32(append(b, byte(module.Global)), v.index)
	}
	w.section(s.ID, b)
}

func (w *writer) code() {
	b := module.AppendU32(nil, uint32(len(w.m.Bodies)+len(w.extra)))
	var body []byte
	for i := range w.m.Bodies {
		body = w.body(body[:0], i)
		b = append(module.AppendU32(b, uint32(len(body))), body...)
	}
	for _, h := range w.extra {
		b = append(module.AppendU32(b, uint32(len(h.body))), h.body...)
	}
	w.section(module.SectionCode, b)
}

// body appends one function, changed where it must be.
func (w *writer) body(out []byte, i int) []byte {
	body := w.m.Bodies[i]
	out = append(out, w.in[body.Start:body.Instructions]...)
	if w.looks[i] != nowhere && !w.scan.functions[i].loops {
		out = append(out, look...)
	}
	from := body.Instructions // what has been copied
	// The scan has walked it without a fault.
	_ = walk(w.in[:body.End], body.Instructions, func(in *instruction) {
		instead, keep := w.replace(i, in)
		if instead == nil {
			return
		}
		end := in.start
		if keep {
			end = in.end
		}
		out = append(append(out, w.in[from:end]...), instead...)
		from = in.end
	})
	return append(out, w.in[from:body.End]...)
}

// replace returns what stands for an instruction, or after it where it is
// kept; nil changes nothing.
func (w *writer) replace(i int, in *instruction) (instead []byte, keep bool) {
	switch in.op {
	case opMemoryFill:
		return module.AppendU32([]byte{byte(opCall)}, w.fill), false
	case opMemoryCopy:
		return module.AppendU32([]byte{byte(opCall)}, w.copy), false
	case opRefFunc:
		return module.AppendU32([]byte{0x23}, w.scan.references[in.arg]), false
	case opCallIndirect:
		if w.looks[i] == afterCalls {
			return look, true
		}
	case opCall:
		if w.looks[i] == afterCalls && w.calleeLooks(in.arg) {
			return look, true
		}
	}
	return nil, false
}

func (w *writer) calleeLooks(f uint32) bool {
	i := int64(f) - int64(w.m.ImportedFunctions)
	return i >= 0 && i < int64(len(w.looks)) && w.looks[i] != nowhere
}
