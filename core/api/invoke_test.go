package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/core/sandbox/sandboxtest"
	"github.com/skiffhq/skiff/core/wire"
)

const lambda = "/2015-03-31/functions/"

func TestInvokeHandsThePayloadOver(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	for body, want := range map[string]struct{ body, version string }{
		`{"payload":{"a":[1, 2]}}`:              {`{"a":[1,2]}`, "$LATEST"},
		`{"payload":"plain text"}`:              {`"plain text"`, "$LATEST"},
		`{"payload":"{\"a\":1}"}`:               {`{"a":1}`, "$LATEST"},
		`{"payload":7,"version":1}`:             {`7`, "1"},
		`{"payload":7,"version":"v1"}`:          {`7`, "1"},
		`{"payload":7,"alias":"live"}`:          {`7`, "1"},
		`{"payload":null}`:                      {`null`, "$LATEST"},
		`{}`:                                    {`null`, "$LATEST"},
		`{"payload":"<b>","version":"$LATEST"}`: {`"<b>"`, "$LATEST"},
	} {
		a := w.do(200, "viewer", "POST", "functions/hello/invoke", body)
		res := read[wire.InvokeResult](t, a)
		if string(res.Body) != want.body || res.ExecutedVersion != want.version {
			t.Errorf("%s: %s", body, a.body)
		}
		if res.StatusCode != http.StatusOK || res.RequestID == "" || res.MemoryUsed != 1 || res.FunctionError != "" {
			t.Errorf("%s: %s", body, a.body)
		}
		if a.Header.Get("X-Request-Id") != res.RequestID {
			t.Errorf("X-Request-Id %s for %s", a.Header.Get("X-Request-Id"), res.RequestID)
		}
	}
	w.do(404, "viewer", "POST", "functions/hello/invoke", `{"alias":"none"}`)
	w.do(404, "viewer", "POST", "functions/hello/invoke", `{"version":9}`)
	if a := w.do(204, "viewer", "POST", "functions/hello/invoke", `{"invocationType":"DryRun"}`); len(a.body) != 0 {
		t.Errorf("dry run: %s", a.body)
	}
}

func TestInvokeAnswersWithLogLinesWhereAskedFor(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	w.handler = func(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
		return sandbox.Result{Logs: []sandbox.Line{{Time: time.Unix(0, 0), Level: "info", Stream: "stdout", Message: "line"}}}, nil
	}
	if res := read[wire.InvokeResult](t, w.do(200, "viewer", "POST", "functions/hello/invoke", `{}`)); len(res.Logs) != 0 {
		t.Errorf("unasked: %v", res.Logs)
	}
	if res := read[wire.InvokeResult](t, w.do(200, "viewer", "POST", "functions/hello/invoke?tail=true", `{}`)); len(res.Logs) != 1 || res.Logs[0].Message != "line" {
		t.Errorf("tail: %v", res.Logs)
	}
	a := w.do(200, "viewer", "POST", lambda+"hello/invocations", `{}`, "X-Amz-Log-Type: Tail")
	if text, err := base64.StdEncoding.DecodeString(a.Header.Get("X-Amz-Log-Result")); err != nil || !strings.HasSuffix(string(text), "line\n") {
		t.Errorf("log %q, %v", text, err)
	}
}

