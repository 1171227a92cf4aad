package scenario

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/skiffhq/skiff/bench/load"
)

func TestRequestsAreWhatAnyServerReads(t *testing.T) {
	sc, _ := Find("wasm-go")
	b := &bench{scenario: &sc}
	target := b.appliance("http://example.test:81/prefix", "secret", "greet")
	if len(target.requests) != distinct {
		t.Fatalf("%d requests", len(target.requests))
	}
	for i, r := range target.requests {
		src := bufio.NewReader(bytes.NewReader(r.Wire))
		req, err := http.ReadRequest(src)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		body, err := io.ReadAll(req.Body)
		if err != nil || string(body) != string(person(i)) || string(r.Want) != string(sc.Answer()(body)) || src.Buffered() > 0 {
			t.Errorf("request %d: %q, want %q answered by %q; %v", i, body, person(i), r.Want, err)
		}
		if req.Host != "example.test:81" || req.URL.Path != "/prefix/2015-03-31/functions/greet/invocations" || req.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("request %d: %+v", i, req)
		}
		if len(r.Wire) > load.MaxRequest {
			t.Errorf("request %d is longer than may be sent", i)
		}
	}
}

func TestServersAreDialledByTheirScheme(t *testing.T) {
	plain, secret := httptest.NewServer(http.NotFoundHandler()), httptest.NewTLSServer(http.NotFoundHandler())
	defer plain.Close()
	defer secret.Close()
	for server, trusted := range map[string]bool{plain.URL: true, secret.URL: false} {
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := dialer(u)(t.Context())
		if (err == nil) != trusted {
			t.Errorf("%s: %v", server, err) // nobody vouches for the test's certificate
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	for address, want := range map[string]string{"http://h": "h:80", "http://h:8": "h:8", "http://[::1]": "[::1]:80"} {
		if u, err := url.Parse(address); err != nil || withPort(u, "80") != want {
			t.Errorf("%s is at %s", address, withPort(u, "80"))
		}
	}
}

func TestABaselineThatDoesNotStartIsTold(t *testing.T) {
	sc, _ := Find("wasm-c")
	for _, self := range []string{"/bin/false", "/nowhere/skiff-bench"} {
		b := &bench{scenario: &sc, settings: &Settings{Self: self}}
		if _, err := b.baseline(&target{}); err == nil || !strings.Contains(err.Error(), "start the baseline") {
			t.Errorf("%s: %v", self, err)
		}
	}
}

func TestTheLineCountsAndGoesAway(t *testing.T) {
	var terminal bytes.Buffer
	var n atomic.Int64
	n.Store(7)
	if err := newView(&terminal).counting("made", &n, func() error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if got := terminal.String(); got != "\r\x1b[Kmade  7\r\x1b[K" {
		t.Errorf("the terminal shows %q", got)
	}
	if err := newView(nil).counting("made", &n, func() error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestFieldsOfTheMachine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "info")
	if err := os.WriteFile(file, []byte("a: 1\nmodel name\t: A B: C\nmodel name\t: second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"model name": "A B: C", "a": "1", "b": ""} {
		if got := field(file, key, ":"); got != want {
			t.Errorf("%s is %q", key, got)
		}
	}
	if got := field("/nowhere", "a", ":"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestATokenThatIsNotThere(t *testing.T) {
	if _, err := measure(t, "wasm-c", Settings{Server: "http://127.0.0.1:1", TokenFile: "/nowhere/token"}); err == nil || !strings.Contains(err.Error(), "read the token") {
		t.Errorf("got %v", err)
	}
}

func TestKeepLeavesTheDirectory(t *testing.T) {
	var log bytes.Buffer
	if _, err := measure(t, "idle", Settings{Duration: 1, Keep: true, Log: &log}); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), "skiff-bench-*", "skiff.log"))
	if len(left) != 1 || !strings.Contains(log.String(), filepath.Dir(left[0])) {
		t.Errorf("left %v, told %q", left, log.String())
	}
}
