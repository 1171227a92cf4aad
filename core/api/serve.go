package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// serve takes a request through its route: admit, handle, note, answer. A
// request that asks whether to send its body (Expect: 100-continue) comes
// twice: first to be admitted only.
func (s *Server) serve(ctx *fasthttp.RequestCtx, rt *route) {
	r := newRequest(ctx, rt, s.now())
	r.memory = s.opts.Memory
	defer r.release()
	if ctx.UserValue(askingFirst) != nil {
		s.serveFirst(r)
		return
	}
	answer, err := s.handle(r)
	if err == nil {
		err = r.answer(answer)
	}
	if err != nil {
		s.fail(r, err)
	}
	s.finish(r)
}

// serveFirst answers a request that asks first only where it is refused.
func (s *Server) serveFirst(r *request) {
	err := s.admit(r)
	if err == nil && r.route.refusal {
		_, err = r.route.handle(s, r)
	}
	if err == nil {
		return
	}
	s.fail(r, err)
	s.finish(r)
	r.hangUp()
}

// handle runs the route's handler for a request that is let in, and notes the
// change in the audit log. A panic becomes an Internal fault.
func (s *Server) handle(r *request) (answer response, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fault.Wrap(fmt.Errorf("panic: %v\n%s", v, debug.Stack()), fault.Internal, "panic", "%s", r.attempt())
		}
	}()
	if err = s.admit(r); err == nil {
		err = s.admitToFunction(r)
	}
	if err == nil {
		answer, err = r.route.handle(s, r)
	}
	s.record(r, err)
	return answer, err
}

// admit decides by the headers alone who calls, whether the route is open to
// them, and whether the body may come. Faults: Unauthenticated, Denied,
// TooLarge, Invalid.
func (s *Server) admit(r *request) error {
	if err := s.authenticate(r); err != nil {
		return err
	}
	if !r.route.open && !r.route.allows(r) {
		return fault.New(fault.Denied, "role", "%s: the role %s may not do this", r.attempt(), r.principal.Role)
	}
	if enc := r.http.Request.Header.Peek(fasthttp.HeaderContentEncoding); len(enc) > 0 && text(enc) != "identity" {
		return invalid("Content-Encoding", "must be identity: bodies are not taken compressed")
	}
	return r.body.tooLarge()
}

func (s *Server) authenticate(r *request) error {
	if r.route.open {
		return nil
	}
	p, err := s.identity.Authenticate(r.context, text(r.bearer()))
	if err != nil {
		return err
	}
	r.principal = p
	return nil
}

// admitToFunction counts the request and finds the function that the route
// names. One of a team that the caller does not belong to is not there.
// Faults: Throttled, NotFound.
func (s *Server) admitToFunction(r *request) error {
	if r.route.open {
		return nil
	}
	if err := s.limitUser(r); err != nil || !r.route.function {
		return err
	}
	name := r.param("name")
	if r.route.qualified {
		name = nameOf(name)
	}
	f, err := s.visible(r, name)
	if err != nil {
		return err
	}
	r.function = f
	return s.limitFunction(r)
}

