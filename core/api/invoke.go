package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/invoke"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/core/wire"
)

// The triggers of invocations, as metrics name them.
const (
	triggerAPI    = "api"
	triggerLambda = "lambda"
)

// invokeInput is wire.Invoke with a version in any spelling.
type invokeInput struct {
	Payload        json.RawMessage `json:"payload"`
	Alias          string          `json:"alias"`
	Version        anyVersion      `json:"version"`
	InvocationType string          `json:"invocationType"`
}

// invoke answers POST /functions/{name}/invoke.
func (s *Server) invoke(r *request) (response, error) {
	tail, err := r.flag("tail")
	if err != nil {
		return response{}, err
	}
	var in invokeInput
	if err := r.json(&in); err != nil {
		return response{}, err
	}
	req, err := in.request(r)
	if err != nil {
		return response{}, err
	}
	req.Tail, req.LogStream = tail, true
	out, err := s.run(r, &req)
	if err != nil {
		return response{}, err
	}
	if req.DryRun {
		return response{status: http.StatusNoContent}, nil
	}
	return response{json: resultShape(out, tail)}, nil
}

// request is what the body asks for.
func (in *invokeInput) request(r *request) (invoke.Request, error) {
	req := r.invocation(triggerAPI)
	var faults fault.Collector
	faults.Check(in.Alias == "" || in.Version == "", "version", "must not be given beside alias")
	req.Qualifier = in.Alias + string(in.Version)
	switch in.InvocationType {
	case "", wire.RequestResponse:
	case wire.DryRun:
		req.DryRun = true
	default:
		faults.Add("invocationType", "%s", wrongType(in.InvocationType))
	}
	req.Payload = payloadOf(in.Payload)
	return req, faults.Err("invoke function %q", r.function.Name)
}

// wrongType says why a type of invocation is not taken.
func wrongType(given string) string {
	if given == wire.Event {
		return "Event is not available: this appliance has no asynchronous queue; use RequestResponse"
	}
	return "must be RequestResponse or DryRun"
}

// payloadOf is what the function gets: a string as it is, other JSON as it was
// written, nothing for nothing.
func payloadOf(raw json.RawMessage) []byte {
	var text string
	if bytes.HasPrefix(raw, []byte{'"'}) && json.Unmarshal(raw, &text) == nil {
		return []byte(text)
	}
	return raw
}

// invocation is the part of a request that both ways of invoking share.
func (r *request) invocation(trigger string) invoke.Request {
	return invoke.Request{Function: r.function.Name, Trigger: trigger, Traceparent: r.traceparent, Role: r.principal.Role}
}

// run invokes. The outcome is never nil, and its id is the request's.
func (s *Server) run(r *request, req *invoke.Request) (*invoke.Outcome, error) {
	out, err := s.invoker.Invoke(r.context, req)
	r.requestID = out.RequestID
	return out, err
}

func resultShape(out *invoke.Outcome, tail bool) wire.InvokeResult {
	res := wire.InvokeResult{
		StatusCode: http.StatusOK, Body: jsonOrText(out.Result.Payload),
		ExecutionTime: milliseconds(out.Duration), BilledDuration: out.Billed().Milliseconds(),
		MemoryUsed: mebibytes(out.Result.PeakMemory), WasColdStart: out.Cold,
		RequestID: out.RequestID, LogStreamName: out.LogStream, ExecutedVersion: executed(out),
	}
	if f := out.Result.Failure; f != nil {
		res.FunctionError = errorKind(f)
		res.Body = failureBody(f)
	}
	if tail {
		res.Logs = make([]wire.LogLine, 0, len(out.Result.Logs))
		for _, l := range out.Result.Logs {
			res.Logs = append(res.Logs, wire.LogLine{Timestamp: l.Time, Level: l.Level, Stream: l.Stream, Message: l.Message})
		}
	}
	return res
}

func executed(out *invoke.Outcome) string {
	if out.Unit == nil {
		return ""
	}
	return numberText(out.Unit.Version)
}

// jsonOrText is a function's answer inside JSON: itself where it is JSON, else
// a string of it; null where there is none.
func jsonOrText(payload []byte) json.RawMessage {
	switch {
	case len(payload) == 0:
		return json.RawMessage("null")
	case json.Valid(payload):
		return payload
	}
	data, err := encode(string(payload))
	if err != nil { // cannot be: every string can be written
		return json.RawMessage("null")
	}
	return data
}

// The kinds of a function's error, as AWS Lambda names them.
const (
	kindHandled   = "Handled"
	kindUnhandled = "Unhandled"
)

func errorKind(f *sandbox.Failure) string {
	if f.Handled {
		return kindHandled
	}
	return kindUnhandled
}

func failureBody(f *sandbox.Failure) json.RawMessage {
	data, err := encode(wire.FunctionFailure{ErrorMessage: f.Message, ErrorType: f.Type, StackTrace: listOf(f.StackTrace)})
	if err != nil { // cannot be: the shape holds text only
		return json.RawMessage("null")
	}
	return data
}

// nameOf takes the qualifier off "name:qualifier".
func nameOf(reference string) string {
	name, _, _ := strings.Cut(reference, ":")
	return name
}
