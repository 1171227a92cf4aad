package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exchange is one request that a server expects and what it answers.
type exchange struct {
	want   string            // method and target as on the wire
	header map[string]string // that the request must carry; "" for must not
	body   string            // of the request, byte for byte

	status int // 200 if 0
	reply  string
	with   map[string]string // header of the answer
}

// serve answers the exchanges in their order and fails the test for anything
// else.
func serve(t *testing.T, exchanges ...exchange) *Client {
	t.Helper()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n == len(exchanges) {
			t.Errorf("unexpected %s %s", r.Method, r.URL)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		x := exchanges[n]
		n++
		x.check(t, r)
		x.answer(w)
	}))
	c, err := New(Options{Server: server.URL, Token: "secret", UserAgent: "test/1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		server.Close()
		if n != len(exchanges) {
			t.Errorf("%d of %d requests came", n, len(exchanges))
		}
	})
	return c
}

func (x exchange) check(t *testing.T, r *http.Request) {
	if got := r.Method + " " + r.RequestURI; got != x.want {
		t.Errorf("got  %s\nwant %s", got, x.want)
	}
	want := map[string]string{"Authorization": "Bearer secret", "User-Agent": "test/1", "If-Match": ""}
	if x.body != "" {
		want["Content-Type"] = "application/json"
	}
	for k, v := range x.header {
		want[k] = v
	}
	for k, v := range want {
		if got := r.Header.Get(k); got != v {
			t.Errorf("%s: header %s is %q, want %q", x.want, k, got, v)
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != x.body {
		t.Errorf("%s: body\ngot  %s (%v)\nwant %s", x.want, body, err, x.body)
	}
	if len(r.TransferEncoding) > 0 {
		t.Errorf("%s: sent in chunks though its length is known", x.want)
	}
}

func (x exchange) answer(w http.ResponseWriter) {
	for k, v := range x.with {
		w.Header().Set(k, v)
	}
	if x.status != 0 {
		w.WriteHeader(x.status)
	}
	_, _ = io.WriteString(w, x.reply)
}

func TestParseServer(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:8080":        "http://127.0.0.1:8080",
		"edge":                  "http://edge",
		" https://Edge.Example": "https://edge.example",
		"http://h:1/":           "http://h:1",
		"https://h/skiff/":      "https://h/skiff",
		"[::1]:80":              "http://[::1]:80",
	} {
		if got, err := ParseServer(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "ftp://h", "http://", "http://u:p@h", "http://h?x=1", "http://h#f", "http://h:port", "unix:///run/x"} {
		if got, err := ParseServer(in); !fault.Is(err, fault.Invalid) || fault.Of(err).Remedy == "" {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func TestNewTakesTheDefaultServerAndRefusesNoAddress(t *testing.T) {
	c, err := New(Options{})
	if err != nil || c.Server() != DefaultServer {
		t.Errorf("got %v, %v", c, err)
	}
	if _, err := New(Options{Server: "ftp://x"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestLoopback(t *testing.T) {
	for in, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://127.9.9.9": true, "http://localhost:1": true, "https://[::1]:1": true,
		"http://192.168.1.1": false, "http://edge": false, "http://localhost.evil": false, "%": false,
	} {
		if got := Loopback(in); got != want {
			t.Errorf("%s: got %v", in, got)
		}
	}
}

func TestServerBelowAPath(t *testing.T) {
	c := serve(t, exchange{want: "GET /edge/healthz", reply: `{"status":"ok"}`})
	c.server += "/edge"
	if h, err := c.Health(t.Context()); err != nil || h.Status != "ok" {
		t.Errorf("got %v, %v", h, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	c := serve(t, exchange{want: "GET /healthz", status: http.StatusFound, with: map[string]string{"Location": "http://evil.example/"}})
	_, err := c.Health(t.Context())
	if !HasStatus(err, http.StatusFound) || !strings.Contains(err.Error(), "evil.example") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutATokenNoneIsSent(t *testing.T) {
	c := serve(t, exchange{want: "GET /healthz", header: map[string]string{"Authorization": ""}, reply: "{}"})
	c.token = ""
	if _, err := c.Health(t.Context()); err != nil {
		t.Error(err)
	}
}
