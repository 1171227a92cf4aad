package module

// Bits of an element segment's flags.
const (
	elementPassive  = 1 // or declared only, with the next
	elementExplicit = 2 // it names its table
	elementByCode   = 4 // its entries are expressions
)

// elements reads the segments of elements: the engine makes room for as many
// entries as they declare.
func (p *parser) elements() {
	n := p.Count(MaxSegments, "element segments")
	for range n {
		if p.element(); p.err != nil {
			return
		}
	}
}

func (p *parser) element() {
	flags := p.U32()
	if flags > elementPassive|elementExplicit|elementByCode {
		p.Fail("an element segment has the unknown flags %#x", flags)
		return
	}
	if flags&elementPassive == 0 {
		if flags&elementExplicit != 0 {
			p.U32()
		}
		p.constant()
	}
	byCode := flags&elementByCode != 0
	if flags&(elementPassive|elementExplicit) != 0 {
		p.elementKind(byCode)
	}
	n := p.Count(MaxElements-p.Elements, "more elements in its segments")
	p.Elements += n
	for range n {
		if byCode {
			p.constant()
		} else {
			p.U32()
		}
	}
}

// elementKind reads what a segment's entries are.
func (p *parser) elementKind(byCode bool) {
	switch kind := p.Byte(); {
	case p.err != nil:
	case byCode && kind != FuncRef && kind != ExternRef, !byCode && kind != 0:
		p.Fail("an element segment has entries of the unknown kind %#x", kind)
	}
}
