// Package guard rewrites modules so that no guest can do what the engine
// would let it do to the process: run for long without coming back to the
// host, or take memory of the host that nobody counts.
//
// The engine itself never interrupts a guest. So
//
//   - an instance has a budget, a variable of its own, that is counted down
//     at the head of every loop, at the entry of functions that could take
//     long without one by calling one another, and in large functions after
//     their calls; where it is used up the guest calls the imported function
//     YieldModule.YieldName, where the host may end it;
//   - filling and copying of memory is done in pieces that are counted, and
//     the other instructions that may take long yield first;
//   - tables get a maximum: the engine grows them on the Go heap;
//   - ref.func is replaced by a constant global, because the engine takes new
//     memory each time it is executed.
//
// What a guest computes is not changed. It does not know any engine's API.
package guard

import (
	"fmt"
	"strconv"

	"github.com/skiffhq/skiff/wasmhost/module"
)

// The function that rewritten modules import, of no parameters and no results.
// It must not be offered to guests under their own imports.
const (
	YieldModule = "skiff"
	YieldName   = "yield"
)

const (
	// maxWeight is how many bytes of code may run, callees included, between
	// the entry of a function and its end without a look.
	maxWeight = 512

	// largeBody is from how many bytes of code a function looks after calls.
	largeBody = 4 << 10

	// lightCall is the weight up to which no look follows a call even there.
	lightCall = 128

	// tableRoom is how many elements a table may have if it did not start with
	// more.
	tableRoom = 64 << 10

	// piece is how many bytes of memory are filled or copied at once.
	piece = 256 << 10
)

// Facts are what was found out about a module on the way.
type Facts struct {
	// FixedTables reports that no instruction changes a table.
	FixedTables bool
	// FixedSegments reports that no instruction drops a segment of data or of
	// elements.
	FixedSegments bool
	// Variables are the names under which all variables of the module are
	// exported, so that the host can put them back; nil where that is not
	// possible. The budget is not among them: no guest can see it.
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
	w := newWriter(b, m, s)
	facts := Facts{
		FixedTables: !s.changesTables, FixedSegments: !s.dropsSegments,
		Variables: w.nameVariables(), CompileMemory: int64(s.complexity) * complexityCost,
	}
	out := w.module()
	if w.err != nil {
		return nil, Facts{}, fmt.Errorf("the module is malformed: %w", w.err)
	}
	return out, facts, nil
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
