package skiff

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// Meta is what the host would tell about a request, for tests.
type Meta struct {
	RequestID       string
	Deadline        time.Time // zero: none
	Traceparent     string
	FunctionName    string
	FunctionVersion string
}

// NewContext returns a context for calling a handler's function directly in a
// test. It does not end by itself before the deadline.
func NewContext(m Meta) *Context { return newContext(m.value) }

func (m Meta) value(key int32) string {
	switch key {
	case metaRequestID:
		return m.RequestID
	case metaTraceparent:
		return m.Traceparent
	case metaFunction:
		return m.FunctionName
	case metaVersion:
		return m.FunctionVersion
	case metaDeadline:
		if !m.Deadline.IsZero() {
			return strconv.FormatInt(m.Deadline.UnixMilli(), 10)
		}
	}
	return ""
}

// Line is one line that a handler logged.
type Line struct {
	Level   slog.Level // one of slog's four
	Message string
}

// Response is what came of a call.
type Response struct {
	Payload []byte // the result; nil where Err is set
	Err     *Error // the error result; nil for success
	Logs    []Line // oldest first
}

// calls lets one call run at a time, as in a guest.
var calls sync.Mutex

// Invoke runs a handler as the appliance would, panics and encodings
// included, and returns what the caller and the log would see. A nil handler
// means the one given to Handle. It is for tests: concurrent
// calls wait for one another, so a handler must not call it.
func Invoke(h Handler, m Meta, payload []byte) Response {
	calls.Lock()
	defer calls.Unlock()
	if h == nil {
		h = registered
	}
	lines.record()
	ctx := NewContext(m)
	result, failed := run(h, ctx, payload)
	ctx.finish()
	r := Response{Payload: result, Logs: lines.taken()}
	if failed {
		r.Payload, r.Err = nil, &Error{}
		if err := json.Unmarshal(result, r.Err); err != nil {
			panic("skiff: error result is not JSON: " + err.Error())
		}
	}
	return r
}

// recorder keeps the lines of the call that runs.
type recorder struct {
	mu   sync.Mutex // a handler's goroutines log too
	on   bool
	kept []Line
}

var lines recorder

func (r *recorder) record() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = true
}

func (r *recorder) taken() []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.kept
	r.on, r.kept = false, nil
	return kept
}

// keep keeps a line of the call that Invoke runs. It reports false where none
// runs, so that the line goes to the host.
func (r *recorder) keep(level int32, text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.on {
		r.kept = append(r.kept, Line{Level: slogLevel(level), Message: text})
	}
	return r.on
}
