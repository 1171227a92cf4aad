package api

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/invoke"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/core/wire"
)

// The headers of AWS Lambda's Invoke, as it and fasthttp spell them.
const (
	headerType      = "X-Amz-Invocation-Type"
	headerLogType   = "X-Amz-Log-Type"
	headerLogResult = "X-Amz-Log-Result"
	headerError     = "X-Amz-Function-Error"
	headerVersion   = "X-Amz-Executed-Version"
	headerRequestID = "X-Amzn-Requestid"
)

// maxTail is how much of the log comes back, in bytes.
const maxTail = 4 << 10

// invokeLambda answers AWS Lambda's Invoke: the payload is the body, in and
// out. It is the fast path: nothing is decoded.
//
// As on Lambda, whatever becomes of the function once it was to run is 200
// with X-Amz-Function-Error. For 4xx and 5xx SDKs would run it again.
func (s *Server) invokeLambda(r *request) (response, error) {
	req := r.invocation(triggerLambda)
	var err error
	if req.Qualifier, err = r.qualifier(); err != nil {
		return response{}, err
	}
	if req.DryRun, err = r.lambdaType(); err != nil {
		return response{}, err
	}
	req.Tail = strings.EqualFold(text(r.http.Request.Header.Peek(headerLogType)), "Tail")
	if req.Payload, err = r.bytes(); err != nil {
		return response{}, err
	}
	out, err := s.run(r, &req)
	failure := out.Result.Failure
	if err != nil {
		if failure = lambdaFailure(out, err); failure == nil {
			return response{}, err
		}
		s.log.Debug("function failed", "function", r.function.Name, "request_id", out.RequestID, "error", err)
	}
	return r.answerLambda(&req, out, failure), nil
}

// lambdaType reads the type of invocation: whether it is a dry run.
func (r *request) lambdaType() (dry bool, err error) {
	switch given := r.http.Request.Header.Peek(headerType); text(given) {
	case "", wire.RequestResponse:
		return false, nil
	case wire.DryRun:
		return true, nil
	default:
		return false, invalid(headerType, "%s", wrongType(string(given)))
	}
}

// qualifier is that of the query, or the one behind the function's name.
func (r *request) qualifier() (string, error) {
	asked := r.query("Qualifier")
	_, named, _ := strings.Cut(r.param("name"), ":")
	if asked != "" && named != "" && asked != named {
		return "", invalid("Qualifier", "must not differ from the qualifier behind the function's name")
	}
	return cmp.Or(asked, named), nil
}

// lambdaFailure is a fault that Lambda takes for the function's: nil for one
// of the platform.
func lambdaFailure(out *invoke.Outcome, err error) *sandbox.Failure {
	f := fault.Of(err)
	switch {
	case f.Class == fault.Timeout && out.Unit != nil:
		return &sandbox.Failure{Type: "Sandbox.Timedout", Message: fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds",
			out.RequestID, out.Unit.Timeout.Seconds())}
	case f.Reason == fault.ReasonResponseInvalid:
		return &sandbox.Failure{Type: "Function.ResponseSizeTooLarge", Message: f.Message}
	case f.Class == fault.InitFailed:
		return &sandbox.Failure{Type: "Runtime.InitError", Message: publicMessage(f)}
	}
	return nil
}

func (r *request) answerLambda(req *invoke.Request, out *invoke.Outcome, failure *sandbox.Failure) response {
	h := &r.http.Response.Header
	h.Set(headerRequestID, out.RequestID)
	h.Set(headerVersion, executed(out))
	if req.DryRun {
		return response{status: http.StatusNoContent}
	}
	if len(r.http.Request.Header.Peek(wire.HeaderReport)) > 0 {
		r.report(out, failure)
	}
	if req.Tail {
		h.Set(headerLogResult, tailOf(out.Result.Logs))
	}
	if failure != nil {
		h.Set(headerError, errorKind(failure))
		return response{status: http.StatusOK, raw: failureBody(failure), kind: "application/json"}
	}
	payload := out.Result.Payload
	if payload == nil {
		payload = []byte{}
	}
	r.spare(payload)
	return response{status: http.StatusOK, raw: payload, kind: mediaType(payload)}
}

// report tells in a header what the other way of invoking tells beside the
// body.
func (r *request) report(out *invoke.Outcome, failure *sandbox.Failure) {
	res := resultShape(out, false)
	if failure != nil {
		res.FunctionError = errorKind(failure)
	}
	res.Body = nil
	if data, err := encode(res); err == nil { // cannot fail: the shape holds plain values only
		r.header(wire.HeaderReport, string(bytes.TrimSpace(data)))
	}
}

// mediaType is JSON for what begins as JSON does, as Lambda says of every
// answer; a browser is never to take another for a page.
func mediaType(payload []byte) string {
	for _, c := range payload {
		switch c {
		case ' ', '\n', '\r', '\t':
			continue
		case '{', '[', '"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 't', 'f', 'n':
			return "application/json"
		default:
			return "application/octet-stream"
		}
	}
	return "application/octet-stream"
}

// tailOf is the end of the log in base64.
func tailOf(lines []sandbox.Line) string {
	var b []byte
	for _, l := range lines {
		b = append(l.Time.UTC().AppendFormat(b, time.RFC3339Nano), ' ')
		b = append(append(b, l.Message...), '\n')
	}
	return base64.StdEncoding.EncodeToString(b[max(0, len(b)-maxTail):])
}