func TestTailIsTheEndOfTheLog(t *testing.T) {
	lines := []sandbox.Line{{Message: strings.Repeat("x", 2*maxTail)}, {Message: "last"}}
	text, err := base64.StdEncoding.DecodeString(tailOf(lines))
	if err != nil || len(text) != maxTail || !bytes.HasSuffix(text, []byte("last\n")) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

func TestLambdaPathIsRawInAndOut(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	for path, version := range map[string]string{
		"hello": "$LATEST", "hello?Qualifier=live": "1", "hello?Qualifier=v1": "1", "hello:live": "1", "hello%3Alive": "1",
		"hello:1": "1", "hello?Qualifier=%24LATEST": "$LATEST", "hello:live?Qualifier=live": "1",
	} {
		name, query, _ := strings.Cut(path, "?")
		for _, payload := range []string{`{"a": 1}`, "plain", ""} {
			a := w.do(200, "viewer", "POST", lambda+name+"/invocations?"+query, payload, "Content-Type: application/json")
			if string(a.body) != payload || a.Header.Get("X-Amz-Executed-Version") != version || a.Header.Get("X-Amz-Function-Error") != "" {
				t.Errorf("%s: %q, %v", path, a.body, a.Header)
			}
			if id := a.Header.Get("X-Amzn-Requestid"); id == "" || id != a.Header.Get("X-Request-Id") {
				t.Errorf("%s: request id %q", path, id)
			}
		}
	}
	w.do(204, "viewer", "POST", lambda+"hello/invocations", `{}`, "X-Amz-Invocation-Type: DryRun")
	a := w.do(404, "viewer", "POST", lambda+"nobody/invocations", `{}`)
	if a.Header.Get("X-Amzn-Errortype") != "ResourceNotFoundException" {
		t.Errorf("%v", a.Header)
	}
	w.do(400, "viewer", "POST", lambda+"hello/invocations", `{}`, "X-Amz-Invocation-Type: Event")
}

func TestLambdaPathReportsWhereAskedTo(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	a := w.do(200, "viewer", "POST", lambda+"hello:live/invocations", `{"a":1}`, wire.HeaderReport+": true")
	var res wire.InvokeResult
	if err := json.Unmarshal([]byte(a.Header.Get(wire.HeaderReport)), &res); err != nil {
		t.Fatal(err)
	}
	if string(a.body) != `{"a":1}` || res.ExecutedVersion != "1" || res.RequestID == "" || string(res.Body) != "null" {
		t.Errorf("%s: %+v", a.body, res)
	}
}

func TestAnswersThatLieInTheRequestAreNotOverwritten(t *testing.T) {
	r := &request{buffer: make([]byte, 10, 20)}
	for _, other := range [][]byte{nil, {}, []byte("elsewhere")} {
		if r.spare(other); r.buffer == nil {
			t.Errorf("%q cost the buffer", other)
		}
	}
	if r.spare(r.buffer[5:7]); r.buffer != nil {
		t.Error("the buffer would be used again")
	}
	(&request{}).spare([]byte("x"))
}

func TestFunctionFailures(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	fails := func(res sandbox.Result, err error) func(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
		return func(context.Context, *sandbox.Invocation) (sandbox.Result, error) { return res, err }
	}
	failure := func(kind string, handled bool) sandbox.Result {
		return sandbox.Result{Failure: &sandbox.Failure{Type: kind, Message: "no <luck>", Handled: handled}}
	}
	for name, tc := range map[string]struct {
		handler       func(context.Context, *sandbox.Invocation) (sandbox.Result, error)
		status        int    // of invoke
		kind          string // of X-Amz-Function-Error; "" where Lambda fails with 5xx
		errorType     string
		functionError string
	}{
		"handler error": {fails(failure("ValueError", true), nil), 200, "Handled", "ValueError", "Handled"},
		"out of memory": {fails(failure(sandbox.FailureOutOfMemory, false), nil), 200, "Unhandled", sandbox.FailureOutOfMemory, "Unhandled"},
		"timeout":       {fails(sandbox.Result{}, fault.New(fault.Timeout, "timeout", "too slow")), 504, "Unhandled", "Sandbox.Timedout", ""},
		"failed init":   {fails(sandbox.Result{}, fault.New(fault.InitFailed, "init", "broken")), 502, "Unhandled", "Runtime.InitError", ""},
		"large answer":  {fails(sandbox.Result{Payload: make([]byte, sandbox.MaxPayload+1)}, nil), 502, "Unhandled", "Function.ResponseSizeTooLarge", ""},
		"no runtime":    {fails(sandbox.Result{}, fault.New(fault.Unavailable, fault.ReasonRuntimeUnavailable, "no image").WithRemedy("run skiff runtime pull")), 503, "", "", ""},
		"no memory":     {fails(sandbox.Result{}, fault.New(fault.Exhausted, "memory", "full")), 503, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.t, w.handler = t, tc.handler
			a := w.do(tc.status, "viewer", "POST", "functions/hello/invoke", `{}`)
			if tc.status == 200 {
				res := read[wire.InvokeResult](t, a)
				if res.FunctionError != tc.functionError || !bytes.Contains(res.Body, []byte(`"errorMessage":"no <luck>"`)) {
					t.Errorf("%s", a.body)
				}
			}
			if tc.status == 503 && a.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			want := 200
			if tc.kind == "" {
				want = 503
			}
			a = w.do(want, "viewer", "POST", lambda+"hello/invocations", `{}`)
			if a.Header.Get("X-Amz-Function-Error") != tc.kind || !bytes.Contains(a.body, []byte(tc.errorType)) {
				t.Errorf("%v: %s", a.Header, a.body)
			}
		})
	}
}

