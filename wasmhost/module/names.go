package module

// Subsections of names that the engine reads; it passes over all others.
const (
	namesModule    = 0
	namesFunctions = 1
	namesLocals    = 2
)

// custom reads a section that has no meaning to the machine. Only the names
// matter: the engine makes room for as many of them as are declared, keeps
// them, and puts them into its errors.
func (p *parser) custom() {
	if p.Name() == "name" {
		for p.More() {
			p.subsection()
		}
	}
	if p.err == nil {
		p.at = len(p.b)
	}
}

// subsection reads one list of names, which must fill what it says it has.
func (p *parser) subsection() {
	id, size := p.Byte(), p.U32()
	start := p.at
	if p.Bytes(size); p.err != nil {
		return
	}
	in := &parser{Reader: NewReader(p.b[:p.at], start), Module: p.Module}
	switch id {
	case namesModule:
		in.symbol()
	case namesFunctions:
		in.symbols()
	case namesLocals:
		for range in.Count(MaxFunctions, "functions with named locals") {
			in.U32()
			in.symbols()
		}
	default:
		in.at = len(in.b)
	}
	if in.More() {
		in.Fail("a list of names is longer than its contents")
	}
	p.err = in.err
}

// symbols reads names by index.
func (p *parser) symbols() {
	n := p.Count(MaxNames-p.Names, "more names of functions and locals")
	p.Names += n
	for range n {
		p.U32()
		p.symbol()
	}
}

func (p *parser) symbol() {
	n := p.U32()
	if n > MaxName {
		p.Fail("a name has %d bytes, %d are allowed: strip the module", n, MaxName)
	}
	p.Bytes(n)
}
