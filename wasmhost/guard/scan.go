package guard

import (
	"errors"
	"fmt"

	"github.com/skiffhq/skiff/wasmhost/module"
)

// scanned is what the instructions of a module do.
type scanned struct {
	functions     []function
	references    map[uint32]uint32 // function of a ref.func → its new global
	order         []uint32          // the keys of references, in order of appearance
	fills, copies bool
	changesTables bool
	dropsSegments bool
	complexity    int // of the most complex function
}

// function is what matters of one function.
type function struct {
	size     int      // bytes of code
	branches int      // where the flow of control parts or joins, looks included
	calls    []call   // of functions of the module
	regions  []region // the code outside of loops, then each loop in order
	indirect bool     // it calls through a table
	loops    bool     // it enters a loop before anything else
}

// call is one call of a function of the module.
type call struct {
	callee uint32 // by index among the bodies
	region uint32 // where it stands
}

// region is the code of a loop, without that of the loops in it, or the code
// of a function outside of loops.
type region struct {
	size  int    // bytes of code
	outer uint32 // the region around it
	calls bool   // it, or a loop in it, calls
}

// maxReferences bounds the globals that are added.
const maxReferences = 10_000

func scan(b []byte, m *module.Module) (*scanned, error) {
	s := &scanned{functions: make([]function, len(m.Bodies)), references: map[uint32]uint32{}}
	for i, body := range m.Bodies {
		err := s.function(b, m, i)
		if err == nil {
			err = s.judge(&s.functions[i], body.Locals, m.ImportedFunctions+i)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(s.order) > maxReferences {
		return nil, errors.New("it takes references to more than 10000 functions in its code")
	}
	return s, nil
}

// function scans one function.
func (s *scanned) function(b []byte, m *module.Module, i int) error {
	body := m.Bodies[i]
	f := &s.functions[i]
	f.size = body.End - body.Instructions
	n := nesting{f: f}
	f.regions = []region{{}}
	straight := true
	var first error
	err := walk(b[:body.End], body.Instructions, func(in *instruction) {
		f.loops = f.loops || straight && in.op == opLoop
		straight = straight && in.straight()
		err := n.follow(in)
		if err == nil {
			err = s.note(f, m, in, n.region())
		}
		if first == nil && err != nil {
			first = fmt.Errorf("function %d: %w", m.ImportedFunctions+i, err)
		}
	})
	if err == nil {
		err = first
	}
	f.spread()
	return err
}

// nesting follows the blocks of a function.
type nesting struct {
	f    *function
	open []uint32 // of each open block the region that its code belongs to
	done bool
}

// region returns where the code belongs.
func (n *nesting) region() uint32 {
	if len(n.open) == 0 {
		return 0
	}
	return n.open[len(n.open)-1]
}

// follow enters and leaves blocks, and counts the instruction's bytes.
func (n *nesting) follow(in *instruction) error {
	if n.done {
		return errors.New("it has code behind its end")
	}
	switch in.op {
	case opBlock, opIf:
		n.open = append(n.open, n.region())
	case opLoop:
		n.f.regions = append(n.f.regions, region{outer: n.region()})
		n.open = append(n.open, uint32(len(n.f.regions)-1))
	case opEnd:
		if n.done = len(n.open) == 0; !n.done {
			n.open = n.open[:len(n.open)-1]
		}
	}
	n.f.regions[n.region()].size += in.end - in.start
	return nil
}

// spread tells the loops around a loop that it calls.
func (f *function) spread() {
	for i := len(f.regions) - 1; i > 0; i-- {
		if r := &f.regions[i]; r.calls {
			f.regions[r.outer].calls = true
		}
	}
}

// judge refuses a function that would cost the compiler too much.
func (s *scanned) judge(f *function, locals, index int) error {
	complexity := f.branches * locals
	if f.size > largeBody { // which looks after its calls
		complexity += len(f.calls) * locals
	}
	if f.branches > maxBranches || complexity > maxComplexity {
		return fmt.Errorf("function %d has %d branches and %d locals, which would take too long to compile: make it smaller",
			index, f.branches, locals)
	}
	s.complexity = max(s.complexity, complexity)
	return nil
}

// note remembers what an instruction does. It refuses indices that do not
// exist, as they may after functions and globals were added.
func (s *scanned) note(f *function, m *module.Module, in *instruction, at uint32) error {
	f.branches += in.branches
	switch in.op {
	case opCall, opRefFunc:
		if int64(in.arg) >= int64(m.ImportedFunctions+len(m.Bodies)) {
			return fmt.Errorf("it names function %d, which does not exist", in.arg)
		}
	case opGlobalGet, opGlobalSet:
		if int64(in.arg) >= int64(m.ImportedGlobals+len(m.Globals)) {
			return fmt.Errorf("it names global %d, which does not exist", in.arg)
		}
	}
	switch in.op {
	case opCall:
		f.regions[at].calls = true
		if i := int(in.arg) - m.ImportedFunctions; i >= 0 {
			f.calls = append(f.calls, call{uint32(i), at})
		}
	case opCallIndirect:
		f.regions[at].calls = true
		f.indirect = true
	case opRefFunc:
		if _, known := s.references[in.arg]; !known {
			s.references[in.arg] = uint32(m.ImportedGlobals + len(m.Globals) + len(s.order))
			s.order = append(s.order, in.arg)
		}
	case opMemoryFill:
		s.fills = true
	case opMemoryCopy:
		s.copies = true
	case opTableSet, opTableInit, opTableCopy, opTableGrow, opTableFill:
		s.changesTables = true
	case opDataDrop, opElemDrop:
		s.dropsSegments = true
	}
	return nil
}
