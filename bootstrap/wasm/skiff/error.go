package skiff

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
)

// Error types that the SDK gives. All others are the function's own.
const (
	TypePanic     = "Runtime.Panic"          // the handler panicked
	TypeUnmarshal = "Runtime.UnmarshalError" // the payload does not fit the input
	TypeMarshal   = "Runtime.MarshalError"   // the output cannot be encoded
	TypeNoHandler = "Runtime.NoHandler"      // no init function called Handle
	TypeError     = "Error"                  // an error without a type of its own
)

// maxFrames is how many frames of a stack a result carries.
const maxFrames = 32

// Error is an error result as the caller sees it. A handler may return one,
// wrapped or not, to choose the type; any other error is given the name of
// its Go type, or TypeError where that says nothing.
type Error struct {
	Message    string   `json:"errorMessage"`
	Type       string   `json:"errorType"`
	StackTrace []string `json:"stackTrace,omitempty"` // innermost first
}

// Errorf returns an error result of the type, such as "NotFound", with a
// message formatted like fmt.Sprintf.
func Errorf(errorType, format string, args ...any) *Error {
	return &Error{Type: errorType, Message: fmt.Sprintf(format, args...)}
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// encode returns the error as the JSON of an error result. Text that is not
// UTF-8 is repaired, so it cannot fail.
func (e *Error) encode() []byte {
	b, err := json.Marshal(e)
	if err != nil {
		return []byte(`{"errorMessage":"the error could not be encoded","errorType":"` + TypeMarshal + `"}`)
	}
	return b
}

// errorOf returns the error result for what a handler returned. The message
// is the whole chain's, type and stack are those of the Error in it.
func errorOf(err error) *Error {
	var e *Error
	if errors.As(err, &e) && e != nil {
		return &Error{Message: err.Error(), Type: orDefault(e.Type), StackTrace: e.StackTrace}
	}
	return &Error{Message: err.Error(), Type: typeName(err)}
}

func orDefault(errorType string) string {
	if errorType == "" {
		return TypeError
	}
	return errorType
}

// typeName returns the name of the first type in the chain that is somebody's
// own: the types behind errors.New and fmt.Errorf tell the caller nothing.
func typeName(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		t := reflect.TypeOf(err)
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Name() != "" && t.PkgPath() != "errors" && t.PkgPath() != "fmt" {
			return t.Name()
		}
	}
	return TypeError
}

// stackTrace returns the frames of the panic that is being recovered, from
// where it happened out to the handler. It must be called by the deferred
// function or by a function which that calls directly.
func stackTrace() []string {
	pcs := make([]uintptr, maxFrames+16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs)])
	trace := make([]string, 0, maxFrames)
	for len(trace) < maxFrames {
		f, more := frames.Next()
		if isRun(f.Function) {
			break
		}
		if f.Function != "" && !strings.HasPrefix(f.Function, "runtime.") {
			trace = append(trace, fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line))
		}
		if !more {
			break
		}
	}
	return trace
}

// isRun reports whether the frame is the SDK's own run, below which nothing
// is of the function's making.
func isRun(name string) bool {
	return strings.HasSuffix(name, "bootstrap/wasm/skiff.run")
}
