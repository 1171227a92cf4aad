package guard

import "github.com/skiffhq/skiff/wasmhost/module"

func (w *writer) code() {
	b := module.AppendU32(make([]byte, 0, len(w.in)), uint32(len(w.m.Bodies)+len(w.extra)))
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

// editor changes the code of one function.
type editor struct {
	*writer
	f      *function
	looks  where
	prices []int
	local  uint32 // what is paid in advance
	loop   int    // the region of the loop that was entered last
}

// body appends one function, changed where it must be.
func (w *writer) body(out []byte, i int) []byte {
	body := w.m.Bodies[i]
	e := &editor{writer: w, f: &w.scan.functions[i], looks: w.looks[i], prices: w.prices(i), local: uint32(body.Locals)}
	out = e.locals(out, body)
	if e.looks != nowhere && !(e.f.loops && e.prices[0] <= least) {
		out = append(out, w.look(e.prices[0])...)
	}
	from := body.Instructions // what has been copied
	// The scan has walked it without a fault.
	_ = walk(w.in[:body.End], body.Instructions, func(in *instruction) {
		c := e.change(in)
		if c.before == nil && c.after == nil && !c.drop {
			return
		}
		out = append(append(out, w.in[from:in.start]...), c.before...)
		if !c.drop {
			out = append(out, w.in[in.start:in.end]...)
		}
		out = append(out, c.after...)
		from = in.end
	})
	return append(out, w.in[from:body.End]...)
}

// locals appends the declarations, with one more where a loop pays in advance.
func (e *editor) locals(out []byte, body module.Body) []byte {
	for i := range e.f.regions {
		if e.paysAhead(i) {
			r := module.NewReader(e.in[:body.End], body.Start)
			out = module.AppendU32(out, r.U32()+1)
			return append(append(out, e.in[r.Offset():body.Instructions]...), 1, module.I32)
		}
	}
	return append(out, e.in[body.Start:body.Instructions]...)
}

// change is what happens to an instruction.
type change struct {
	before, after []byte
	drop          bool
}

func (e *editor) change(in *instruction) (c change) {
	switch in.op {
	case opLoop:
		return e.enterLoop()
	case opMemoryFill:
		return change{after: index(byte(opCall), e.fill), drop: true}
	case opMemoryCopy:
		return change{after: index(byte(opCall), e.copy), drop: true}
	case opRefFunc:
		return change{after: index(globalGet, e.scan.references[in.arg]), drop: true}
	case opMemoryGrow, opMemoryInit, opTableInit, opTableCopy, opTableGrow, opTableFill:
		return change{before: e.yield()}
	case opCallIndirect:
		if e.looks == afterCalls {
			c.after = e.lookAway(price(e.f.size))
		}
	case opCall:
		if c.drop = in.arg >= e.imported; c.drop {
			c.after = index(byte(opCall), e.renumbered(in.arg))
		}
		if e.looks == afterCalls && e.longCall(in.arg) {
			c.after = append(c.after, e.lookAway(price(e.f.size))...)
		}
	}
	return c
}

// enterLoop lets a loop look at its head.
func (e *editor) enterLoop() (c change) {
	e.loop++
	if !e.paysAhead(e.loop) {
		c.after = e.look(e.prices[e.loop])
		return c
	}
	if !e.paysAhead(int(e.f.regions[e.loop].outer)) {
		c.before = e.begin(e.local)
	}
	c.after = e.turn(e.local, e.prices[e.loop])
	return c
}

// paysAhead reports whether a region is a loop that pays in advance.
func (e *editor) paysAhead(region int) bool {
	return region > 0 && !e.f.regions[region].calls && e.prices[region] <= advance/4
}

// longCall reports whether a call may take long enough, or come back from deep
// enough, to look after it.
func (e *editor) longCall(f uint32) bool {
	i := int(f) - e.m.ImportedFunctions
	return i >= 0 && (e.writer.looks[i] != nowhere || e.weights[i] > lightCall)
}
