package wasmhost

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/sandbox"
)

// call runs the invocation in the way of its interface.
func (in *instance) call(ctx context.Context, r *run) (sandbox.Result, error) {
	if in.un.command {
		return in.command(ctx, r)
	}
	return in.react(ctx, r)
}

// command runs _start with the event on standard input.
func (in *instance) command(ctx context.Context, r *run) (sandbox.Result, error) {
	r.sys.Stdin = r.inv.Payload
	err := r.enter(r.sandbox.handler, nil)
	switch cause := r.cause.Load(); {
	case cause == causeOutput: // whatever the guest made of that
		return sandbox.Result{}, in.tooLargeFault()
	case err != nil && !(r.sys.Exited && r.sys.ExitCode == 0 && cause == causeNone):
		return in.ended(ctx, r, err)
	}
	return sandbox.Result{Payload: r.output.take()}, nil
}

// Of a handler's result.
const (
	errorBit   = 1 << 31
	lengthMask = errorBit - 1
)

// react hands the event to a reactor's handler.
func (in *instance) react(ctx context.Context, r *run) (sandbox.Result, error) {
	ptr, err := in.deliver(r)
	if err != nil {
		return in.ended(ctx, r, err)
	}
	r.stack[0], r.stack[1] = uint64(ptr), uint64(len(r.inv.Payload))
	if err := r.enter(r.sandbox.handler, r.stack[:]); err != nil {
		return in.ended(ctx, r, err)
	}
	at, n := uint32(r.stack[0]>>32), uint32(r.stack[0])
	answer, ok := r.sandbox.mod.Memory().Read(at, n&lengthMask)
	switch {
	case n&lengthMask > sandbox.MaxPayload:
		return sandbox.Result{}, in.tooLargeFault()
	case !ok:
		return sandbox.Result{}, in.responseFault("its answer of %d bytes at %d is not within its memory", n&lengthMask, at)
	case n&errorBit != 0:
		return sandbox.Result{Failure: handled(answer)}, nil
	}
	return sandbox.Result{Payload: append(make([]byte, 0, len(answer)), answer...)}, nil
}

// errDelivery is a payload that the guest has no room for.
type errDelivery struct{ bytes int }

func (e errDelivery) Error() string {
	return fmt.Sprintf("%s has no room for the event of %d bytes", allocExport, e.bytes)
}

// deliver copies the payload to where the guest wants it.
func (in *instance) deliver(r *run) (ptr uint32, err error) {
	n := len(r.inv.Payload)
	r.stack[0] = uint64(n)
	if err := r.enter(r.sandbox.alloc, r.stack[:1]); err != nil {
		return 0, err
	}
	ptr = uint32(r.stack[0])
	if n > 0 && ptr == 0 || !r.sandbox.mod.Memory().Write(ptr, r.inv.Payload) {
		return 0, errDelivery{n}
	}
	return ptr, nil
}

// maxErrorText bounds what is kept of an error message, and of a stack trace.
const maxErrorText = 64 << 10

// maxErrorJSON bounds the error objects that are read as such: a list of empty
// strings takes many times its text.
const maxErrorJSON = 512 << 10

// handled reads a handler's error result: an object of the contract, or any
// text.
func handled(answer []byte) *sandbox.Failure {
	var e struct {
		ErrorMessage *string  `json:"errorMessage"`
		ErrorType    string   `json:"errorType"`
		StackTrace   []string `json:"stackTrace"`
	}
	f := &sandbox.Failure{Type: sandbox.FailureFunction, Handled: true}
	if len(answer) > maxErrorJSON || json.Unmarshal(answer, &e) != nil || e.ErrorMessage == nil {
		f.Message = text(answer, maxErrorText)
		return f
	}
	f.Message = text([]byte(*e.ErrorMessage), maxErrorText)
	if e.ErrorType != "" {
		f.Type = text([]byte(e.ErrorType), 256)
	}
	f.StackTrace = boundedTrace(e.StackTrace)
	return f
}

func boundedTrace(frames []string) (kept []string) {
	for left := maxErrorText; len(frames) > 0 && left > 0; frames = frames[1:] {
		frame := text([]byte(frames[0]), left)
		left -= len(frame) + 1
		kept = append(kept, frame)
	}
	return kept
}

// output collects a command's standard output.
type output struct {
	b    []byte
	full func()
}

// Write implements io.Writer. Beyond the limit it ends the guest.
func (o *output) Write(p []byte) (int, error) {
	if len(o.b)+len(p) > sandbox.MaxPayload {
		o.full()
		return 0, fault.New(fault.TooLarge, fault.ReasonResponseInvalid, "write the answer")
	}
	o.b = append(o.b, p...)
	return len(p), nil
}

// take returns what was written, never nil.
func (o *output) take() []byte {
	b := o.b
	if o.b = nil; b == nil {
		b = []byte{}
	}
	return b
}
