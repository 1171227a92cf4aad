package wasmhost

import (
	"context"
	"strconv"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/skiffhq/skiff/wasmhost/guard"
)

// skiffModule is the name under which guests import what is our own.
const skiffModule = guard.YieldModule

// Keys of meta. They are part of the interface to guests.
const (
	metaRequestID   = 0
	metaDeadline    = 1 // milliseconds since 1970, in decimal
	metaTraceparent = 2 // W3C trace context; may be empty
	metaFunction    = 3
	metaVersion     = 4 // a number, or $LATEST
)

// instantiateSkiff makes the host module that guests import from.
func instantiateSkiff(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	i32 := api.ValueTypeI32
	b := r.NewHostModuleBuilder(skiffModule)
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(log), []api.ValueType{i32, i32, i32}, nil).Export("log")
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(meta), []api.ValueType{i32, i32, i32}, []api.ValueType{i32}).Export("meta")
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(yield), nil, nil).Export(guard.YieldName)
	return b.Instantiate(ctx)
}

// errInterrupted unwinds a guest that was interrupted; why is in its run. The
// engine passes errors of this type on as they are.
var errInterrupted = sys.NewExitError(sys.ExitCodeContextCanceled)

// yield is called by guests whose budget is used up. To be in Go is enough for
// the scheduler and the collector, which take over where a function begins if
// they want to.
func yield(ctx context.Context, _ []uint64) { ctx.(*run).look() }

// look ends the guest if it was interrupted.
func (r *run) look() {
	if r.cause.Load() != causeNone {
		panic(errInterrupted)
	}
}

var levels = [...]string{"debug", "info", "warn", "error"}

// log writes one line: log(level, ptr, len), with the levels 0 debug, 1 info,
// 2 warn and 3 error. What lies outside the memory is not written.
func log(ctx context.Context, mod api.Module, stack []uint64) {
	r := ctx.(*run)
	r.look()
	level := levels[min(uint32(stack[0]), uint32(len(levels)-1))]
	if b, ok := mod.Memory().Read(uint32(stack[1]), uint32(stack[2])); ok {
		r.logs.add(level, "log", b)
	}
}

// meta tells about the invocation: meta(key, ptr, cap) writes at most cap
// bytes and returns how many there are, so that a caller with too little room
// can ask again. It returns 0 for what is not known, as everything about the
// request is during initialisation.
func meta(ctx context.Context, mod api.Module, stack []uint64) {
	r := ctx.(*run)
	r.look()
	value := r.meta(uint32(stack[0]))
	n := min(uint32(len(value)), uint32(stack[2]))
	if !mod.Memory().WriteString(uint32(stack[1]), value[:n]) {
		value = ""
	}
	stack[0] = uint64(len(value))
}

func (r *run) meta(key uint32) string {
	switch {
	case key == metaFunction:
		return r.un.u.Function
	case key == metaVersion && r.un.u.Version == 0:
		return "$LATEST"
	case key == metaVersion:
		return strconv.FormatUint(uint64(r.un.u.Version), 10)
	case r.inv == nil:
		return ""
	case key == metaRequestID:
		return r.inv.RequestID
	case key == metaDeadline:
		return strconv.FormatInt(r.inv.Deadline.UnixMilli(), 10)
	case key == metaTraceparent:
		return r.inv.Traceparent
	}
	return ""
}

// environ gives a command the variables of its request.
func (r *run) environ() []string {
	if r.inv == nil || !r.un.command {
		return nil
	}
	if r.extra[0] == "" {
		r.extra = [...]string{
			"SKIFF_REQUEST_ID=" + r.inv.RequestID,
			"SKIFF_DEADLINE_MS=" + r.meta(metaDeadline),
			"TRACEPARENT=" + r.inv.Traceparent,
		}
	}
	if r.inv.Traceparent == "" {
		return r.extra[:2]
	}
	return r.extra[:]
}
