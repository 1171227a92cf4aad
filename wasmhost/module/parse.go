package module

import (
	"bytes"
	"errors"
	"fmt"
)

var (
	magic     = []byte("\x00asm")
	version   = []byte{1, 0, 0, 0}
	component = []byte{0x0d, 0, 1, 0}
)

// order is where a section may stand among the others.
var order = map[SectionID]int{
	SectionType: 1, SectionImport: 2, SectionFunction: 3, SectionTable: 4, SectionMemory: 5,
	SectionGlobal: 6, SectionExport: 7, SectionStart: 8, SectionElement: 9, SectionDataCount: 10,
	SectionCode: 11, SectionData: 12,
}

// Read reads the outline of a module. The error says what is wrong in words
// for the person who built it; it is ErrComponent for a component.
func Read(b []byte) (*Module, error) {
	if err := header(b); err != nil {
		return nil, err
	}
	p := &parser{Reader: NewReader(b, len(magic)+len(version)), Module: &Module{Exports: map[string]Export{}}}
	for last := 0; p.More(); {
		last = p.section(last)
	}
	if p.Err() == nil && len(p.Functions) != len(p.Bodies) {
		p.Fail("it declares %d functions and defines %d", len(p.Functions), len(p.Bodies))
	}
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("the module is malformed or too large: %w", err)
	}
	return p.Module, p.check()
}

func header(b []byte) error {
	switch {
	case !bytes.HasPrefix(b, magic):
		return errors.New(`it is not a WebAssembly module: it does not begin with "\0asm"`)
	case len(b) < len(magic)+len(version):
		return errors.New("the module ends too early")
	}
	switch v := b[len(magic) : len(magic)+len(version)]; {
	case bytes.Equal(v, version):
		return nil
	case v[2] == component[2]: // the layer; the version before it is a draft's
		return ErrComponent
	default:
		return fmt.Errorf("its version of WebAssembly, % x, is not known", v)
	}
}

// parser reads into a Module.
type parser struct {
	*Reader
	*Module
	locals int // of the functions so far
}

// section reads one section and returns its place in the order.
func (p *parser) section(last int) int {
	s := Section{Start: p.at}
	s.ID = SectionID(p.Byte())
	size := p.U32()
	s.Body = p.at
	p.Bytes(size)
	s.End = p.at
	place, known := order[s.ID]
	switch {
	case p.err != nil:
		return last
	case s.ID == SectionCustom:
		place = last
	case !known:
		p.Fail("a section has the unknown number %d, of a feature that is not supported", s.ID)
	case place <= last:
		p.Fail("section %d is out of order or there twice", s.ID)
	}
	if len(p.Sections) == MaxSections {
		p.Fail("it has more than %d sections", MaxSections)
	}
	p.Sections = append(p.Sections, s)
	p.contents(s)
	return place
}

// contents reads a section's contents, which must fill it.
func (p *parser) contents(s Section) {
	if p.err != nil {
		return
	}
	in := &parser{Reader: NewReader(p.b[:s.End], s.Body), Module: p.Module}
	switch s.ID {
	case SectionCustom:
		in.custom()
	case SectionType:
		in.types()
	case SectionImport:
		in.imports()
	case SectionFunction:
		in.functions()
	case SectionTable:
		in.tables()
	case SectionMemory:
		in.memories()
	case SectionGlobal:
		in.globals()
	case SectionExport:
		in.exports()
	case SectionStart:
		in.HasStart = true
		in.U32()
	case SectionElement:
		in.elements()
	case SectionCode:
		in.code()
	case SectionData:
		in.data()
	case SectionDataCount:
		in.U32()
	}
	if in.err == nil && in.at != s.End {
		in.Fail("section %d is longer than its contents", s.ID)
	}
	p.err = in.err
}

func (p *parser) types() {
	n := p.Count(MaxTypes, "types")
	for range n {
		if p.Byte() != 0x60 {
			p.Fail("a type is not a function's, which needs a feature that is not supported")
			return
		}
		t := FuncType{Params: p.values("parameters")}
		t.Results = p.values("results")
		p.Types = append(p.Types, t)
	}
}

