package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		x     exchange
		code  string
		after time.Duration
		text  string
	}{
		"details, one a line": {
			exchange{status: 400, reply: `{"error":{"code":"VALIDATION_ERROR","message":"create function","details":[{"field":"memorySize","message":"must be 128 to 10240"},{"field":"timeout","message":"must be 1 to 900"}],"traceId":"t1"}}`},
			"VALIDATION_ERROR", 0, "create function (VALIDATION_ERROR)\n  memorySize: must be 128 to 10240\n  timeout: must be 1 to 900",
		},
		"the server's own fault": {
			exchange{status: 500, reply: `{"error":{"code":"INTERNAL_ERROR","message":"an internal error occurred","traceId":"t1"}}`},
			"INTERNAL_ERROR", 0, "an internal error occurred (INTERNAL_ERROR)\n  trace id: t1",
		},
		"busy": {
			exchange{status: 429, reply: `{"error":{"code":"RATE_LIMIT_EXCEEDED","message":"too many"}}`, with: map[string]string{"Retry-After": "7"}},
			"RATE_LIMIT_EXCEEDED", 7 * time.Second, "too many (RATE_LIMIT_EXCEEDED)",
		},
		"a proxy": {
			exchange{status: 502, reply: "<html>\n\x1b[31m bad\tgateway</html>"},
			"", 0, "the server answered 502 Bad Gateway: <html> [31m bad gateway</html>",
		},
		"JSON of others": {exchange{status: 404, reply: `{"error":{"x":1}}`}, "", 0, `the server answered 404 Not Found: {"error":{"x":1}}`},
		"nothing":        {exchange{status: 403}, "", 0, "the server answered 403 Forbidden"},
		"very much":      {exchange{status: 400, reply: strings.Repeat("é", 300)}, "", 0, "the server answered 400 Bad Request: " + strings.Repeat("é", 200) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.x.want = "GET /api/v1/users"
			_, err := serve(t, tc.x).Users(t.Context(), Page{})
			var e *Error
			if !errors.As(err, &e) || !HasStatus(err, tc.x.status) || e.Code != tc.code || e.RetryAfter != tc.after {
				t.Fatalf("got %+v", err)
			}
			if e.Error() != tc.text {
				t.Errorf("got  %q\nwant %q", e.Error(), tc.text)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
		for in, want := range map[string]time.Duration{"": 0, "3": 3 * time.Second, "-1": 0, "soon": 0, at: 90 * time.Second, "Mon, 01 Jan 1990 00:00:00 GMT": 0} {
			if got := retryAfter(in); got != want {
				t.Errorf("%q: got %v, want %v", in, got, want)
			}
		}
	})
}

func TestAnswersThatAreNotTheAPIs(t *testing.T) {
	_, err := serve(t, exchange{want: "GET /healthz", reply: "<html>"}).Health(t.Context())
	if err == nil || !strings.Contains(err.Error(), "/healthz") {
		t.Errorf("got %v", err)
	}
	if _, err := serve(t, exchange{want: "GET /readyz", status: 404}).Ready(t.Context()); !HasStatus(err, 404) {
		t.Errorf("got %v", err)
	}
}

func TestUnreachableServersComeWithARemedy(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = nil
	secure.StartTLS()
	defer secure.Close()
	for server, remedy := range map[string]string{
		"http://" + closedPort(t):                            "skiff serve",
		strings.Replace(plain.URL, "http://", "https://", 1): "http://",
		secure.URL: "SSL_CERT_FILE",
	} {
		c, err := New(Options{Server: server})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Health(t.Context())
		f := fault.Of(err)
		if f.Class != fault.Unavailable || !strings.Contains(f.Message, server) || !strings.Contains(f.Remedy, remedy) {
			t.Errorf("%s: got %v", server, err)
		}
		c.Close()
	}
}

// closedPort returns an address that nothing listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestTheContextEndsACall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := serve(t).Health(ctx)
	if !errors.Is(err, context.Canceled) || fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

// answers is a transport that gives one status after the other, without a
// network and therefore inside a bubble of synctest.
type answers struct {
	status []int
	after  string
	seen   int
}

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status := a.status[a.seen]
	a.seen++
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: r,
		Header: http.Header{"Retry-After": {a.after}}, Body: io.NopCloser(bytes.NewReader([]byte("{}"))),
	}, nil
}

func TestReadsAreRepeatedWhereTheServerAsksForIt(t *testing.T) {
	for name, tc := range map[string]struct {
		answers answers
		write   bool
		seen    int
		waited  time.Duration
		ok      bool
	}{
		"comes back":            {answers{[]int{503, 503, 200}, "2", 0}, false, 3, 4 * time.Second, true},
		"gives up":              {answers{[]int{503, 503, 503, 200}, "2", 0}, false, 3, 4 * time.Second, false},
		"asked to wait long":    {answers{[]int{503, 200}, "6", 0}, false, 1, 0, false},
		"not asked to return":   {answers{[]int{503, 200}, "", 0}, false, 1, 0, false},
		"throttled":             {answers{[]int{429, 200}, "1", 0}, false, 1, 0, false},
		"changes are sent once": {answers{[]int{503, 200}, "1", 0}, true, 1, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(Options{HTTPClient: &http.Client{Transport: &tc.answers}, ReadRetries: 2})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if tc.write {
					err = c.DeleteUser(t.Context(), "x")
				} else {
					_, err = c.Health(t.Context())
				}
				if (err == nil) != tc.ok || tc.answers.seen != tc.seen || time.Since(start) != tc.waited {
					t.Errorf("got %v after %d requests and %v", err, tc.answers.seen, time.Since(start))
				}
			})
		})
	}
}

func TestTheContextEndsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Options{HTTPClient: &http.Client{Transport: &answers{status: []int{503, 200}, after: "5"}}, ReadRetries: 2})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Health(ctx); !HasStatus(err, 503) {
			t.Errorf("got %v", err)
		}
	})
}
