// Package module reads the outline of WebAssembly modules: what they import,
// export and ask for, and where their sections lie. It checks structure and
// bounds, so that whatever is hostile in size is refused before a compiler
// sees it.
//
// It does not validate instructions; the engine does, and knows nothing of
// any engine. Rewriting belongs to wasmhost/guard.
package module

import "errors"

// Bounds of what is read. They leave room for what compilers produce; a
// module beyond them would take minutes to compile or megabytes for each
// instance.
const (
	MaxTypes     = 10_000
	MaxFunctions = 100_000
	MaxImports   = 1_000
	MaxExports   = 10_000
	MaxGlobals   = 10_000
	MaxTables    = 16
	MaxElements  = 1 << 20 // of all tables together, at the start, and of all segments
	MaxSegments  = 100_000 // of data, and of elements
	MaxBody      = 1 << 20 // bytes of one function
	MaxLocals    = 10_000  // of one function, with its parameters
	MaxAllLocals = 4 << 20 // of all functions together
	MaxParams    = 255     // of one function, and its results
	MaxPages     = 1 << 16 // of 64 KiB
	MaxSections  = 1_000
	MaxNames     = 1 << 20  // of functions and locals, for debugging
	MaxName      = 64 << 10 // bytes of one of these
)

// PageSize is the unit of linear memory, in bytes.
const PageSize = 64 << 10

// ErrComponent is returned for a component, which is another format under the
// same magic number.
var ErrComponent = errors.New("it is a component (WASI preview 2), which cannot be run: " +
	"build a core module for WASI preview 1 instead, e.g. with --target wasm32-wasip1 or GOOS=wasip1")

// Kind tells functions, tables, memories and globals apart.
type Kind byte

// The kinds of import and export; numbers of the format.
const (
	Func Kind = iota
	Table
	Memory
	Global
)

// String returns the kind as the text format calls it.
func (k Kind) String() string {
	return [...]string{"function", "table", "memory", "global"}[k&3]
}

// Types of values; numbers of the format.
const (
	I32       = 0x7f
	I64       = 0x7e
	F32       = 0x7d
	F64       = 0x7c
	V128      = 0x7b
	FuncRef   = 0x70
	ExternRef = 0x6f
)

// FuncType is a signature, one byte a value.
type FuncType struct{ Params, Results string }

// String returns the signature as "(i32, i32) -> i64".
func (t FuncType) String() string { return "(" + names(t.Params) + ") -> (" + names(t.Results) + ")" }

func names(types string) string {
	text := ""
	for i := range len(types) {
		if i > 0 {
			text += ", "
		}
		text += valueNames[types[i]]
	}
	return text
}

var valueNames = map[byte]string{
	I32: "i32", I64: "i64", F32: "f32", F64: "f64", V128: "v128", FuncRef: "funcref", ExternRef: "externref",
}

// Import is something that a module needs.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         uint32 // of a function: its place in Types
}

// Export is something that a module offers.
type Export struct {
	Kind  Kind
	Index uint32
}

// Limits are the bounds of a memory in pages, or of a table in elements.
type Limits struct {
	Min, Max uint32
	HasMax   bool
}

// SectionID names a section; numbers of the format.
type SectionID byte

// The sections.
const (
	SectionCustom SectionID = iota
	SectionType
	SectionImport
	SectionFunction
	SectionTable
	SectionMemory
	SectionGlobal
	SectionExport
	SectionStart
	SectionElement
	SectionCode
	SectionData
	SectionDataCount
)

// Section is where a section lies in the module.
type Section struct {
	ID               SectionID
	Start, Body, End int // offsets in bytes: of the header, of the contents, behind them
}

// TableType is a table.
type TableType struct {
	Ref byte
	Limits
}

// GlobalType is a global.
type GlobalType struct {
	Type    byte
	Mutable bool
}

// Body is the code of one function.
type Body struct {
	Start, End   int // offsets in bytes: of the local declarations, behind the code
	Instructions int // offset of the first instruction
	Locals       int // with its parameters
}

// Data is bytes that are put into memory at the start.
type Data struct {
	Passive    bool // put there by an instruction, if ever
	Fixed      bool // the offset is a constant number
	Offset     uint32
	Start, End int // offsets in bytes of the module
}

// Module is the outline of a module. It is read-only once it was read.
type Module struct {
	Types     []FuncType
	Imports   []Import
	Functions []uint32 // the types of the functions it defines
	Tables    []TableType
	Memories  []Limits
	Globals   []GlobalType // that it defines
	Exports   map[string]Export
	Bodies    []Body
	Data      []Data
	Sections  []Section
	HasStart  bool
	Elements  int // entries of all element segments
	Names     int // of functions and locals, for debugging

	ImportedFunctions, ImportedGlobals, ImportedTables int
}

// FuncType returns the signature of a function by its index.
func (m *Module) FuncType(index uint32) (FuncType, bool) {
	if index < uint32(m.ImportedFunctions) {
		for _, im := range m.Imports {
			if im.Kind != Func {
				continue
			}
			if index == 0 {
				return m.Types[im.Type], true
			}
			index--
		}
	}
	if i := index - uint32(m.ImportedFunctions); int(i) < len(m.Functions) {
		return m.Types[m.Functions[i]], true
	}
	return FuncType{}, false
}

// Exported returns the signature of a function by its exported name.
func (m *Module) Exported(name string) (FuncType, bool) {
	e, ok := m.Exports[name]
	if !ok || e.Kind != Func {
		return FuncType{}, false
	}
	return m.FuncType(e.Index)
}

// Section returns where a section lies; ok is false where there is none.
func (m *Module) Section(id SectionID) (s Section, ok bool) {
	for _, s := range m.Sections {
		if s.ID == id {
			return s, true
		}
	}
	return Section{}, false
}
