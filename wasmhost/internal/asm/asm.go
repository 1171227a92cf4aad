// Package asm writes small WebAssembly modules for tests, in the binary
// format and without any check, so that broken ones can be written, too.
package asm

import "github.com/skiffhq/skiff/wasmhost/module"

// Module is a module under construction. Imports come before functions.
type Module struct {
	Min, Max     int // pages of memory; Min < 0 is no memory, Max < 0 no maximum
	TableMin     int // elements; < 0 is no table
	TableMax     int // < 0 is no maximum
	Globals      []byte
	GlobalCount  int
	Start        int // function; < 0 is none
	types        [][]byte
	imports      [][]byte
	functions    []int
	bodies       [][]byte
	exports      [][]byte
	elements     [][]byte
	data         [][]byte
	customBefore [][]byte
}

// New returns a module with one page of memory and nothing else.
func New() *Module { return &Module{Min: 1, Max: -1, TableMin: -1, TableMax: -1, Start: -1} }

var values = map[byte]byte{'i': module.I32, 'l': module.I64, 'f': module.F32, 'd': module.F64, 'v': module.V128, 'r': module.FuncRef, 'x': module.ExternRef}

func vector(items [][]byte) []byte {
	b := module.AppendU32(nil, uint32(len(items)))
	for _, item := range items {
		b = append(b, item...)
	}
	return b
}

func sized(b []byte) []byte { return append(module.AppendU32(nil, uint32(len(b))), b...) }

func types(letters string) []byte {
	b := module.AppendU32(nil, uint32(len(letters)))
	for i := range len(letters) {
		b = append(b, values[letters[i]])
	}
	return b
}

// Type adds a signature, one letter a value: i l f d v for numbers, r x for
// references. It returns its place.
func (m *Module) Type(params, results string) int {
	t := append([]byte{0x60}, types(params)...)
	m.types = append(m.types, append(t, types(results)...))
	return len(m.types) - 1
}

// Import imports a function and returns its index.
func (m *Module) Import(from, name, params, results string) int {
	im := append(sized([]byte(from)), sized([]byte(name))...)
	im = append(im, 0)
	m.imports = append(m.imports, module.AppendU32(im, uint32(m.Type(params, results))))
	return len(m.imports) - 1
}

// Func adds a function and returns its index. Locals are letters, too. The
// code is made of bytes, ints (written as one byte), byte slices; the last
// end is added.
func (m *Module) Func(params, results, locals string, code ...any) int {
	m.functions = append(m.functions, m.Type(params, results))
	body := module.AppendU32(nil, uint32(len(locals)))
	for i := range len(locals) {
		body = append(body, 1, values[locals[i]])
	}
	m.bodies = append(m.bodies, append(Code(append(body, Code(code...)...)), End))
	return len(m.imports) + len(m.functions) - 1
}

// Raw adds a function whose body is taken as it is.
func (m *Module) Raw(params, results string, body []byte) int {
	m.functions = append(m.functions, m.Type(params, results))
	m.bodies = append(m.bodies, body)
	return len(m.imports) + len(m.functions) - 1
}

// Export exports a function.
func (m *Module) Export(name string, index int) *Module {
	m.exports = append(m.exports, module.AppendU32(append(sized([]byte(name)), 0), uint32(index)))
	return m
}

// Elements puts functions into the table from its start.
func (m *Module) Elements(functions ...int) {
	b := append([]byte{0}, I32(0)...)
	b = append(b, End)
	b = module.AppendU32(b, uint32(len(functions)))
	for _, f := range functions {
		b = module.AppendU32(b, uint32(f))
	}
	m.elements = append(m.elements, b)
}

// RawElements adds a segment of elements that is taken as it is.
func (m *Module) RawElements(b ...byte) { m.elements = append(m.elements, b) }

// ExportGlobal exports a global.
func (m *Module) ExportGlobal(name string, index int) *Module {
	m.exports = append(m.exports, module.AppendU32(append(sized([]byte(name)), byte(module.Global)), uint32(index)))
	return m
}

// Global adds a variable with a first value and returns its index.
func (m *Module) Global(letter byte, init ...any) int {
	m.Globals = append(m.Globals, values[letter], 1)
	m.Globals = append(append(m.Globals, Code(init...)...), End)
	m.GlobalCount++
	return m.GlobalCount - 1
}

// Data puts bytes into memory.
func (m *Module) Data(at int, b string) {
	d := append([]byte{0}, I32(at)...)
	d = append(d, End)
	m.data = append(m.data, append(d, sized([]byte(b))...))
}

// Custom adds a custom section at the front.
func (m *Module) Custom(name string, b []byte) {
	m.customBefore = append(m.customBefore, append(sized([]byte(name)), b...))
}

func limits(least, most int) []byte {
	if most < 0 {
		return module.AppendU32([]byte{0}, uint32(least))
	}
	return module.AppendU32(module.AppendU32([]byte{1}, uint32(least)), uint32(most))
}

// Bytes returns the module.
func (m *Module) Bytes() []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id module.SectionID, contents []byte) {
		b = append(append(b, byte(id)), sized(contents)...)
	}
	for _, c := range m.customBefore {
		section(module.SectionCustom, c)
	}
	section(module.SectionType, vector(m.types))
	section(module.SectionImport, vector(m.imports))
	section(module.SectionFunction, m.functionSection())
	if m.TableMin >= 0 {
		section(module.SectionTable, append([]byte{1, module.FuncRef}, limits(m.TableMin, m.TableMax)...))
	}
	if m.Min >= 0 {
		section(module.SectionMemory, append([]byte{1}, limits(m.Min, m.Max)...))
	}
	if m.GlobalCount > 0 {
		section(module.SectionGlobal, append(module.AppendU32(nil, uint32(m.GlobalCount)), m.Globals...))
	}
	section(module.SectionExport, vector(m.exports))
	if m.Start >= 0 {
		section(module.SectionStart, module.AppendU32(nil, uint32(m.Start)))
	}
	if len(m.elements) > 0 {
		section(module.SectionElement, vector(m.elements))
	}
	bodies := make([][]byte, len(m.bodies))
	for i, body := range m.bodies {
		bodies[i] = sized(body)
	}
	section(module.SectionCode, vector(bodies))
	if len(m.data) > 0 {
		section(module.SectionData, vector(m.data))
	}
	return b
}

func (m *Module) functionSection() []byte {
	b := module.AppendU32(nil, uint32(len(m.functions)))
	for _, t := range m.functions {
		b = module.AppendU32(b, uint32(t))
	}
	return b
}