func (p *parser) values(what string) string {
	b := p.Bytes(uint32(p.Count(MaxParams, what)))
	for _, v := range b {
		if valueNames[v] == "" {
			p.Fail("a value has the unknown type %#x", v)
		}
	}
	return string(b)
}

func (p *parser) imports() {
	n := p.Count(MaxImports, "imports")
	for range n {
		im := Import{Module: p.Name()}
		im.Name = p.Name()
		im.Kind = Kind(p.Byte())
		switch im.Kind {
		case Func:
			im.Type = p.typeIndex()
			p.ImportedFunctions++
		case Table:
			p.table()
			p.ImportedTables++
		case Memory:
			p.memory()
		case Global:
			p.globalType()
			p.ImportedGlobals++
		default:
			p.Fail("an import is of the unknown kind %d", im.Kind)
		}
		p.Imports = append(p.Imports, im)
	}
}

func (p *parser) typeIndex() uint32 {
	i := p.U32()
	if p.err == nil && int(i) >= len(p.Types) {
		p.Fail("type %d does not exist", i)
	}
	return i
}

func (p *parser) functions() {
	n := p.Count(MaxFunctions, "functions")
	p.Functions = make([]uint32, n)
	for i := range p.Functions {
		p.Functions[i] = p.typeIndex()
	}
}

func (p *parser) tables() {
	n := p.Count(MaxTables, "tables")
	all := uint64(0)
	for range n {
		t := p.table()
		if all += uint64(t.Min); all > MaxElements {
			p.Fail("its tables have %d elements, %d are allowed", all, MaxElements)
		}
		p.Tables = append(p.Tables, t)
	}
}

func (p *parser) table() TableType {
	t := TableType{Ref: p.Byte()}
	if t.Ref != FuncRef && t.Ref != ExternRef {
		p.Fail("a table holds the unknown type %#x", t.Ref)
	}
	t.Limits = p.limits()
	return t
}

func (p *parser) memories() {
	n := p.Count(MaxTypes, "memories")
	for range n {
		p.Memories = append(p.Memories, p.memory())
	}
}

func (p *parser) memory() Limits {
	l := p.limits()
	if l.Min > MaxPages || l.HasMax && l.Max > MaxPages {
		p.Fail("a memory has more than %d pages", MaxPages)
	}
	return l
}

// limits reads bounds. Bit 1 is a shared memory, bit 2 one of 64-bit
// addresses.
func (p *parser) limits() (l Limits) {
	flags := p.Byte()
	switch {
	case flags&2 != 0:
		p.Fail("it uses a shared memory (threads), which is not supported: build it for a single thread")
	case flags&4 != 0:
		p.Fail("it uses 64-bit addresses (memory64), which is not supported: build it for wasm32")
	case flags > 1:
		p.Fail("limits have the unknown flags %#x", flags)
	}
	l.Min = p.U32()
	if l.HasMax = flags&1 != 0; l.HasMax {
		l.Max = p.U32()
		if p.err == nil && l.Max < l.Min {
			p.Fail("a maximum is less than its minimum")
		}
	}
	return l
}

func (p *parser) globalType() GlobalType {
	g := GlobalType{Type: p.Byte()}
	if p.err == nil && valueNames[g.Type] == "" {
		p.Fail("a global has the unknown type %#x", g.Type)
	}
	mutable := p.Byte()
	if mutable > 1 {
		p.Fail("a global is neither constant nor variable")
	}
	g.Mutable = mutable == 1
	return g
}

func (p *parser) globals() {
	n := p.Count(MaxGlobals, "globals")
	for range n {
		p.Globals = append(p.Globals, p.globalType())
		p.constant()
	}
}

