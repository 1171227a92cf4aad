package wasmhost

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/linear"
	"github.com/skiffhq/skiff/wasmhost/wasi"
)

// run is what an instance holds while it lives: its memory, its WASI system
// and the means to interrupt it. It is the context that the engine calls the
// guest with, made once and used by one instance after the other, so that an
// invocation allocates none of this.
type run struct {
	base context.Context // knows the allocator
	// done is closed to interrupt the guest, after which the run is not used
	// again.
	done  chan struct{}
	cause atomic.Uint32
	timer *time.Timer
	spent bool // the guest broke, or an interruption may still be on its way

	un      *unit
	sandbox box
	inv     *sandbox.Invocation // during Invoke
	mem     linear.Memory
	sys     wasi.System
	tmp     wasi.MemFS

	logs   logs
	stdout lineWriter
	stderr lineWriter
	output output
	extra  [3]string
	stack  [2]uint64 // of calls from the host
	mounts [2]wasi.Mount
}

// Why a guest was interrupted.
const (
	causeNone uint32 = iota
	causeTimeout
	causeCanceled
	causeStopped
	causeOutput // a command wrote more than it may
)

func newRun() *run {
	r := &run{done: make(chan struct{})}
	r.base = experimental.WithMemoryAllocator(context.Background(), r)
	r.timer = time.AfterFunc(time.Hour, func() { r.interrupt(causeTimeout) })
	r.timer.Stop()
	r.tmp.Limit = tmpLimit
	r.tmp.Reserve = r.reserve
	r.sys.Done = r.done
	r.sys.Reserve = r.reserve
	r.sys.Extra = r.environ
	r.output.full = func() { r.interrupt(causeOutput) }
	r.stdout = lineWriter{logs: &r.logs, stream: "stdout"}
	r.stderr = lineWriter{logs: &r.logs, stream: "stderr"}
	r.mounts[0].Path, r.mounts[1].Path = codePath, tmpPath
	r.mounts[1].FS = &r.tmp
	return r
}

// bind makes the run a unit's.
func (r *run) bind(un *unit) {
	r.un = un
	r.mem.Init(un.h.memory, un.account, un.limit)
	r.mounts[0].FS = un.code.files
	r.sys.Mounts = r.mounts[:]
	r.sys.Args = programName
	r.sys.Environ = un.environ
	r.sys.Stdout, r.sys.Stderr = &r.stdout, &r.stderr
	if un.command {
		r.sys.Stdout = &r.output
	}
}

// programName is argument zero, which some languages' start-up expects.
var programName = []string{"main"}

// clean forgets what one instance had, beside its memory. The guest must have
// ended.
func (r *run) clean() {
	r.sys.Close()
	r.tmp.Close()
	r.inv, r.sys.Stdin = nil, nil
	r.sys.Exited, r.sys.ExitCode = false, 0
	r.logs, r.output.b = logs{}, nil
	r.stdout.reset()
	r.stderr.reset()
	r.extra = [3]string{}
}

// intact reports whether the guest ended well, and no interruption has come or
// may still come.
func (r *run) intact() bool { return !r.spent && r.cause.Load() == causeNone }

// close gives everything back.
func (r *run) close() {
	if r.sandbox.mod != nil {
		_ = r.sandbox.mod.Close(r) // its memory and files are not the engine's
	}
	r.sandbox = box{}
	r.mem.Release()
	un := r.un
	r.un = nil
	un.account.Release(un.code.outline.overhead)
	if r.intact() {
		un.h.runs.Put(r)
	}
}

// arm sees to it that the guest is interrupted after a time or when ctx ends.
// What it returns belongs to disarm, which must be called when the guest has
// ended.
func (r *run) arm(ctx context.Context, left time.Duration) (disarm func() bool) {
	if ctx.Done() != nil {
		disarm = context.AfterFunc(ctx, func() { r.interrupt(causeCanceled) })
	}
	r.timer.Reset(left)
	return disarm
}

// disarm ends what arm began. An interruption that is already on its way may
// come at any time after it, so the run is spent.
func (r *run) disarm(stop func() bool) {
	if !r.timer.Stop() || stop != nil && !stop() {
		r.spent = true
	}
}

// interrupt ends the guest, for the first cause that is given.
func (r *run) interrupt(cause uint32) {
	if r.cause.CompareAndSwap(causeNone, cause) {
		close(r.done)
	}
}

// enter calls one of the guest's functions. A guest that returned before it saw
// that it was interrupted is treated as if it had seen it.
func (r *run) enter(f api.Function, stack []uint64) error {
	if r.cause.Load() != causeNone {
		return errInterrupted
	}
	err := f.CallWithStack(r, stack)
	if err == nil && r.cause.Load() != causeNone {
		return errInterrupted
	}
	return err
}

// reserve charges the files in /tmp, and what descriptors and listings take.
// Negative bytes are given back.
func (r *run) reserve(bytes int64) bool {
	if bytes < 0 {
		r.un.account.Release(-bytes)
		return true
	}
	return r.un.account.Reserve(bytes) == nil
}

// Allocate implements experimental.MemoryAllocator: a guest has one memory.
func (r *run) Allocate(uint64, uint64) experimental.LinearMemory { return &r.mem }

// System implements wasi.Carrier.
func (r *run) System() *wasi.System { return &r.sys }

// Deadline implements context.Context. The engine asks for values alone.
func (r *run) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (r *run) Done() <-chan struct{} { return r.done }

// Err implements context.Context.
func (r *run) Err() error {
	switch r.cause.Load() {
	case causeNone:
		return nil
	case causeTimeout:
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Value implements context.Context.
func (r *run) Value(key any) any {
	if key == (wasi.Key{}) {
		return r
	}
	return r.base.Value(key)
}
