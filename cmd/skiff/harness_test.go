package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	goflag "flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var update = goflag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	// fasthttp keeps the time for its Date header in a goroutine that never
	// ends, and looks for idle workers once more after it has stopped.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// exchange is one request that the appliance expects and what it answers.
type exchange struct {
	want    string // method and target as on the wire
	body    string // of the request, byte for byte; "*" for any
	mime    string // of the body; JSON if there is a body and nothing said
	ifMatch string
	header  map[string]string // of the request, beside those that always are
	open    bool              // comes without a token

	status int // 200 if 0
	reply  string
	with   map[string]string // header of the answer
}

// world is a user's shell, and an appliance that answers a script and nothing
// else.
type world struct {
	t       *testing.T
	server  *httptest.Server
	script  []exchange
	env     map[string]string
	in      string
	tty     bool // a person sits at all three streams
	secrets []string
	seen    []byte // body of the last request
}

// newWorld has a token in the environment and an empty home.
func newWorld(t *testing.T, script ...exchange) *world {
	t.Helper()
	w := &world{t: t, script: script, env: map[string]string{"HOME": t.TempDir(), "SKIFF_TOKEN": "secret"}}
	w.server = httptest.NewServer(w)
	w.env["SKIFF_SERVER"] = w.server.URL
	t.Cleanup(func() {
		w.server.Close()
		if len(w.script) > 0 {
			t.Errorf("%d requests did not come, the first is %s", len(w.script), w.script[0].want)
		}
	})
	return w
}

// ServeHTTP implements http.Handler.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if len(w.script) == 0 {
		w.t.Errorf("unexpected %s %s", r.Method, r.URL)
		rw.WriteHeader(http.StatusTeapot)
		return
	}
	x := w.script[0]
	w.script = w.script[1:]
	w.check(x, r)
	for k, v := range x.with {
		rw.Header().Set(k, v)
	}
	if x.status != 0 {
		rw.WriteHeader(x.status)
	}
	_, _ = io.WriteString(rw, x.reply)
}

func (w *world) check(x exchange, r *http.Request) {
	if got := r.Method + " " + r.RequestURI; got != x.want {
		w.t.Errorf("got  %s\nwant %s", got, x.want)
	}
	want := map[string]string{"Authorization": "Bearer secret", "If-Match": x.ifMatch, "Content-Type": x.mime}
	if x.open {
		want["Authorization"] = ""
	}
	if x.body != "" && x.mime == "" {
		want["Content-Type"] = "application/json"
	}
	for k, v := range x.header {
		want[k] = v
	}
	for k, v := range want {
		if got := r.Header.Get(k); got != v {
			w.t.Errorf("%s: header %s is %q, want %q", x.want, k, got, v)
		}
	}
	body, err := io.ReadAll(r.Body)
	if w.seen = body; err != nil || x.body != "*" && string(body) != x.body {
		w.t.Errorf("%s: body\ngot  %s (%v)\nwant %s", x.want, body, err, x.body)
	}
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// run runs a command line.
func (w *world) run(args ...string) result {
	w.t.Helper()
	return w.runContext(w.t.Context(), args...)
}

func (w *world) runContext(ctx context.Context, args ...string) result {
	var out, errs bytes.Buffer
	a := newApp(streams{strings.NewReader(w.in), &out, &errs}, func(name string) string { return w.env[name] })
	a.now = func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	a.terminal = func(any) bool { return w.tty }
	a.secret = w.secret
	code := a.run(ctx, args)
	return result{code, out.String(), errs.String()}
}

func (w *world) secret(_ context.Context, prompt string) (string, error) {
	if len(w.secrets) == 0 {
		return "", errors.New("asked for a secret that nobody has: " + prompt)
	}
	s := w.secrets[0]
	w.secrets = w.secrets[1:]
	return s, nil
}

// file makes a file in the user's home and returns its path.
func (w *world) file(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.env["HOME"], name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// golden compares a result with testdata, after taking out what differs from
// run to run.
func (w *world) golden(name string, r result) {
	w.t.Helper()
	got := fmt.Sprintf("exit %d\n--- out\n%s--- err\n%s", r.code, r.out, r.err)
	got = strings.ReplaceAll(got, w.server.URL, "http://SERVER")
	got = strings.ReplaceAll(got, strings.TrimPrefix(w.server.URL, "http://"), "SERVER")
	got = strings.ReplaceAll(got, w.env["HOME"], "HOME")
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if got != string(want) {
		w.t.Errorf("%s differs (go test -update writes it anew)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// encoded is a value as JSON.
func encoded(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