// constant reads past an expression that gives a first value.
func (p *parser) constant() {
	for p.More() {
		switch op := p.Byte(); op {
		case 0x0b: // end
			return
		case 0x41: // i32.const
			p.SkipSigned(32)
		case 0x42: // i64.const
			p.SkipSigned(64)
		case 0x43: // f32.const
			p.Bytes(4)
		case 0x44: // f64.const
			p.Bytes(8)
		case 0x23, 0xd2: // global.get, ref.func
			p.U32()
		case 0xd0: // ref.null
			if t := p.Byte(); t != FuncRef && t != ExternRef {
				p.Fail("a constant is a reference of the unknown type %#x", t)
			}
		case 0xfd: // v128.const
			p.U32()
			p.Bytes(16)
		default:
			p.Fail("a constant uses the instruction %#x, which is not supported there", op)
		}
	}
	p.Fail("a constant has no end")
}

func (p *parser) data() {
	n := p.Count(MaxSegments, "data segments")
	for range n {
		var d Data
		switch flags := p.U32(); flags {
		case 0:
			d.Offset, d.Fixed = p.offset()
		case 1:
			d.Passive = true
		case 2:
			if p.U32() != 0 {
				p.Fail("a data segment names another memory than the first")
			}
			d.Offset, d.Fixed = p.offset()
		default:
			p.Fail("a data segment has the unknown flags %#x", flags)
		}
		size := p.U32()
		d.Start = p.at
		p.Bytes(size)
		d.End = p.at
		p.Data = append(p.Data, d)
	}
}

// offset reads where a segment goes, as far as that is one number.
func (p *parser) offset() (at uint32, fixed bool) {
	start := p.at
	p.constant()
	if r := NewReader(p.b[:p.at], start); r.Byte() == 0x41 {
		at = uint32(r.S32())
		return at, r.Byte() == 0x0b && r.err == nil && r.at == p.at
	}
	return 0, false
}

func (p *parser) exports() {
	n := p.Count(MaxExports, "exports")
	for range n {
		name := p.Name()
		e := Export{Kind: Kind(p.Byte())}
		e.Index = p.U32()
		if e.Kind > Global {
			p.Fail("an export is of the unknown kind %d", e.Kind)
		}
		if _, twice := p.Exports[name]; twice {
			p.Fail("it exports %.60q twice", name)
		}
		p.Exports[name] = e
	}
}

func (p *parser) code() {
	n := p.Count(MaxFunctions, "function bodies")
	p.Bodies = make([]Body, n)
	for i := range p.Bodies {
		p.Bodies[i] = p.body(i)
	}
}

func (p *parser) body(i int) Body {
	size := p.U32()
	if size > MaxBody {
		p.Fail("function %d has %d bytes, %d are allowed", i+p.ImportedFunctions, size, MaxBody)
	}
	b := Body{Start: p.at}
	p.Bytes(size)
	b.End = p.at
	if p.err == nil {
		p.at = b.Start
		b.Locals = p.localsOf(i)
		b.Instructions = p.at
		if p.at > b.End {
			p.Fail("function %d is longer than its body", i+p.ImportedFunctions)
		}
		if p.err == nil {
			p.at = b.End
		}
	}
	return b
}

func (p *parser) localsOf(i int) int {
	all := uint64(0)
	if i < len(p.Functions) {
		all = uint64(len(p.Types[p.Functions[i]].Params))
	}
	n := p.Count(MaxLocals, "declarations of locals")
	for range n {
		all += uint64(p.U32())
		if v := p.Byte(); p.err == nil && valueNames[v] == "" {
			p.Fail("a local has the unknown type %#x", v)
		}
	}
	if all > MaxLocals {
		p.Fail("function %d has %d locals, %d are allowed", i+p.ImportedFunctions, all, MaxLocals)
		return 0
	}
	if p.locals += int(all); p.locals > MaxAllLocals {
		p.Fail("its functions have more than %d locals together", MaxAllLocals)
	}
	return int(all)
}

// check looks at what only the whole module tells.
func (m *Module) check() error {
	memories := len(m.Memories)
	for _, im := range m.Imports {
		if im.Kind == Memory {
			memories++
		}
	}
	if memories > 1 {
		return fmt.Errorf("it has %d memories, one is supported", memories)
	}
	for name, e := range m.Exports {
		if e.Kind == Func && int(e.Index) >= m.ImportedFunctions+len(m.Functions) {
			return fmt.Errorf("its export %.60q is function %d, which does not exist", name, e.Index)
		}
	}
	return nil
}