func TestAllowedRolesAreObeyed(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	w.do(200, "developer", "PUT", "functions/hello", `{"allowedRoles":["Operator"]}`)
	for who, want := range map[string]int{"operator": 200, "admin": 200, "viewer": 403, "developer": 403, "stranger": 404} {
		w.do(want, who, "POST", "functions/hello/invoke", `{}`)
		w.do(want, who, "POST", lambda+"hello/invocations", `{}`)
	}
}

func TestTraceReachesTheFunctionAndTheError(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	var seen string
	w.handler = func(_ context.Context, inv *sandbox.Invocation) (sandbox.Result, error) {
		seen = inv.Traceparent
		return sandbox.Result{}, nil
	}
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	w.do(200, "viewer", "POST", "functions/hello/invoke", `{}`, "Traceparent: "+parent)
	if seen != parent {
		t.Errorf("the function saw %q", seen)
	}
	w.do(200, "viewer", "POST", "functions/hello/invoke", `{}`, "Traceparent: nonsense")
	if !validTraceparent([]byte(seen)) {
		t.Errorf("the function saw %q", seen)
	}
	a := w.do(404, "viewer", "GET", "functions/nobody", "", "Traceparent: "+parent)
	if e := read[wire.Error](t, a); e.Error.TraceID != parent[3:35] || e.Error.Timestamp.IsZero() {
		t.Errorf("%s", a.body)
	}
}

func TestTraceparents(t *testing.T) {
	for text, want := range map[string]bool{
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":     true,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-new": true,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-new": false,
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":     false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01":     false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01":     false,
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01":     false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0":      false,
		"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":     false,
		"": false,
	} {
		if validTraceparent([]byte(text)) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		one := newTraceparent()
		if !validTraceparent([]byte(one)) || seen[one] {
			t.Fatalf("made %q", one)
		}
		seen[one] = true
	}
}

func TestInvocationsRunOnAHost(t *testing.T) {
	w := newWorld(t, nil)
	w.useFake(map[string]sandboxtest.Function{"main.handle": func(_ context.Context, c *sandboxtest.Call) ([]byte, error) {
		c.Log("seen")
		if string(c.Payload) == "fail" {
			return nil, errors.New("no luck")
		}
		return c.Payload, nil
	}})
	w.makeFunction("hello")
	a := w.do(200, "viewer", "POST", "functions/hello/invoke?tail=true", `{"payload":[1],"alias":"live"}`)
	if res := read[wire.InvokeResult](t, a); string(res.Body) != "[1]" || len(res.Logs) != 1 || res.ExecutedVersion != "1" || !strings.Contains(res.LogStreamName, "[1]") {
		t.Errorf("%s", a.body)
	}
	a = w.do(200, "viewer", "POST", lambda+"hello/invocations", "fail")
	if a.Header.Get("X-Amz-Function-Error") != "Handled" || !bytes.Contains(a.body, []byte("no luck")) {
		t.Errorf("%v %s", a.Header, a.body)
	}
	m := read[wire.FunctionMetrics](t, w.do(200, "viewer", "GET", "functions/hello/metrics"))
	if m.Metrics.Invocations != 2 || m.Metrics.Errors != 1 {
		t.Errorf("%+v", m)
	}
}
