package guard

import (
	"maps"
	"slices"

	"github.com/skiffhq/skiff/wasmhost/module"
)

// The function that is imported takes a number, which moves all functions of
// the module by one. Whatever names a function is written anew here, except
// for code.

// renumbered returns the new index of a function.
func (w *writer) renumbered(f uint32) uint32 {
	if f >= w.imported {
		f++
	}
	return f
}

// renumber copies what a reader comes to.
type renumber struct {
	*writer
	*module.Reader
	b []byte // what has been written
}

func (w *writer) renumber(s module.Section) *renumber {
	return &renumber{writer: w, Reader: module.NewReader(w.in[:s.End], s.Body)}
}

// same copies what read reads.
func (r *renumber) same(read func()) {
	from := r.Offset()
	if read(); r.Err() == nil {
		r.b = append(r.b, r.in[from:r.Offset()]...)
	}
}

func (r *renumber) count(limit int, what string) (n int) {
	r.same(func() { n = r.Count(limit, what) })
	return n
}

func (r *renumber) byte() { r.same(func() { r.Byte() }) }

// function copies the index of a function.
func (r *renumber) function() {
	f := r.U32()
	if int64(f) >= int64(r.m.ImportedFunctions+len(r.m.Functions)) {
		r.Fail("it names function %d, which does not exist", f)
	}
	r.b = module.AppendU32(r.b, r.renumbered(f))
}

// constant copies an expression that gives a first value.
func (r *renumber) constant() {
	for r.More() {
		from := r.Offset()
		in := instruction{start: from}
		operands(r.Reader, &in)
		if in.op == opRefFunc {
			again := &renumber{writer: r.writer, Reader: module.NewReader(r.in[:r.Offset()], from+1), b: append(r.b, byte(opRefFunc))}
			if again.function(); again.Err() != nil {
				r.Fail("%v", again.Err())
			}
			r.b = again.b
			continue
		}
		if in.op == opGlobalGet && int64(in.arg) >= int64(r.m.ImportedGlobals+len(r.m.Globals)) {
			r.Fail("it names global %d, which does not exist", in.arg)
		}
		r.b = append(r.b, r.in[from:r.Offset()]...)
		if in.op == opEnd {
			return
		}
	}
	r.Fail("a constant has no end")
}

// done returns what was written, if all of the section was read.
func (r *renumber) done(s module.Section) []byte {
	if r.Err() == nil && r.Offset() != s.End {
		r.Fail("section %d is longer than its contents", s.ID)
	}
	if r.err == nil {
		r.err = r.Err()
	}
	return r.b
}

// initialisers returns the globals of the module.
func (w *writer) initialisers(s module.Section) []byte {
	if s.End == 0 {
		return nil
	}
	r := w.renumber(s)
	n := r.Count(module.MaxGlobals, "globals")
	for range n {
		r.byte()
		r.byte()
		r.constant()
	}
	return r.done(s)
}

// exports adds the variables to the section of exports. A module without any
// export has no handler, so there always is one.
func (w *writer) exports(s module.Section) {
	r := w.renumber(s)
	n := r.Count(module.MaxExports, "exports")
	r.b = module.AppendU32(nil, uint32(n+len(w.variables)))
	for range n {
		r.same(func() { r.Name() })
		switch kind := module.Kind(r.Byte()); kind {
		case module.Func:
			r.b = append(r.b, byte(kind))
			r.function()
		default:
			r.b = append(r.b, byte(kind))
			r.same(func() { r.other(kind) })
		}
	}
	b := r.done(s)
	for _, v := range w.variables {
		b = module.AppendU32(append(appendName(b, v.name), byte(module.Global)), v.index)
	}
	w.section(s.ID, b)
}

// other reads the index of what is exported and not a function.
func (r *renumber) other(kind module.Kind) {
	if i := r.U32(); kind == module.Global && int64(i) >= int64(r.m.ImportedGlobals+len(r.m.Globals)) {
		r.Fail("it names global %d, which does not exist", i)
	}
}

func (w *writer) start(s module.Section) {
	r := w.renumber(s)
	r.function()
	w.section(s.ID, r.done(s))
}

// elements writes the segments of elements. Bit 0 of their flags is a segment
// that is not put into a table at the start, bit 1 one that names its table or
// its kind, bit 2 one of expressions.
func (w *writer) elements(s module.Section) {
	r := w.renumber(s)
	for range r.count(module.MaxSegments, "element segments") {
		flags := r.U32()
		if flags > 7 {
			r.Fail("an element segment has the unknown flags %#x", flags)
		}
		r.b = module.AppendU32(r.b, flags)
		active := flags&1 == 0
		if active && flags&2 != 0 {
			r.same(func() { r.U32() })
		}
		if active {
			r.constant()
		}
		if flags&3 != 0 {
			r.byte() // the kind or the type of the elements
		}
		element := r.function
		if flags&4 != 0 {
			element = r.constant
		}
		for range r.count(module.MaxElements, "elements") {
			if element(); r.Err() != nil {
				break
			}
		}
	}
	w.section(s.ID, r.done(s))
}

// Subsections of the section of names.
const (
	nameOfModule    = 0
	namesOfFunction = 1
)

// custom keeps what names the module and its functions, for the frames of
// traps. Nobody reads the other sections, and names of which something is
// wrong are left out.
func (w *writer) custom(s module.Section) {
	r := w.renumber(s)
	if r.Name() != "name" || r.Err() != nil {
		return
	}
	r.b = appendName(nil, "name")
	for r.More() {
		id := r.Byte()
		contents := r.Bytes(r.U32())
		switch {
		case r.Err() != nil:
			return
		case id == namesOfFunction:
			if contents = w.names(contents); contents == nil {
				return
			}
		case id != nameOfModule:
			continue
		}
		r.b = append(module.AppendU32(append(r.b, id), uint32(len(contents))), contents...)
	}
	w.section(s.ID, r.b)
}

// names writes the names of functions, with those that were added; nil where
// they cannot be read.
func (w *writer) names(contents []byte) []byte {
	r := module.NewReader(contents, 0)
	names := map[uint32]string{}
	for range r.Count(module.MaxFunctions+module.MaxImports, "names") {
		f := r.U32()
		names[w.renumbered(f)] = r.Name()
	}
	if r.Err() != nil || r.More() {
		return nil
	}
	names[w.imported], names[w.pause] = YieldModule+"."+YieldName, YieldModule+".pause"
	b := module.AppendU32(nil, uint32(len(names)))
	for _, f := range slices.Sorted(maps.Keys(names)) {
		b = appendName(module.AppendU32(b, f), names[f])
	}
	return b
}
