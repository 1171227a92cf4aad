package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/linear"
)

// ended tells what a guest that did not return came to: a failure of its own,
// or a fault.
func (in *instance) ended(ctx context.Context, r *run, err error) (sandbox.Result, error) {
	if cause := r.cause.Load(); cause != causeNone {
		return sandbox.Result{}, in.causeFault(ctx, cause)
	}
	if denied := r.mem.Denied(); denied != nil && !errors.Is(denied, linear.ErrLimit) {
		return sandbox.Result{}, denied // the appliance's fault, not the guest's
	}
	f, err := in.failure(r, err)
	if err != nil {
		return sandbox.Result{}, err
	}
	return sandbox.Result{Failure: f}, nil
}

// Texts of the engine. They are stable enough to be told apart by, and a test
// of ours watches over them.
const (
	engineTrap     = "wasm error: "
	engineStack    = "stack overflow"
	engineFrames   = "wasm stack trace:\n\t"
	engineInternal = "(recovered by wazero)"
)

// failure names what ended the guest.
func (in *instance) failure(r *run, err error) (*sandbox.Failure, error) {
	what, frames := takeApart(err.Error())
	f := &sandbox.Failure{Type: sandbox.FailureTrap, Message: "the function trapped: " + text([]byte(what), maxErrorText), StackTrace: boundedTrace(frames)}
	var delivery errDelivery
	switch {
	case r.sys.Exited:
		f.Type, f.Message, f.StackTrace = sandbox.FailureExit, fmt.Sprintf("the function exited with code %d", r.sys.ExitCode), nil
	case what == engineStack:
		f.Type, f.Message = sandbox.FailureStack, "the function's call stack overflowed"
	case errors.As(err, &delivery):
		f.Message = delivery.Error()
	case strings.Contains(err.Error(), engineInternal):
		in.un.h.opts.Log.Error("host function failed", "component", "wasmhost", "function", in.un.u.Function, "error", err)
		return nil, fault.Wrap(err, fault.Internal, "host_function", "invoke function %q: an internal error occurred", in.un.u.Function)
	}
	if r.mem.Denied() != nil && f.Type != sandbox.FailureStack {
		f.Type, f.Message = sandbox.FailureOutOfMemory, fmt.Sprintf("the function used up its memory of %d MiB: %s", in.un.u.MemoryMB, f.Message)
	}
	return f, nil
}

// takeApart splits an error of the engine into the cause and the frames, the
// innermost first.
func takeApart(text string) (what string, frames []string) {
	head, tail, _ := strings.Cut(text, engineFrames)
	what = strings.TrimSpace(strings.TrimPrefix(head, engineTrap))
	for frame := range strings.SplitSeq(tail, "\n\t") {
		if frame != "" {
			frames = append(frames, frame)
		}
	}
	return what, frames
}

func (in *instance) causeFault(ctx context.Context, cause uint32) error {
	switch cause {
	case causeTimeout:
		return in.timeoutFault()
	case causeOutput:
		return in.tooLargeFault()
	case causeStopped:
		return in.stoppedFault()
	}
	return fault.Of(ctx.Err())
}

func (in *instance) timeoutFault() error {
	return fault.New(fault.Timeout, "function_timeout", "invoke function %q: it did not answer within %v", in.un.u.Function, in.un.u.Timeout)
}

func (in *instance) stoppedFault() error {
	return fault.New(fault.Unavailable, "instance_stopped", "invoke function %q: its instance was stopped", in.un.u.Function)
}

// responseFault is that of a function which cannot serve until somebody mends
// it, as for an answer that core/invoke refuses.
func (in *instance) responseFault(format string, args ...any) error {
	return fault.New(fault.InitFailed, fault.ReasonResponseInvalid, "invoke function %q: %s", in.un.u.Function, fmt.Sprintf(format, args...))
}

func (in *instance) tooLargeFault() error {
	return in.responseFault("its answer has more than the %d bytes that are allowed", sandbox.MaxPayload)
}

// initFault tells why the module's own start-up did not succeed.
func (in *instance) initFault(ctx context.Context, r *run, err error) error {
	cause := r.cause.Load()
	if cause == causeCanceled {
		return fault.Of(ctx.Err())
	}
	if denied := r.mem.Denied(); denied != nil && !errors.Is(denied, linear.ErrLimit) {
		return denied
	}
	why := fmt.Sprintf("it took longer than %v", initTimeout)
	if cause == causeNone {
		_, after, wrapped := strings.Cut(err.Error(), " failed: ")
		if wrapped { // the engine names the start function first
			err = errors.New(after)
		}
		f, ferr := in.failure(r, err)
		if ferr != nil {
			return ferr
		}
		why = f.Message
	}
	if last := r.lastLine(); last != "" {
		why += ": " + last
	}
	return fault.Wrap(err, fault.InitFailed, "init_failed", "start function %q: its initialisation failed: %s", in.un.u.Function, why)
}
