// Package fault is the error vocabulary of the appliance: a class that says
// what the caller can do, a stable reason for programs, a sentence for people
// and, where there is one, the remedy for the operator.
//
// A function's own error is a result and never a fault; see core/sandbox.
// The mapping of classes to HTTP lives in core/api alone.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class says what the party that receives a fault can do about it.
type Class uint8

// The classes. Their order has no meaning; their names are stable.
const (
	Internal        Class = iota // ours; back off and raise an alarm
	Invalid                      // the request is wrong and stays wrong
	Unauthenticated              // nobody we know
	Denied                       // known, but may not
	NotFound                     // no such object, or not visible to the caller
	TooLarge                     // over a documented limit
	Conflict                     // another change came first: read again, retry
	Throttled                    // over a rate or a concurrency limit: back off
	InitFailed                   // the function's code could not be started
	Unavailable                  // a part of the appliance is not there now
	Exhausted                    // no memory, disk or capacity left now
	Timeout                      // the deadline passed
	Canceled                     // the caller went away; neither side's fault
)

var classNames = [...]string{
	"internal", "invalid", "unauthenticated", "denied", "not_found", "too_large", "conflict",
	"throttled", "init_failed", "unavailable", "exhausted", "timeout", "canceled",
}

// String returns the class in snake_case, as logs and metrics show it.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "internal"
}

// Reasons that more than one package gives or looks for. Any other snake_case
// string is allowed; these are the ones that the API maps to a code of its own.
const (
	ReasonInvalidCodePackage = "invalid_code_package" // ZIP or bundle refused
	ReasonInvalidWasm        = "invalid_wasm"         // module or component refused
	ReasonResponseInvalid    = "response_invalid"     // the function's answer cannot be used
	ReasonPrecondition       = "precondition_failed"  // If-Match did not match
	ReasonRateLimit          = "rate_limit"           // requests per minute
	ReasonConcurrency        = "concurrency_limit"    // invocations at once
	ReasonRuntimeUnavailable = "runtime_unavailable"  // this host cannot run the runtime
	ReasonNoCode             = "no_code"              // function without a published version
	ReasonUnknownToken       = "unknown_token"        // token missing, expired, revoked or forged
	ReasonBadBundle          = "bundle_corrupt"       // stored code does not match its SHA-256
	ReasonDiskReserve        = "disk_reserve"         // writes stopped: the disk is nearly full
)

// Detail is one fault of one field of a request.
type Detail struct {
	Field   string `json:"field"`   // path in camelCase, e.g. "scaling.minInstances"
	Message string `json:"message"` // what is allowed, in one sentence
}

// Error is a fault. It is immutable once it has been returned, so it may be
// shared by goroutines.
type Error struct {
	Class      Class
	Reason     string        // stable snake_case
	Message    string        // safe to show to the caller: what was attempted, on which object
	Remedy     string        // what the operator or the caller can do; may be empty
	Details    []Detail      // one entry a field; may be empty
	RetryAfter time.Duration // for Throttled, Unavailable, Exhausted; 0 lets the edge choose
	Cause      error         // for logs only, never shown to callers of the API
}

// New returns a fault whose message is formatted like fmt.Sprintf.
func New(class Class, reason, format string, args ...any) *Error {
	return &Error{Class: class, Reason: reason, Message: sprintf(format, args)}
}

// Wrap is New with a cause, which errors.Is and errors.As see.
func Wrap(cause error, class Class, reason, format string, args ...any) *Error {
	return &Error{Class: class, Reason: reason, Message: sprintf(format, args), Cause: cause}
}

func sprintf(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// WithRemedy returns a copy that carries the remedy.
func (e *Error) WithRemedy(format string, args ...any) *Error {
	c := *e
	c.Remedy = sprintf(format, args)
	return &c
}

// WithRetryAfter returns a copy that tells the caller when to come back.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Error returns the message, its details, the cause and the remedy, for logs.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for i, d := range e.Details {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		b.WriteString(d.Field + ": " + d.Message)
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	if e.Remedy != "" {
		b.WriteString(" (" + e.Remedy + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Of returns the fault that err carries. An error that carries none becomes
// one: the context's errors become Canceled and Timeout, everything else
// Internal. Of(nil) is nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return Wrap(err, Canceled, "canceled", "the request was cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(err, Timeout, "deadline_exceeded", "the deadline passed")
	default:
		return Wrap(err, Internal, "internal", "an internal error occurred")
	}
}

// ClassOf returns the class of Of(err). It must not be called with nil.
func ClassOf(err error) Class { return Of(err).Class }

// Is reports whether err carries a fault of the class. It is false for nil.
func Is(err error, class Class) bool { return err != nil && Of(err).Class == class }

// HasReason reports whether err carries a fault with the reason.
func HasReason(err error, reason string) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == reason
}
