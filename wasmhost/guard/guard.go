// Package guard rewrites modules so that no guest can do what the engine
// would let it do to the process: run for long without looking whether it was
// interrupted, or take memory of the host that nobody counts.
//
// With interruption compiled in, the engine looks at the head of every loop
// and nowhere else. So
//
//   - functions that could take long without a loop, by calling one another,
//     get an empty loop at their entry, and large ones after their calls;
//   - filling and copying of memory is done in pieces, with a look between;
//   - tables get a maximum: the engine grows them on the Go heap;
//   - ref.func is replaced by a constant global, because the engine takes new
//     memory each time it is executed.
//
// What a guest computes is not changed. It does not know any engine's API.
package guard

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/skiffhq/skiff/wasmhost/module"
)

const (
	// maxWeight is how many bytes of code may run, callees included, between
	// the entry of a function and its end without a look.
	maxWeight = 4 << 10

	// tableRoom is how many elements a table may have if it did not start with
	// more.
	tableRoom = 64 << 10

	// piece is how many bytes of memory are filled or copied at once.
	piece = 256 << 10
)

// look is an empty loop. It leaves the operands alone, so that it may stand
// between any two instructions.
var look = []byte{0x03, 0x40, 0x0b}

// Facts are what was found out about a module on the way.
type Facts struct {
	// FixedTables reports that no instruction changes a table.
	FixedTables bool
	// FixedSegments reports that no instruction drops a segment of data or of
	// elements.
	FixedSegments bool
	// Variables are the names under which all variables of the module are
	// exported, so that the host can put them back; nil where that is not
	// possible.
	Variables []string
	// CompileMemory is about how much the engine's compiler may need for one
	// function of the module, in bytes.
	CompileMemory int64
}

// Bounds of what a function may cost the engine's compiler, which takes time
// with the square of the branches, and time and memory with the branches times
// the locals. Without them a module of 250 kB was seen to take 40 s and 3 GB.
const (
	maxBranches    = 32_000
	maxComplexity  = 4 << 20 // branches × locals
	complexityCost = 256     // bytes of memory for each of these
)

// Rewrite returns a module that behaves as b, whose outline is m, and can be
// interrupted. It fails for code that is malformed or uses instructions that
// are not supported; what it lets pass may still be invalid.
func Rewrite(b []byte, m *module.Module) ([]byte, Facts, error) {
	if len(m.Bodies) == 0 {
		return b, Facts{FixedTables: true, FixedSegments: true}, nil
	}
	s, err := scan(b, m)
	if err != nil {
		return nil, Facts{}, err
	}
	w := &writer{in: b, m: m, scan: s, looks: looks(s, m)}
	if w.helpers(); w.err != nil {
		return nil, Facts{}, w.err
	}
	facts := Facts{
		FixedTables: !s.changesTables, FixedSegments: !s.dropsSegments,
		Variables: w.nameVariables(), CompileMemory: int64(s.complexity) * complexityCost,
	}
	return w.module(), facts, nil
}

// maxVariables bounds the exports that are added.
const maxVariables = 64

// nameVariables chooses the names of exported variables. A variable that the
// engine's API cannot set, and too many of them, leave none.
func (w *writer) nameVariables() []string {
	names := []string{}
	for i, g := range w.m.Globals {
		if !g.Mutable {
			continue
		}
		name := "\x00skiff:" + strconv.Itoa(w.m.ImportedGlobals+i)
		if _, taken := w.m.Exports[name]; taken || g.Type < module.F64 || len(names) == maxVariables {
			w.variables = nil
			return nil
		}
		names = append(names, name)
		w.variables = append(w.variables, export{name, uint32(w.m.ImportedGlobals + i)})
	}
	return names
}

// export is a global that is exported.
type export struct {
	name  string
	index uint32
}

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
	calls    []uint32 // functions of the module that it calls, by index among the bodies
	indirect bool     // it calls through a table
	loops    bool     // it enters a loop before anything else, where the engine looks
}

// maxReferences bounds the globals that are added.
const maxReferences = 10_000

func scan(b []byte, m *module.Module) (*scanned, error) {
	s := &scanned{functions: make([]function, len(m.Bodies)), references: map[uint32]uint32{}}
	for i, body := range m.Bodies {
		f := &s.functions[i]
		f.size = body.End - body.Instructions
		straight := true
		err := walk(b[:body.End], body.Instructions, func(in *instruction) {
			f.loops = f.loops || straight && in.op == opLoop
			straight = straight && in.straight()
			s.note(f, m, in)
		})
		if err == nil {
			err = s.judge(f, body.Locals, m.ImportedFunctions+i)
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

// judge refuses a function that would cost the compiler too much.
func (s *scanned) judge(f *function, locals, index int) error {
	branches := f.branches
	if f.size > maxWeight { // which looks after its calls
		branches += len(f.calls)
	}
	if branches > maxBranches || branches*locals > maxComplexity {
		return fmt.Errorf("function %d has %d branches and %d locals, which would take too long to compile: make it smaller",
			index, branches, locals)
	}
	s.complexity = max(s.complexity, branches*locals)
	return nil
}

// note remembers what an instruction does.
func (s *scanned) note(f *function, m *module.Module, in *instruction) {
	f.branches += in.branches
	switch in.op {
	case opCall:
		if i := int64(in.arg) - int64(m.ImportedFunctions); i >= 0 && i < int64(len(s.functions)) {
			f.calls = append(f.calls, uint32(i))
		}
	case opCallIndirect:
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
}
