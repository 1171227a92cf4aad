package api

import (
	"errors"
	"net"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/skiffhq/skiff/core/fault"
)

// askingFirst marks a request that asks whether to send its body.
const askingFirst = "skiff.expect"

// newRouter matches the raw path: a percent-encoded slash in a name does not
// end it, and dots lead nowhere. Nothing is redirected: a client that has a
// path wrong shall be told.
func (s *Server) newRouter(routes []route) *router.Router {
	m := router.New()
	m.RedirectTrailingSlash, m.RedirectFixedPath, m.HandleOPTIONS = false, false, false
	for i := range routes {
		rt := &routes[i]
		handle := func(ctx *fasthttp.RequestCtx) { s.serve(ctx, rt) }
		m.Handle(rt.method, rt.path, handle)
		if rt.method == fasthttp.MethodGet {
			m.Handle(fasthttp.MethodHead, rt.path, handle)
		}
	}
	m.NotFound = s.refuse(&route{handle: noRoute})
	m.MethodNotAllowed = s.refuse(&route{handle: noMethod})
	return m
}

// refuse answers requests that no route takes, in the shape of all others.
func (s *Server) refuse(rt *route) fasthttp.RequestHandler {
	rt.open, rt.refusal, rt.maxBody = true, true, maxLeftover
	return func(ctx *fasthttp.RequestCtx) { s.serve(ctx, rt) }
}

func noRoute(*Server, *request) (response, error) {
	return response{}, fault.New(fault.NotFound, "no_route", "there is nothing at this path").
		WithRemedy("see " + base + "/openapi.json")
}

// noMethod has Allow set by the router, which counts OPTIONS in.
func noMethod(_ *Server, r *request) (response, error) {
	allow := string(r.http.Response.Header.Peek(fasthttp.HeaderAllow))
	allow = strings.TrimSuffix(strings.ReplaceAll(allow+", ", "OPTIONS, ", ""), ", ")
	r.header(fasthttp.HeaderAllow, allow)
	return response{}, fault.New(fault.Invalid, reasonMethod, "this path does not take %.20s", r.http.Method()).
		WithRemedy("it takes " + allow)
}

// expect decides whether a client that asks first may send its body. Where it
// may not, the answer is written already; fasthttp sends it and hangs up.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	ctx.SetUserValue(askingFirst, true)
	s.router.Handler(ctx)
	ctx.Request.ResetUserValues()
	if code := ctx.Response.StatusCode(); code != fasthttp.StatusOK {
		return code
	}
	return fasthttp.StatusContinue
}

// malformed answers what could not be read as a request; fasthttp hangs up.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	rt := &route{open: true, refusal: true, handle: func(*Server, *request) (response, error) { return response{}, malformedFault(err) }}
	s.serve(ctx, rt)
}

func malformedFault(err error) error {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &small):
		return fault.Wrap(err, fault.TooLarge, "header_too_large", "read request: the headers are over the limit of %d bytes", headerBytes)
	case errors.As(err, &network) && network.Timeout():
		return fault.Wrap(err, fault.Invalid, "slow_request", "read request: it came too slowly")
	}
	return fault.Wrap(err, fault.Invalid, "malformed_request", "read request: it is not well-formed HTTP")
}
