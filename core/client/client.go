// Package client calls the HTTP API of an appliance: one method an endpoint,
// over the shapes of core/wire.
//
// It judges nothing: rules over values are the server's, what to show of an
// answer the caller's. No invocation and no change is ever sent twice.
package client

import (
	"cmp"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// DefaultServer is where an appliance listens that was told nothing else.
const DefaultServer = "http://127.0.0.1:8080"

// Options are the settings of a Client.
type Options struct {
	Server    string // URL, or host:port for plain HTTP; empty means DefaultServer
	Token     string // sent as Bearer; empty sends none
	UserAgent string // empty means "skiff-client"

	// HTTPClient replaces the client's own, which has no timeout beyond that
	// of the context and follows no redirects, so that the token stays with
	// the server it was meant for.
	HTTPClient *http.Client

	// ReadRetries is how many times a GET is repeated that was answered 503
	// with a Retry-After of at most 5 s. 0 means never.
	ReadRetries int
}

// Client calls one appliance. Its methods may be called from many goroutines.
// They return *Error for what the server refused, an Unavailable fault with a
// remedy where it could not be reached, and the context's error, wrapped,
// where that ended first.
type Client struct {
	server    string // without a slash at its end
	token     string
	userAgent string
	http      *http.Client
	retries   int
}

// New returns a Client. It connects to nothing. Fault: Invalid where Server is
// no address.
func New(o Options) (*Client, error) {
	server, err := ParseServer(cmp.Or(o.Server, DefaultServer))
	if err != nil {
		return nil, err
	}
	c := &Client{
		server: server, token: o.Token, userAgent: cmp.Or(o.UserAgent, "skiff-client"),
		http: o.HTTPClient, retries: o.ReadRetries,
	}
	if c.http == nil {
		c.http = &http.Client{Transport: transport(), CheckRedirect: stayHere}
	}
	return c, nil
}

// Server returns the address in the form of ParseServer.
func (c *Client) Server() string { return c.server }

// Close lets go of idle connections. The client stays usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ParseServer returns the one form of a server's address: a URL of http or
// https without a slash at its end. "host:port" means plain HTTP. Fault:
// Invalid.
func ParseServer(s string) (string, error) {
	text := strings.TrimSpace(s)
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fault.New(fault.Invalid, "bad_server", "server %.200q is no address", s).
			WithRemedy(`write it as "http://127.0.0.1:8080" or "https://edge.example"`)
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/"), nil
}

// Loopback reports whether a server's address, in the form of ParseServer, can
// be reached on this host alone. A name other than localhost is not looked up.
func Loopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// transport bounds the steps that are never slow for a good reason. An answer
// may take as long as a function runs.
func transport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       30 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

func stayHere(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
