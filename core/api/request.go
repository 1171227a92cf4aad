package api

import (
	"bytes"
	"context"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
)

// request is a request on its way through its route. It is used again for
// another one after it was answered, like the fasthttp.RequestCtx in it:
// nothing of either may be kept, and text that outlives the handler is copied.
type request struct {
	http    *fasthttp.RequestCtx
	route   *route
	context *requestContext // its own for each request
	conn    *conn           // nil where the connection is not one of ours
	began   time.Time

	principal   *identity.Principal // nil on open routes
	function    *function.Function  // where the route names one
	traceparent string
	requestID   string // of an invocation, once it is known
	body        body
	buffer      []byte // kept from request to request
	memory      Memory // nil: nothing is charged
	charged     int64  // for the buffer, in bytes

	limited   bool
	remaining int

	target string            // what the audit log says was changed; empty: by the route
	notes  map[string]string // what else it says
	actor  string            // who it says did it; empty: the principal
}

// ctx ends when the client has gone.
func (r *request) ctx() context.Context { return r.context }

// maxKeptBuffer bounds what a request that is not used holds, in bytes.
const maxKeptBuffer = 64 << 10

var requests = sync.Pool{New: func() any { return new(request) }}

func newRequest(ctx *fasthttp.RequestCtx, rt *route, now time.Time) *request {
	r := requests.Get().(*request)
	r.http, r.route, r.began = ctx, rt, now
	r.context = &requestContext{}
	r.traceparent = traceparentOf(&ctx.Request.Header)
	r.body.open(ctx, rt.maxBody)
	if r.conn = connOf(ctx.Conn()); r.conn != nil {
		r.conn.current.Store(r.context)
	}
	return r
}

// release ends the request's context and gives r back.
func (r *request) release() {
	if r.conn != nil {
		r.conn.current.Store(nil)
	}
	r.context.end(errAnswered)
	kept := r.buffer[:0]
	if cap(kept) > maxKeptBuffer {
		kept = nil
	}
	if r.charged > 0 {
		r.memory.Release(r.charged)
	}
	*r = request{buffer: kept}
	requests.Put(r)
}

func traceparentOf(h *fasthttp.RequestHeader) string {
	if b := h.Peek("Traceparent"); validTraceparent(b) {
		return string(b)
	}
	return newTraceparent()
}

func (r *request) traceID() string { return r.traceparent[traceIDStart:traceIDEnd] }

// param returns a part of the path, decoded. It was matched before it was
// decoded, so it may hold a slash but never reach another route.
func (r *request) param(name string) string {
	raw, _ := r.http.UserValue(name).(string)
	if strings.IndexByte(raw, '%') < 0 {
		return raw
	}
	if text, err := url.PathUnescape(raw); err == nil {
		return text
	}
	return raw
}

// query returns a parameter of the query, "" where it is not given. The text
// is a copy.
func (r *request) query(name string) string { return string(r.http.QueryArgs().Peek(name)) }

// flag reads a parameter that is true or false.
func (r *request) flag(name string) (bool, error) {
	switch r.query(name) {
	case "", "false", "0":
		if r.http.QueryArgs().Has(name) && r.query(name) == "" {
			return true, nil // "?force"
		}
		return false, nil
	case "true", "1":
		return true, nil
	}
	return false, invalid(name, "must be true or false")
}

// number reads a parameter that is a whole number from low to high.
func (r *request) number(name string, otherwise, low, high int) (int, error) {
	text := r.query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, invalid(name, "must be a whole number from %d to %d", low, high)
	}
	return n, nil
}

// bearer returns the credential of the request, which lives in its memory.
func (r *request) bearer() []byte {
	h := r.http.Request.Header.Peek(fasthttp.HeaderAuthorization)
	const scheme = "bearer "
	if len(h) <= len(scheme) || !strings.EqualFold(text(h[:len(scheme)]), scheme) {
		return nil
	}
	return bytes.TrimSpace(h[len(scheme):])
}

// maxShownPath bounds what of a path goes back in a message, in bytes.
const maxShownPath = 200

// attempt is what the client asks for, as messages name it:
// "PUT /api/v1/functions/hello". The path stays escaped, so it is safe to show.
func (r *request) attempt() string {
	path := r.http.URI().PathOriginal()
	return r.route.method + " " + string(path[:min(len(path), maxShownPath)])
}

// may reports whether the role of the caller is one of these.
func (r *request) may(roles ...function.Role) bool {
	for _, role := range roles {
		if r.principal.Role == role {
			return true
		}
	}
	return false
}

// note adds to what the audit log says of the request. Neither secrets nor
// values of the environment belong there.
func (r *request) note(key, value string) {
	if r.notes == nil {
		r.notes = map[string]string{}
	}
	r.notes[key] = value
}

func (r *request) header(name, value string) { r.http.Response.Header.Set(name, value) }

// tellLimit sets the headers that tell of a limit; Reset is the time, in
// seconds since 1970, from which nothing counts any more.
func (r *request) tellLimit(a allowance, now time.Time) {
	r.header("X-RateLimit-Limit", strconv.Itoa(a.limit))
	r.header("X-RateLimit-Remaining", strconv.Itoa(a.remaining))
	r.header("X-RateLimit-Reset", strconv.FormatInt(now.Add(a.full+time.Second-1).Unix(), 10))
}
