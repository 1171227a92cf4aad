package wasmhost

import (
	"github.com/tetratelabs/wazero/api"

	"github.com/skiffhq/skiff/wasmhost/module"
)

// box is a module's instance in the engine. It is used again for another
// request only after it was put back to its first state.
type box struct {
	mod        api.Module
	initialize api.Function // nil where there is none
	alloc      api.Function // nil for a command
	handler    api.Function
	variables  []api.MutableGlobal
	first      []uint64 // values of the variables
	uses       int
}

// maxUses bounds how often a box is used, as the engine never makes the call
// stack of one smaller.
const maxUses = 1000

// fill makes the instance. The engine panics without memory, so that was
// taken before.
func (r *run) fill() error {
	un := r.un
	mod, err := un.h.engine.runtime.InstantiateModule(r, un.code.module, un.h.engine.config)
	if err != nil {
		return err
	}
	b := &r.sandbox
	b.mod = mod
	if !un.command {
		b.alloc = mod.ExportedFunction(allocExport)
		b.initialize = mod.ExportedFunction(initializeExport)
	}
	b.handler = mod.ExportedFunction(un.export)
	if un.code.recipe == nil || !un.oneShot {
		return nil
	}
	for _, name := range un.code.recipe.variables {
		g := mod.ExportedGlobal(name).(api.MutableGlobal)
		b.variables = append(b.variables, g)
		b.first = append(b.first, g.Get())
	}
	return nil
}

// refill puts the box back to the state in which fill left it: all memory
// zero but for the module's data, and every variable at its first value. Its
// tables and segments never change, as the recipe says. It reports false
// where that cannot be done, and the box must be closed.
func (r *run) refill() bool {
	c := r.un.code
	r.sandbox.uses++
	if c.recipe == nil || !r.un.oneShot || !r.intact() || r.sandbox.uses >= maxUses ||
		r.mem.Size() != int64(c.outline.pages)*module.PageSize || !r.mem.Wipe() {
		return false
	}
	b := r.mem.Bytes()
	for _, s := range c.recipe.data {
		copy(b[s.at:], s.bytes) // in range, else instantiation had failed
	}
	for i, g := range r.sandbox.variables {
		g.Set(r.sandbox.first[i])
	}
	return true
}
