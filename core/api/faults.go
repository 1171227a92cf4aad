package api

import (
	"net/http"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// outcome is how a fault looks from outside.
type outcome struct {
	status int
	code   string
	retry  time.Duration // Retry-After where the fault says none; 0 for no such header
	amazon string        // what AWS' SDKs know it as
}

// reasonMethod is the reason of a fault for a path that has other methods.
const reasonMethod = "method_not_allowed"

// byReason are the reasons with a code of their own; they are asked first.
var byReason = map[string]outcome{
	fault.ReasonInvalidCodePackage: {http.StatusBadRequest, "INVALID_CODE_PACKAGE", 0, "InvalidParameterValueException"},
	fault.ReasonInvalidWasm:        {http.StatusBadRequest, "INVALID_WASM", 0, "InvalidParameterValueException"},
	reasonMethod:                   {http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", 0, "InvalidRequestContentException"},
	fault.ReasonPrecondition:       {http.StatusPreconditionFailed, "PRECONDITION_FAILED", 0, "PreconditionFailedException"},
	fault.ReasonConcurrency:        {http.StatusTooManyRequests, "CONCURRENCY_LIMIT_EXCEEDED", time.Second, "TooManyRequestsException"},
	fault.ReasonResponseInvalid:    {http.StatusBadGateway, "FUNCTION_RESPONSE_INVALID", 0, "ServiceException"},
	fault.ReasonRuntimeUnavailable: {http.StatusServiceUnavailable, "RUNTIME_UNAVAILABLE", 30 * time.Second, "ServiceException"},
}

// byClass are all others.
var byClass = map[fault.Class]outcome{
	fault.Internal:        {http.StatusInternalServerError, "INTERNAL_ERROR", 0, "ServiceException"},
	fault.Invalid:         {http.StatusBadRequest, "VALIDATION_ERROR", 0, "InvalidParameterValueException"},
	fault.Unauthenticated: {http.StatusUnauthorized, "UNAUTHORIZED", 0, "UnrecognizedClientException"}, //nolint:misspell // names of others
	fault.Denied:          {http.StatusForbidden, "FORBIDDEN", 0, "AccessDeniedException"},
	fault.NotFound:        {http.StatusNotFound, "NOT_FOUND", 0, "ResourceNotFoundException"},
	fault.TooLarge:        {http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", 0, "RequestTooLargeException"},
	fault.Conflict:        {http.StatusConflict, "CONFLICT", 0, "ResourceConflictException"},
	fault.Throttled:       {http.StatusTooManyRequests, "RATE_LIMIT_EXCEEDED", time.Second, "TooManyRequestsException"},
	fault.InitFailed:      {http.StatusBadGateway, "FUNCTION_INIT_FAILED", 0, "ServiceException"},
	fault.Unavailable:     {http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", 5 * time.Second, "ServiceException"},
	fault.Exhausted:       {http.StatusServiceUnavailable, "CAPACITY_EXCEEDED", time.Second, "ServiceException"},
	fault.Timeout:         {http.StatusGatewayTimeout, "FUNCTION_TIMEOUT", 0, "ServiceException"},
	// Nobody reads this answer; the status is what proxies log for it.
	fault.Canceled: {statusClientGone, "SERVICE_UNAVAILABLE", 0, "ServiceException"},
}

// statusClientGone is no status of HTTP's: it is counted and never seen.
const statusClientGone = 499

// outcomeOf says how a fault looks from outside.
func outcomeOf(f *fault.Error) outcome {
	o, ok := byReason[f.Reason]
	if !ok {
		o = byClass[f.Class]
	}
	if f.RetryAfter > 0 && o.retry > 0 {
		o.retry = f.RetryAfter
	}
	return o
}

// publicMessage returns what callers may read: the message and the remedy, and
// of our own failures only that there was one.
func publicMessage(f *fault.Error) string {
	if f.Class == fault.Internal {
		return "an internal error occurred; the appliance's log knows more under the traceId"
	}
	if f.Remedy != "" {
		return f.Message + " (" + f.Remedy + ")"
	}
	return f.Message
}

// seconds rounds up to whole seconds, at least one: a client that came back
// a moment too early would be refused again.
func seconds(d time.Duration) int {
	return max(int((d+time.Second-1)/time.Second), 1)
}

// invalid is a fault of one field.
func invalid(field, format string, args ...any) error {
	var c fault.Collector
	c.Add(field, format, args...)
	return c.Err("read request: %s is not allowed", field)
}
