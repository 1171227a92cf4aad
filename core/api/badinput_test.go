package api

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/sandbox"
)

// endlessZeros is an endless body. The client may go on reading it for a while
// after it got its answer.
type endlessZeros struct{ read atomic.Int64 }

func (z *endlessZeros) Read(p []byte) (int, error) {
	clear(p)
	z.read.Add(int64(len(p)))
	return len(p), nil
}

func TestBadInputHasItsCodeIsLoggedOnceAndChangesNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	zipped := func() string {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		f, _ := z.Create("../escape")
		_, _ = f.Write([]byte("x"))
		_ = z.Close()
		return b.String()
	}()
	for name, tc := range map[string]struct {
		method, path, kind, body string
		status                   int
		code                     string
		field                    string
		reaches                  bool // the catalogue is asked, and refuses
	}{
		"malformed JSON":        {"POST", "functions", "", `{"name":`, 400, "VALIDATION_ERROR", "body", false},
		"empty body":            {"POST", "functions", "", ``, 400, "VALIDATION_ERROR", "body", false},
		"no object":             {"POST", "functions", "", `[]`, 400, "VALIDATION_ERROR", "body", false},
		"wrong type":            {"POST", "functions", "", `{"name":5}`, 400, "VALIDATION_ERROR", "name", false},
		"wrong type, nested":    {"POST", "functions", "", `{"name":"x","scaling":{"maxInstances":"many"}}`, 400, "VALIDATION_ERROR", "scaling.maxInstances", false},
		"unknown field":         {"POST", "functions", "", `{"name":"x","colour":"red"}`, 400, "VALIDATION_ERROR", "colour", false},
		"field in another case": {"POST", "functions", "", `{"Name":"x"}`, 400, "VALIDATION_ERROR", "Name", false},
		"field twice":           {"POST", "functions", "", `{"name":"x","name":"y"}`, 400, "VALIDATION_ERROR", "name", false},
		"trailing data":         {"POST", "functions", "", `{"name":"x"} true`, 400, "VALIDATION_ERROR", "body", false},
		"not UTF-8":             {"POST", "functions", "", "{\"name\":\"\xff\"}", 400, "VALIDATION_ERROR", "body", false},
		"bad name":              {"POST", "functions", "", `{"name":"a/b","runtime":"wasm"}`, 400, "VALIDATION_ERROR", "name", true},
		"no name":               {"POST", "functions", "", `{"runtime":"wasm"}`, 400, "VALIDATION_ERROR", "name", true},
		"bad memory":            {"PUT", "functions/hello", "", `{"memorySize":100}`, 400, "VALIDATION_ERROR", "memorySize", true},
		"bad duration":          {"PUT", "functions/hello", "", `{"scaling":{"scaleUpCooldown":"soon"}}`, 400, "VALIDATION_ERROR", "scaling.scaleUpCooldown", false},
		"bad concurrency":       {"PUT", "functions/hello/concurrency", "", `{"preProvisionedConcurrency":-1}`, 400, "VALIDATION_ERROR", "preProvisionedConcurrency", true},
		"bad environment":       {"PUT", "functions/hello/environment", "", `{"variables":{"A":5}}`, 400, "VALIDATION_ERROR", "variables.A", false},
		"large JSON":            {"POST", "functions", "", `{"description":"` + strings.Repeat("x", maxJSON) + `"}`, 413, "PAYLOAD_TOO_LARGE", "", false},
		"no code":               {"POST", "functions/hello/versions", "application/json", `{"description":"x"}`, 400, "VALIDATION_ERROR", "code", false},
		"code of another type":  {"POST", "functions/hello/versions", "application/json", `{"code":5}`, 400, "VALIDATION_ERROR", "code", false},
		"code twice":            {"POST", "functions/hello/versions", "application/json", `{"code":"AA==","code":"AA=="}`, 400, "VALIDATION_ERROR", "code", false},
		"broken base64":         {"POST", "functions/hello/versions", "application/json", `{"code":"A$=="}`, 400, "VALIDATION_ERROR", "code", false},
		"code, broken JSON":     {"POST", "functions/hello/versions", "application/json", `{"code":"AA==",}`, 400, "VALIDATION_ERROR", "body", false},
		"neither ZIP nor wasm":  {"POST", "functions/hello/versions", "application/zip", `nonsense`, 400, "INVALID_CODE_PACKAGE", "", true},
		"path out of the ZIP":   {"POST", "functions/hello/versions", "application/zip", zipped, 400, "INVALID_CODE_PACKAGE", "", true},
		"same in base64":        {"POST", "functions/hello/versions", "application/json", `{"code":"` + base64.StdEncoding.EncodeToString([]byte(zipped)) + `"}`, 400, "INVALID_CODE_PACKAGE", "", true},
		"empty code":            {"POST", "functions/hello/versions", "application/zip", ``, 400, "INVALID_CODE_PACKAGE", "", true},
		"code of no known type": {"POST", "functions/hello/versions", "text/html", `x`, 400, "VALIDATION_ERROR", "Content-Type", false},
		"unknown route":         {"GET", "/nowhere", "", ``, 404, "NOT_FOUND", "", false},
		"unknown API":           {"GET", "nowhere", "", ``, 404, "NOT_FOUND", "", false},
		"trailing slash":        {"GET", "functions/", "", ``, 404, "NOT_FOUND", "", false},
		"no function's name":    {"GET", "functions//versions", "", ``, 404, "NOT_FOUND", "", false},
		"slash in a name":       {"GET", "functions/hello%2Fversions", "", ``, 404, "NOT_FOUND", "", false},
		"dots in a path":        {"GET", "functions/x/../hello", "", ``, 404, "NOT_FOUND", "", false},
		"encoded dots":          {"GET", "functions/%2e%2e/users", "", ``, 404, "NOT_FOUND", "", false},
		"unknown method":        {"PATCH", "functions/hello", "", `{}`, 405, "METHOD_NOT_ALLOWED", "", false},
		"asynchronous type":     {"POST", "functions/hello/invoke", "", `{"invocationType":"Event"}`, 400, "VALIDATION_ERROR", "invocationType", false},
		"unknown type":          {"POST", "functions/hello/invoke", "", `{"invocationType":"Later"}`, 400, "VALIDATION_ERROR", "invocationType", false},
		"alias and version":     {"POST", "functions/hello/invoke", "", `{"alias":"live","version":1}`, 400, "VALIDATION_ERROR", "version", false},
		"bad tail":              {"POST", "functions/hello/invoke?tail=perhaps", "", `{}`, 400, "VALIDATION_ERROR", "tail", false},
		"bad qualifier":         {"POST", "/2015-03-31/functions/hello/invocations?Qualifier=a.b", "", `{}`, 400, "VALIDATION_ERROR", "", false},
		"two qualifiers":        {"POST", "/2015-03-31/functions/hello:live/invocations?Qualifier=1", "", `{}`, 400, "VALIDATION_ERROR", "Qualifier", false},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			before, bundles := w.changes.count.Load(), w.bundles()
			w.log.take()
			a := w.call(call{as: "admin", method: tc.method, path: tc.path, body: tc.body, header: map[string]string{"Content-Type": tc.kind}})
			if a.StatusCode != tc.status || a.code() != tc.code || tc.field != "" && !slices.Contains(a.fields(), tc.field) {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if got := w.changes.count.Load() - before; got > 0 != tc.reaches {
				t.Errorf("%d changes reached the catalogue", got)
			}
			if now := w.bundles(); now != bundles {
				t.Errorf("%d bundles are stored, %d were", now, bundles)
			}
			if log := w.log.take(); strings.Count(log, "\n") != 1 || !strings.Contains(log, tc.code) {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func TestFaultsOfShapeAndOfRulesAreToldTogether(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	for body, want := range map[string][]string{
		`{"name":"a/b","memorySize":"x","timeout":9999,"colour":1}`:                      {"colour", "memorySize", "name", "runtime", "timeout"},
		`{"name":"x","runtime":5,"handler":"h"}`:                                         {"runtime"},
		`{"name":"x","runtime":"wasm","scaling":{"maxInstances":"x","minInstances":-1}}`: {"scaling.maxInstances", "scaling.minInstances"},
	} {
		got := w.do(400, "developer", "POST", "functions", body).fields()
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", body, got, want)
		}
	}
	for _, tc := range []struct {
		path, body string
		want       []string
	}{
		{"", `{"timeout":0,"tags":5}`, []string{"tags", "timeout"}},
		{"/concurrency", `{"reservedConcurrency":"x","preProvisionedConcurrency":-1,"instanceConcurrency":0,"colour":1}`,
			[]string{"colour", "instanceConcurrency", "preProvisionedConcurrency", "reservedConcurrency"}},
		{"/concurrency", `{"keepWarmInterval":"soon","preProvisionedConcurrency":-1}`, []string{"keepWarmInterval", "preProvisionedConcurrency"}},
		{"/environment", `{"variables":{"A=B":"x"},"colour":1}`, []string{"colour", "variables"}},
		{"/environment", `{"variables":{"A":5,"B":[]},"colour":1}`, []string{"colour", "variables.A", "variables.B"}},
		{"/environment", `{"colour":1}`, []string{"colour", "variables"}},
		{"/environment", `{"variables":5}`, []string{"variables"}},
		{"/environment", `[]`, []string{"body"}},
	} {
		got := w.do(400, "developer", "PUT", "functions/hello"+tc.path, tc.body).fields()
		if slices.Sort(got); !slices.Equal(got, tc.want) {
			t.Errorf("PUT %s %s: %v, want %v", tc.path, tc.body, got, tc.want)
		}
	}
}

func (w *world) bundles() int {
	all, err := w.code.List(context.Background())
	w.must(err)
	return len(all)
}

func TestLargeBodiesAreRefusedWhileTheyStreamIn(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	for path, limit := range map[string]int{
		"functions": maxJSON, "/2015-03-31/functions/hello/invocations": maxLambda, "functions/hello/invoke": maxInvoke,
	} {
		body := &endlessZeros{}
		a := w.call(call{as: "admin", method: "POST", path: path, reader: body}) // chunked: of no known length
		if a.StatusCode != http.StatusRequestEntityTooLarge || a.code() != "PAYLOAD_TOO_LARGE" || !a.Close {
			t.Errorf("%s: %d %s, close %v", path, a.StatusCode, a.body, a.Close)
		}
		if n := body.read.Load(); n > int64(limit)+32<<20 {
			t.Errorf("%s: %d bytes were read", path, n)
		}
	}
}

func TestLargePackagesAreRefusedWhileTheyStreamIn(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	bundles := w.bundles()
	for kind, body := range map[string]io.Reader{
		"application/wasm": io.MultiReader(bytes.NewReader(module), &endlessZeros{}),
		"application/json": io.MultiReader(strings.NewReader(`{"description":"x","code":"`), bytes.NewReader(bytes.Repeat([]byte("AAAA"), 18<<20))),
	} {
		a := w.call(call{as: "admin", method: "POST", path: "functions/hello/versions", reader: body, header: map[string]string{"Content-Type": kind}})
		if a.StatusCode != http.StatusRequestEntityTooLarge || a.code() != "PAYLOAD_TOO_LARGE" || !a.Close {
			t.Errorf("%s: %d %s", kind, a.StatusCode, a.body)
		}
	}
	if n := w.bundles(); n != bundles {
		t.Errorf("%d bundles are stored, %d were", n, bundles)
	}
}

func TestAnnouncedLengthIsRefusedBeforeTheBody(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	head := "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + w.tokens["admin"] + "\r\nContent-Length: 100000000\r\n"
	for name, request := range map[string]string{
		"first byte":   head + "\r\n{",
		"asking first": head + "Expect: 100-continue\r\n\r\n",
	} {
		c := w.raw(request)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		w.must(err)
		if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusRequestEntityTooLarge || !bytes.Contains(body, []byte("PAYLOAD_TOO_LARGE")) || !res.Close {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
		if rest, err := io.ReadAll(c); err != nil || len(rest) != 0 {
			t.Errorf("%s: the connection goes on: %q, %v", name, rest, err)
		}
	}
}

func TestWhoAsksFirstIsLetInOrNot(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	post := func(token, path string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n"
	}
	c := w.raw(post(w.tokens["viewer"], "/2015-03-31/functions/hello/invocations"))
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("%q, %v", line, err)
	}
	_, _ = r.ReadString('\n')
	_, err := io.WriteString(c, `{"a":1}`)
	w.must(err)
	res, err := http.ReadResponse(r, nil)
	w.must(err)
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || string(body) != `{"a":1}` {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	for path, want := range map[string]int{"/2015-03-31/functions/hello/invocations": 401, "/nowhere": 404, "/healthz": 405} {
		res, err := http.ReadResponse(bufio.NewReader(w.raw(post("x", path))), nil)
		w.must(err)
		if body, _ := io.ReadAll(res.Body); res.StatusCode != want || !bytes.Contains(body, []byte(`"code"`)) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
}

func TestConnectionGoesOnAfterARefusalOfASmallBody(t *testing.T) {
	w := newWorld(t, nil)
	const refused = "POST /api/v1/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /"
	c := w.raw(refused + "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(c)
	for _, want := range []int{401, 200} {
		res, err := http.ReadResponse(r, nil)
		w.must(err)
		_, _ = io.Copy(io.Discard, res.Body)
		if res.StatusCode != want {
			t.Errorf("%d, want %d", res.StatusCode, want)
		}
	}
}

func TestTruncatedUploadIsNotPublished(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	bundles := w.bundles()
	w.log.take()
	for _, kind := range []string{"Content-Length: 100\r\n\r\n" + string(module), "Transfer-Encoding: chunked\r\n\r\n8\r\n" + string(module) + "\r\n"} {
		c := w.raw("POST /api/v1/functions/hello/versions HTTP/1.1\r\nHost: x\r\nContent-Type: application/wasm\r\nAuthorization: Bearer " +
			w.tokens["admin"] + "\r\n" + kind)
		w.must(c.(*net.TCPConn).CloseWrite())
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		w.must(err)
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %d", kind, res.StatusCode)
		}
		res.Body.Close()
	}
	if n := w.bundles(); n != bundles {
		t.Errorf("%d bundles, %d were", n, bundles)
	}
}

func TestWhatIsNoHTTPIsToldSo(t *testing.T) {
	w := newWorld(t, nil)
	for request, want := range map[string]string{
		"nonsense\r\n\r\n": "VALIDATION_ERROR",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", headerBytes) + "\r\n\r\n": "PAYLOAD_TOO_LARGE",
	} {
		res, err := http.ReadResponse(bufio.NewReader(w.raw(request)), nil)
		w.must(err)
		if body, _ := io.ReadAll(res.Body); !bytes.Contains(body, []byte(want)) {
			t.Errorf("%.20q: %d %s", request, res.StatusCode, body)
		}
	}
}

func TestFailuresOfOursAreHidden(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	secret := errors.New("secret/path: disk on fire")
	for name, handler := range map[string]func(context.Context, *sandbox.Invocation) (sandbox.Result, error){
		"foreign error": func(context.Context, *sandbox.Invocation) (sandbox.Result, error) { return sandbox.Result{}, secret },
		"fault": func(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
			return sandbox.Result{}, fault.Wrap(secret, fault.Internal, "x", "secret too")
		},
		"panic": func(context.Context, *sandbox.Invocation) (sandbox.Result, error) { panic("secret") },
	} {
		w.handler = handler
		w.log.take()
		a := w.do(500, "viewer", "POST", "functions/hello/invoke", `{}`)
		if a.code() != "INTERNAL_ERROR" || bytes.Contains(a.body, []byte("secret")) {
			t.Errorf("%s: %s", name, a.body)
		}
		if log := w.log.take(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "request_id=") {
			t.Errorf("%s: the log says %s", name, log)
		}
	}
}

// brokenCode panics, as nothing of ours should.
type brokenCode struct{}

func (brokenCode) Code(context.Context, string) (io.ReadCloser, int64, error) { panic("secret") }

func TestPanicIsAFailureOfOursLoggedOnceWithItsStack(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Code = brokenCode{} })
	w.makeFunction("hello")
	w.log.take()
	a := w.do(500, "viewer", "GET", "functions/hello/versions/1/code")
	if bytes.Contains(a.body, []byte("secret")) {
		t.Errorf("%s", a.body)
	}
	if log := w.log.take(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "secret") || !strings.Contains(log, "badinput_test.go") {
		t.Errorf("the log says %s", log)
	}
	w.do(200, "viewer", "GET", "functions/hello")
}

func TestSlowAndBrokenBodiesAreToldApart(t *testing.T) {
	for err, want := range map[error]string{os.ErrDeadlineExceeded: "slow_body", io.ErrUnexpectedEOF: "broken_body", net.ErrClosed: "broken_body"} {
		if f := fault.Of(brokenBody(err)); f.Reason != want || f.Class != fault.Invalid {
			t.Errorf("%v: %v", err, f)
		}
	}
}
