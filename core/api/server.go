// Package api serves the HTTP API: it knows the routes, who may use them, and
// how requests and faults look on the wire.
//
// What a route does belongs to the use cases behind its ports (ports.go); no
// rule over functions, users or invocations is decided here. Nothing here
// knows the store, a host of instances or how metrics are kept.
package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// Options are what a Server needs. Catalog, Identity, Invoker, Audit and Code
// must be set.
type Options struct {
	Listen  string      // host:port; port 0 picks a free one
	TLS     *tls.Config // nil: plain HTTP
	Version string      // of the program
	Dev     bool        // no rate limits

	Catalog  Catalog
	Identity Identity
	Invoker  Invoker
	Audit    Audit
	Code     Code
	Runtimes *function.Catalogue // nil: the built-in ones

	Metrics  http.Handler            // answers /metrics; nil: there are none
	Requests Requests                // nil: requests are not counted
	Memory   Memory                  // nil: bodies are not charged
	Ready    func() []wire.Component // nil: ready while it serves

	RateLimits RateLimits
	TempDir    string // for uploads that are too large for memory; empty: the system's

	Log *slog.Logger     // nil: slog.Default
	Now func() time.Time // nil: time.Now
}

// Timeouts of a connection. A slow body, and a download, have more as long as
// they keep a pace; see paceBytes.
const (
	readTimeout  = 30 * time.Second // headers and a small body
	writeTimeout = 60 * time.Second
	idleTimeout  = 75 * time.Second
)

const (
	// headerBytes holds the largest token that identity gives, and as much
	// again. Every open connection has a buffer of this size.
	headerBytes    = 16 << 10
	maxConnections = 16 << 10
)

// Server serves the API. Start and Stop may not run at the same time.
type Server struct {
	opts     Options
	catalog  Catalog
	identity Identity
	invoker  Invoker
	limits   *limits
	log      *slog.Logger
	now      func() time.Time

	router *router.Router
	http   *fasthttp.Server
	conns  *connTable
	addr   net.Addr

	stop    chan struct{} // closed to end the watch; nil unless started
	serving sync.WaitGroup
}

// New returns a Server that does nothing until Start.
func New(opts Options) *Server {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Runtimes == nil {
		opts.Runtimes = function.NewCatalogue()
	}
	if opts.Dev {
		opts.RateLimits = RateLimits{}
	}
	s := &Server{
		opts: opts, catalog: opts.Catalog, identity: opts.Identity, invoker: opts.Invoker,
		limits: newLimits(opts.RateLimits),
		log:    opts.Log.With("component", "api"), now: opts.Now, conns: newConnTable(),
	}
	s.router = s.newRouter(table)
	s.http = s.newHTTP()
	return s
}

func (s *Server) newHTTP() *fasthttp.Server {
	return &fasthttp.Server{
		Name:          "skiff",
		Handler:       s.router.Handler,
		ErrorHandler:  s.malformed,
		ExpectHandler: s.expect,

		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ReadBufferSize: headerBytes, Concurrency: maxConnections,

		// The limit is each route's own and is kept while the body streams in.
		// This one bounds only what is read ahead of the handler: next to
		// nothing, so that a refusal does not wait for the body.
		StreamRequestBody: true, MaxRequestBodySize: 1,
		DisablePreParseMultipartForm: true,

		NoDefaultContentType: true, SecureErrorLogMessage: true, CloseOnShutdown: true,
		Logger: httpLog{s.log},
	}
}

// httpLog takes what fasthttp complains of: connections that broke.
type httpLog struct{ log *slog.Logger }

// Printf implements fasthttp.Logger.
func (l httpLog) Printf(format string, args ...any) {
	l.log.Debug("connection failed", "error", fmt.Sprintf(format, args...))
}

// Start listens; it returns when requests are taken. Fault: Unavailable where
// the address cannot be listened on.
func (s *Server) Start(ctx context.Context) error {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", s.opts.Listen)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "listen", "listen on %s", s.opts.Listen).
			WithRemedy("choose another address by --listen, or port 0 for a free one")
	}
	s.listen(ln)
	return nil
}

// listen serves a listener in the background until Stop. It returns once
// fasthttp accepts: a Stop before that would find it with nothing to stop, and
// then wait for it in vain.
func (s *Server) listen(ln net.Listener) {
	s.addr = ln.Addr()
	stop := make(chan struct{})
	s.stop = stop
	own := newListener(ln, s.conns)
	var outer net.Listener = own
	if s.opts.TLS != nil {
		outer = tls.NewListener(own, s.opts.TLS)
	}
	s.serving.Go(func() { s.conns.watch(stop) })
	s.serving.Go(func() {
		if err := s.http.Serve(outer); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Error("the API takes no more connections", "error", err)
		}
	})
	<-own.accepting
}

// Addr is where the server listens, once it has started.
func (s *Server) Addr() net.Addr { return s.addr }

// cutTimeout bounds how long Stop waits for requests that it has cut off.
const cutTimeout = 2 * time.Second

// Stop takes no more connections, answers the requests that are under way and
// closes. When ctx ends first it cuts them off and says so. It may be called
// again.
func (s *Server) Stop(ctx context.Context) error {
	if s.stop == nil {
		return nil
	}
	// fasthttp must know first that it stops: only then does a connection that
	// has answered close instead of waiting for the next request.
	drain, give := context.WithCancel(context.WithoutCancel(ctx))
	defer give()
	drained := make(chan error, 1)
	go func() { drained <- s.http.ShutdownWithContext(drain) }()
	s.conns.closeUnused()
	err := s.drain(ctx, drained, give)
	close(s.stop)
	s.stop = nil
	s.serving.Wait()
	return err
}

func (s *Server) drain(ctx context.Context, drained <-chan error, give func()) error {
	select {
	case err := <-drained:
		return err
	case <-ctx.Done():
	}
	s.conns.closeAll()
	timer := time.AfterFunc(cutTimeout, give)
	defer timer.Stop()
	<-drained
	return fault.Wrap(ctx.Err(), fault.Timeout, "drain_timeout", "stop the API: requests were cut off")
}