// visible returns a function that the caller may see. Fault: NotFound, in the
// same words whether the function is missing or another team's.
func (s *Server) visible(r *request, name string) (*function.Function, error) {
	f, err := s.catalog.Function(name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err != nil || !r.principal.Sees(f.Team) {
		return nil, fault.New(fault.NotFound, "function_not_found", "no function %.80q", name)
	}
	return f, nil
}

// response is what a handler answers. The zero value is an empty 204.
type response struct {
	status int // 0: 200 with a body, 204 without
	json   any
	raw    []byte // must not change until it is sent
	stream io.ReadCloser
	size   int64  // of stream, in bytes
	kind   string // Content-Type of raw and stream
}

// answer writes a response. JSON is made before anything is written, so that
// what cannot be encoded becomes a clean failure.
func (r *request) answer(a response) error {
	out := &r.http.Response
	switch {
	case a.json != nil:
		data, err := encode(a.json)
		if err != nil {
			return fault.Wrap(err, fault.Internal, "encode", "answer %s", r.attempt())
		}
		out.SetBodyRaw(data)
		out.Header.SetContentType("application/json")
	case a.stream != nil:
		out.SetBodyStream(a.stream, int(a.size))
		out.Header.SetContentType(a.kind)
	case a.raw != nil:
		out.SetBodyRaw(a.raw)
		out.Header.SetContentType(a.kind)
	default:
		out.SetStatusCode(fasthttp.StatusNoContent)
	}
	if a.status != 0 {
		out.SetStatusCode(a.status)
	}
	return nil
}

// encode leaves <, > and & alone: nobody puts this into HTML.
func encode(v any) ([]byte, error) {
	var out bytesWriter
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return out, nil
}

type bytesWriter []byte

// Write implements io.Writer.
func (w *bytesWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// fail answers a fault and logs it, once. It is the one place where faults
// become HTTP.
func (s *Server) fail(r *request, err error) {
	f := s.faultOf(r, err)
	o := outcomeOf(f)
	s.logFailure(r, f, o)
	out := &r.http.Response
	out.ResetBody()
	out.SetStatusCode(o.status)
	out.Header.SetContentType("application/json")
	switch {
	case o.status == fasthttp.StatusUnauthorized:
		r.header(fasthttp.HeaderWWWAuthenticate, challenge(r))
	case o.retry > 0:
		r.header(fasthttp.HeaderRetryAfter, strconv.Itoa(seconds(o.retry)))
	}
	if r.route.amazon {
		r.header("X-Amzn-Errortype", o.amazon)
	}
	out.SetBodyRaw(s.errorBody(r.traceID(), o.code, f))
}

// challenge is what RFC 6750 asks for: an error only for a token that was
// given.
func challenge(r *request) string {
	if len(r.http.Request.Header.Peek(fasthttp.HeaderAuthorization)) == 0 {
		return `Bearer realm="skiff"`
	}
	return `Bearer realm="skiff", error="invalid_token"`
}

// faultOf tells a request that was cut off by us from one whose client left.
func (s *Server) faultOf(r *request, err error) *fault.Error {
	f := fault.Of(err)
	if f.Class == fault.Canceled && errors.Is(r.context.ended(), errStopping) {
		return fault.Wrap(err, fault.Unavailable, "stopping", "%s: the appliance stops", r.attempt())
	}
	return f
}

func (s *Server) errorBody(traceID, code string, f *fault.Error) []byte {
	data, err := encode(wire.Error{Error: wire.ErrorBody{
		Code: code, Message: publicMessage(f), Details: f.Details, TraceID: traceID, Timestamp: s.now().UTC(),
	}})
	if err != nil { // cannot be: the shape holds text only
		s.log.Error("encode an error", "error", err)
	}
	return data
}

func (s *Server) logFailure(r *request, f *fault.Error, o outcome) {
	level := slog.LevelDebug
	switch {
	case o.status >= 500:
		level = slog.LevelError
	case o.status == fasthttp.StatusUnauthorized || o.status == fasthttp.StatusForbidden:
		level = slog.LevelInfo
	}
	if !s.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []any{"method", string(r.http.Method()), "route", r.route.path, "status", o.status, "code", o.code,
		"class", f.Class.String(), "reason", f.Reason, "trace_id", r.traceID(), "remote", r.http.RemoteAddr().String(), "error", f.Error()}
	if r.principal != nil {
		attrs = append(attrs, "user", r.principal.User)
	}
	if r.function != nil {
		attrs = append(attrs, "function", r.function.Name)
	}
	if r.requestID != "" {
		attrs = append(attrs, "request_id", r.requestID)
	}
	s.log.Log(context.Background(), level, "request failed", attrs...)
}

// finish sets what every answer has and counts the request.
func (s *Server) finish(r *request) {
	h := &r.http.Response.Header
	id := r.requestID
	if id == "" {
		id = r.traceID()
	}
	h.SetCanonical(nameRequestID, []byte(id))
	secure(h)
	if r.body.leftover() {
		r.hangUp()
	}
	if s.opts.Requests != nil {
		s.opts.Requests.Request(r.route.path, r.route.method, r.http.Response.StatusCode(), s.now().Sub(r.began))
	}
}

// secure sets what keeps a browser from taking an answer for a page.
func secure(h *fasthttp.ResponseHeader) {
	for i := range secureHeaders {
		h.SetCanonical(secureHeaders[i].name, secureHeaders[i].value)
	}
}

// Headers of every answer, in the spelling that fasthttp need not look at.
var (
	nameRequestID = []byte("X-Request-Id")
	secureHeaders = [...]struct{ name, value []byte }{
		{[]byte("X-Content-Type-Options"), []byte("nosniff")},
		{[]byte("Cache-Control"), []byte("no-store")},
		{[]byte("Content-Security-Policy"), []byte("default-src 'none'; frame-ancestors 'none'")},
		{[]byte("Referrer-Policy"), []byte("no-referrer")},
	}
)

// hangUp closes the connection after the answer: what is left of the body
// would be taken for the next request.
func (r *request) hangUp() {
	r.http.SetConnectionClose()
	if r.conn != nil {
		r.conn.linger.Store(true)
	}
}

// allows reports whether the caller may use the route.
func (rt *route) allows(r *request) bool {
	return slices.Contains(rt.roles, r.principal.Role) || rt.self && r.param("name") == r.principal.User
}
