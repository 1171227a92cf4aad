package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/wasmhost/module"
)

const (
	commandExport    = "_start"
	initializeExport = "_initialize"
	allocExport      = "skiff_alloc"
)

var (
	noneToNone   = module.FuncType{}
	allocType    = module.FuncType{Params: "\x7f", Results: "\x7f"}
	handlerType  = module.FuncType{Params: "\x7f\x7f", Results: "\x7e"}
	buildCommand = "build a WASI command, such as GOOS=wasip1 GOARCH=wasm go build, for the handler main._start"
)

// outline is what the host remembers of a module.
type outline struct {
	functions  map[string]module.FuncType // exported
	pages      uint32                     // of memory at the start
	hasMemory  bool
	imports    bool
	starts     bool  // it runs code of its own before the first invocation
	overhead   int64 // bytes that the engine takes for an instance
	unresolved []string
}

func outlineOf(m *module.Module, e *engine) *outline {
	o := &outline{functions: map[string]module.FuncType{}, imports: len(m.Imports) > 0, unresolved: unresolved(m, e)}
	for name, x := range m.Exports {
		if x.Kind == module.Func {
			o.functions[name], _ = m.FuncType(x.Index)
		}
	}
	if o.hasMemory = len(m.Memories) > 0; o.hasMemory {
		o.pages = m.Memories[0].Min
	}
	_, initializes := o.functions[initializeExport]
	o.starts = m.HasStart || initializes
	o.overhead = overheadOf(m)
	return o
}

// Costs of an instance in the engine, in bytes; the stack is counted with what
// guests usually need.
const (
	instanceCost = 64 << 10
	importCost   = 64
	globalCost   = 128
	elementCost  = 64
	segmentCost  = 32
)

// overheadOf estimates what the engine takes for an instance beside its
// memory.
func overheadOf(m *module.Module) int64 {
	n := int64(instanceCost) + importCost*int64(len(m.Imports)) + globalCost*int64(len(m.Globals))
	for _, t := range m.Tables {
		n += 8 * int64(t.Min)
	}
	if s, ok := m.Section(module.SectionElement); ok {
		n += elementCost * int64(s.End-s.Body) // an element takes a byte at least
	}
	if s, ok := m.Section(module.SectionData); ok {
		n += segmentCost * min(int64(s.End-s.Body), module.MaxSegments)
	}
	return n
}

// maxMissing bounds how many imports an error names.
const maxMissing = 20

// unresolved lists what a module imports and nobody offers.
func unresolved(m *module.Module, e *engine) (missing []string) {
	for _, im := range m.Imports {
		from, known := e.offered[im.Module]
		def := from[im.Name]
		switch {
		case im.Kind != module.Func:
			missing = append(missing, fmt.Sprintf("it imports the %s %.60s.%.60s, but only functions can be imported", im.Kind, im.Module, im.Name))
		case !known:
			missing = append(missing, fmt.Sprintf("it imports %.60s.%.60s, but there is no such module: wasi_snapshot_preview1 and skiff are", im.Module, im.Name))
		case def == nil:
			missing = append(missing, fmt.Sprintf("it imports %s.%.60s, which does not exist", im.Module, im.Name))
		default:
			offered := module.FuncType{Params: string(def.ParamTypes()), Results: string(def.ResultTypes())}
			if t := m.Types[im.Type]; t != offered {
				missing = append(missing, fmt.Sprintf("it imports %s.%s as %v, which is %v", im.Module, im.Name, t, offered))
			}
		}
	}
	if n := len(missing) - maxMissing; n > 0 {
		missing = append(missing[:maxMissing], fmt.Sprintf("%d imports more that nobody offers", n))
	}
	return missing
}

// fits checks a module against a unit's handler and memory, and lists
// everything that does not fit.
func (c *code) fits(u *function.Unit) error {
	handler, err := function.ParseHandler(function.FamilyWasm, u.Handler)
	if err != nil {
		return err
	}
	o := c.outline
	faults := append([]string(nil), o.unresolved...)
	faults = append(faults, o.entry(handler.Export)...)
	if need, have := int64(o.pages)*module.PageSize, int64(u.MemoryMB)<<20; need > have {
		faults = append(faults, fmt.Sprintf("it needs %d MiB of memory to start, memorySize is %d", (need+1<<20-1)>>20, u.MemoryMB))
	}
	if len(faults) > 0 {
		return invalid("%s: %s", c.key.file, strings.Join(faults, "; "))
	}
	return nil
}

// entry checks the functions that the host calls.
func (o *outline) entry(export string) (faults []string) {
	want := map[string]module.FuncType{export: noneToNone}
	if export != commandExport {
		want = map[string]module.FuncType{export: handlerType, allocExport: allocType}
	}
	if !o.hasMemory && (o.imports || export != commandExport) {
		faults = append(faults, "it has no memory")
	}
	if _, ok := o.functions[initializeExport]; ok && export != commandExport {
		want[initializeExport] = noneToNone
	}
	for _, name := range []string{export, allocExport, initializeExport} {
		t, wanted := want[name]
		if !wanted {
			continue
		}
		delete(want, name)
		if got, ok := o.functions[name]; !ok {
			faults = append(faults, fmt.Sprintf("it does not export a function %q; %s, or export what a reactor needs: %s %v and %s %v",
				name, buildCommand, allocExport, allocType, "the handler", handlerType))
		} else if got != t {
			faults = append(faults, fmt.Sprintf("its function %q is %v, it must be %v", name, got, t))
		}
	}
	return faults
}

// Check judges a unit's code before it is published: it reads, checks and
// compiles the module. Faults: Invalid with fault.ReasonInvalidWasm, which
// names all that is wrong; those of the code store; Exhausted.
func (h *Host) Check(ctx context.Context, u *function.Unit) error {
	c, err := h.acquire(ctx, u)
	if err == nil {
		defer h.release(c)
		err = c.fits(u)
	}
	bad := errInvalid{}
	if !errors.As(err, &bad) {
		return err
	}
	refused := fault.New(fault.Invalid, fault.ReasonInvalidWasm, "check the code of function %q: %s", u.Function, bad.what)
	if c == nil {
		return refused
	}
	if better := c.outline.handlers(u.Handler); better != "" {
		return refused.WithRemedy("the module has these handlers: %s", better)
	}
	return refused
}

// maxSuggested bounds how many handlers an error names.
const maxSuggested = 5

// handlers names what could be called instead of a handler that the module
// does not have, "" where it has that one or nothing that could be called.
func (o *outline) handlers(handler string) string {
	h, err := function.ParseHandler(function.FamilyWasm, handler)
	if _, has := o.functions[h.Export]; err != nil || has {
		return ""
	}
	_, reactor := o.functions[allocExport]
	var found []string
	for name, t := range o.functions {
		if name == commandExport && t == noneToNone || reactor && t == handlerType {
			found = append(found, h.File+"."+name)
		}
	}
	slices.Sort(found)
	return strings.Join(found[:min(len(found), maxSuggested)], ", ")
}
