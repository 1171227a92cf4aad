package wasmhost

import (
	"github.com/skiffhq/skiff/wasmhost/guard"
	"github.com/skiffhq/skiff/wasmhost/module"
)

// prepare turns an uploaded module into the one that is compiled. Everything
// that instruments guests has its place here.
func prepare(binary []byte, m *module.Module) ([]byte, guard.Facts, error) {
	return guard.Rewrite(binary, m)
}

// recipe is how a sandbox is put back to the state in which it was
// instantiated.
type recipe struct {
	variables []string // exported globals
	data      []segment
}

// segment is bytes that belong into memory.
type segment struct {
	at    uint32
	bytes []byte
}

// recipeOf returns nil where a sandbox cannot be put back: the engine lets
// nobody set tables or bring dropped segments back, and a start section runs
// out of the host's sight.
func recipeOf(binary []byte, m *module.Module, facts guard.Facts) *recipe {
	if !facts.FixedTables || !facts.FixedSegments || facts.Variables == nil || m.HasStart || len(m.Memories) == 0 {
		return nil
	}
	r := &recipe{variables: facts.Variables}
	for _, d := range m.Data {
		if d.Passive {
			continue
		}
		if !d.Fixed {
			return nil
		}
		r.data = append(r.data, segment{d.Offset, append([]byte(nil), binary[d.Start:d.End]...)})
	}
	return r
}
