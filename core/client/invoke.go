package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// Invocation is a call of a function.
type Invocation struct {
	Function  string
	Qualifier function.Qualifier // the zero value is $LATEST
	Payload   json.RawMessage    // JSON, or a string that is handed over as it is; empty for none
	DryRun    bool               // asks whether it would be run, and runs nothing
	Tail      bool               // asks for the log lines
}

// Invoke runs a function and waits. That the function failed is an answer, see
// InvokeResult.FunctionError, and no error. A dry run that would be allowed
// answers nil.
func (c *Client) Invoke(ctx context.Context, i Invocation) (*wire.InvokeResult, error) {
	body := wire.Invoke{Payload: i.Payload, Alias: i.Qualifier.Alias}
	if i.Qualifier.Version != 0 {
		body.Version = strconv.AppendUint(nil, uint64(i.Qualifier.Version), 10)
	}
	if i.DryRun {
		body.InvocationType = wire.DryRun
	}
	resp, err := c.open(ctx, request{
		method: http.MethodPost, path: api("functions", i.Function, "invoke"),
		query: url.Values(params{}.flag("tail", i.Tail)), body: body,
	})
	if err != nil {
		return nil, err
	}
	defer drain(resp.Body)
	if resp.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	out := new(wire.InvokeResult)
	return orNil(out, c.decode(resp, out))
}

// RawInvocation is a call of a function, byte for byte.
type RawInvocation struct {
	Function  string
	Qualifier function.Qualifier // the zero value is $LATEST
	Payload   []byte
	Type      string // of the payload; empty means application/json
	Tail      bool   // asks for the end of the log
	Report    bool   // asks for RawResult.Report
}

// RawResult is what a function answered, byte for byte.
type RawResult struct {
	Body            []byte
	Type            string // of the body
	FunctionError   string // "Handled" or "Unhandled"; empty where it succeeded
	ExecutedVersion string // "6" or "$LATEST"
	RequestID       string
	Log             []byte // the end of the log, at most 4 KiB, where Tail asked for it
	Header          http.Header

	// Report holds what the typed result tells beside the body; nil where it
	// was not asked for, or the server has none.
	Report *wire.InvokeResult
}

// InvokeRaw runs a function by the path of AWS Lambda's Invoke and waits. That
// the function failed is an answer, see RawResult.FunctionError, and no error.
func (c *Client) InvokeRaw(ctx context.Context, i RawInvocation) (*RawResult, error) {
	resp, err := c.open(ctx, i.request())
	if err != nil {
		return nil, err
	}
	defer drain(resp.Body)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(err)
	}
	return rawResult(resp.Header, body)
}

func (i RawInvocation) request() request {
	r := request{
		method: http.MethodPost,
		path:   "/2015-03-31/functions/" + url.PathEscape(i.Function) + "/invocations",
		header: http.Header{"X-Amz-Invocation-Type": {wire.RequestResponse}},
		upload: &upload{data: bytes.NewReader(i.Payload), size: int64(len(i.Payload)), mime: "application/json"},
	}
	if !i.Qualifier.IsLatest() {
		r.query = url.Values{"Qualifier": {i.Qualifier.String()}}
	}
	if i.Type != "" {
		r.upload.mime = i.Type
	}
	if i.Tail {
		r.header.Set("X-Amz-Log-Type", "Tail")
	}
	if i.Report {
		r.header.Set(wire.HeaderReport, "true")
	}
	return r
}

func rawResult(h http.Header, body []byte) (*RawResult, error) {
	log, err := base64.StdEncoding.DecodeString(h.Get("X-Amz-Log-Result"))
	if err != nil {
		return nil, fmt.Errorf("read the log in an invocation's answer: %w", err)
	}
	r := &RawResult{
		Body: body, Type: h.Get("Content-Type"), Log: log, Header: h,
		FunctionError:   h.Get("X-Amz-Function-Error"),
		ExecutedVersion: h.Get("X-Amz-Executed-Version"),
		RequestID:       h.Get("X-Amzn-RequestId"),
	}
	if text := h.Get(wire.HeaderReport); text != "" {
		if err := json.Unmarshal([]byte(text), &r.Report); err != nil {
			return nil, fmt.Errorf("read the report in an invocation's answer: %w", err)
		}
	}
	return r, nil
}
