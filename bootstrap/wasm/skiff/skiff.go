// Package skiff is the guest SDK for Go: it makes a function for the Skiff
// appliance out of an ordinary Go function.
//
//	package main
//
//	import "github.com/skiffhq/skiff/bootstrap/wasm/skiff"
//
//	func init() { skiff.Handle(greet) }
//
//	func greet(ctx *skiff.Context, in Person) (Greeting, error) { … }
//
//	func main() {}
//
// Build it as a WASI reactor and deploy the module with the handler
// "main.handle":
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags "-s -w" -o main.wasm .
//
// A reactor's main is never run, so the handler is given in an init function.
// What it leaves in package variables is there at the first request; whether
// the next one sees what this one left is for the function's isolation
// setting to say ("request" or "instance").
//
// A guest runs one call at a time. Goroutines that a handler leaves behind
// stand still until the next call, and a panic in one of them ends the guest;
// a panic of the handler itself becomes an error result.
//
// The package compiles on every other platform too, where there is no host:
// there Invoke runs a handler as the appliance would, for unit tests.
//
// The package depends on the standard library alone. What hosts do with a
// guest, and how a function is deployed, does not belong here.
package skiff

import (
	"encoding/json"
	"fmt"
)

// Handler answers one request with bytes of its own choice, usually JSON.
// The payload is valid until the handler returns and may be returned, whole
// or in part; whoever keeps it longer copies it.
type Handler func(ctx *Context, payload []byte) ([]byte, error)

// registered is the handler of this guest. It is written while the package
// variables are initialised and only read afterwards.
var registered Handler

// Handle makes f the handler of this guest: it gets the payload decoded from
// JSON, and what it returns is encoded as JSON. See JSON for the rules. Call
// it once, from an init function; it panics the second time.
func Handle[In, Out any](f func(ctx *Context, in In) (Out, error)) {
	HandleRaw(JSON(f))
}

// HandleRaw makes h the handler of this guest. Call it once, from an init
// function; it panics the second time.
func HandleRaw(h Handler) {
	if h == nil {
		panic("skiff: the handler is nil")
	}
	if registered != nil {
		panic("skiff: a handler was given twice; a guest has one")
	}
	registered = h
}

// JSON makes a Handler of a function on values. An empty payload leaves the
// input at its zero value. A payload that does not decode into In fails the
// request with the type "Runtime.UnmarshalError" before f is called, a value
// that cannot be encoded with "Runtime.MarshalError".
func JSON[In, Out any](f func(ctx *Context, in In) (Out, error)) Handler {
	return func(ctx *Context, payload []byte) ([]byte, error) {
		var in In
		if err := decode(payload, &in); err != nil {
			return nil, err
		}
		out, err := f(ctx, in)
		if err != nil {
			return nil, err
		}
		return encode(out)
	}
}

func decode(payload []byte, in any) error {
	if len(payload) == 0 {
		return nil
	}
	if err := json.Unmarshal(payload, in); err != nil {
		return &Error{Type: TypeUnmarshal, Message: "decode the payload: " + err.Error()}
	}
	return nil
}

func encode(out any) ([]byte, error) {
	result, err := json.Marshal(out)
	if err != nil {
		return nil, &Error{Type: TypeMarshal, Message: "encode the result: " + err.Error()}
	}
	return result, nil
}

// run calls the handler and turns its error or panic into an error result;
// failed tells which of the two the result is.
func run(h Handler, ctx *Context, payload []byte) (result []byte, failed bool) {
	defer func() {
		if v := recover(); v != nil {
			result, failed = panicError(v).encode(), true
		}
	}()
	if h == nil {
		return errNoHandler.encode(), true
	}
	result, err := h(ctx, payload)
	if err != nil {
		return errorOf(err).encode(), true
	}
	return result, false
}

var errNoHandler = &Error{
	Type:    TypeNoHandler,
	Message: "this guest has no handler: call skiff.Handle in an init function, for main is not run",
}

func panicError(v any) *Error {
	return &Error{Type: TypePanic, Message: fmt.Sprint(v), StackTrace: stackTrace()}
}
