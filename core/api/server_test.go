package api

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/core/wire"
)

// hold makes every invocation wait for its context, or for release. It tells
// of each that begins, and how it ended.
func (w *world) hold() (began chan struct{}, ended chan error, release chan struct{}) {
	began, ended, release = make(chan struct{}, 10), make(chan error, 10), make(chan struct{})
	w.handler = func(ctx context.Context, _ *sandbox.Invocation) (sandbox.Result, error) {
		began <- struct{}{}
		select {
		case <-ctx.Done():
			ended <- ctx.Err()
			return sandbox.Result{}, ctx.Err()
		case <-release:
			ended <- nil
			return sandbox.Result{Payload: []byte(`"late"`)}, nil
		}
	}
	return began, ended, release
}

func (w *world) invocation(path string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + w.tokens["viewer"] + "\r\nContent-Length: 2\r\n\r\n{}"
}

func wait[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func TestClientThatGoesEndsItsInvocation(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	began, ended, _ := w.hold()
	next := "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, leave := range map[string]func(*net.TCPConn){
		"closes": func(c *net.TCPConn) { c.Close() },
		"resets": func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() },
		// The next request must not hide that the client is gone.
		"closes after a pipelined request": func(c *net.TCPConn) { _, _ = io.WriteString(c, next); c.Close() },
	} {
		for _, path := range []string{"/api/v1/functions/hello/invoke", lambda + "hello/invocations"} {
			c := w.raw(w.invocation(path))
			wait(t, began, "the invocation to begin")
			start := time.Now()
			leave(c.(*net.TCPConn))
			if err := wait(t, ended, "the invocation to end"); err == nil {
				t.Errorf("%s, %s: the invocation went on", name, path)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s, %s: noticed after %v", name, path, took)
			}
		}
	}
}

func TestSlowInvocationOfAPatientClientGoesOn(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	began, ended, release := w.hold()
	c := w.raw(w.invocation(lambda + "hello/invocations"))
	wait(t, began, "the invocation to begin")
	for range 5 {
		w.server.conns.round()
	}
	close(release)
	if err := wait(t, ended, "the invocation to end"); err != nil {
		t.Errorf("the invocation was cut off: %v", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	w.must(err)
	if body, _ := io.ReadAll(res.Body); string(body) != `"late"` {
		t.Errorf("%s", body)
	}
}

func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

func TestClientOverTLSIsServedAndWatched(t *testing.T) {
	config := selfSigned(t)
	w := newWorld(t, func(o *Options) { o.TLS = config })
	w.url = "https://" + w.server.Addr().String()
	w.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	w.makeFunction("hello")
	w.do(200, "viewer", "POST", lambda+"hello/invocations", `{}`)
	began, ended, _ := w.hold()
	c, err := tls.Dial("tcp", w.server.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	w.must(err)
	_, err = io.WriteString(c, w.invocation(lambda+"hello/invocations"))
	w.must(err)
	wait(t, began, "the invocation to begin")
	c.Close()
	if err := wait(t, ended, "the invocation to end"); err == nil {
		t.Error("the invocation went on")
	}
}

func TestStopRightAfterStartEnds(t *testing.T) {
	for range 200 {
		s := New(Options{Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- s.Stop(context.Background()) }()
		if err := wait(t, stopped, "Stop"); err != nil {
			t.Error(err)
		}
	}
}

func TestStopAnswersWhatIsUnderWay(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	began, _, release := w.hold()
	c := w.raw(w.invocation(lambda + "hello/invocations"))
	silent := w.raw("")
	wait(t, began, "the invocation to begin")
	stopped := make(chan error, 1)
	go func() { stopped <- w.server.Stop(context.Background()) }()
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that asked nothing was kept")
	}
	close(release)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	w.must(err)
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || string(body) != `"late"` || !res.Close {
		t.Errorf("%d %s, close %v", res.StatusCode, body, res.Close)
	}
	w.must(wait(t, stopped, "Stop"))
	if _, err := net.Dial("tcp", w.server.Addr().String()); err == nil {
		t.Error("it still listens")
	}
	w.must(w.server.Stop(context.Background()))
}

func TestStopCutsOffWhatTakesTooLong(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	began, ended, _ := w.hold()
	w.raw(w.invocation(lambda + "hello/invocations"))
	wait(t, began, "the invocation to begin")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.server.Stop(ctx); !fault.Is(err, fault.Timeout) {
		t.Errorf("Stop: %v", err)
	}
	if err := wait(t, ended, "the invocation to end"); err == nil {
		t.Error("the invocation went on")
	}
}

func TestAddressInUseIsAFaultWithARemedy(t *testing.T) {
	w := newWorld(t, nil)
	other := New(Options{Listen: w.server.Addr().String(), Catalog: w.cat, Identity: w.ids, Invoker: w.inv, Audit: w.audit, Code: w.code})
	err := other.Start(t.Context())
	if f := fault.Of(err); !fault.Is(err, fault.Unavailable) || f.Remedy == "" {
		t.Errorf("%v", err)
	}
	w.must(other.Stop(t.Context()))
}

func TestHealthReadinessAndHeaders(t *testing.T) {
	ready := false
	w := newWorld(t, func(o *Options) {
		o.Ready = func() []wire.Component { return []wire.Component{{Name: "store", Ready: ready, Reason: "disk"}} }
	})
	a := w.do(200, "", "GET", "/healthz")
	if h := read[wire.Health](t, a); h.Status != "ok" || h.Version != "test" {
		t.Errorf("%s", a.body)
	}
	if a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Request-Id") == "" {
		t.Errorf("%v", a.Header)
	}
	if a := w.do(503, "", "GET", "/readyz"); !strings.Contains(string(a.body), "disk") || a.Header.Get("Retry-After") == "" {
		t.Errorf("%s", a.body)
	}
	ready = true
	w.do(200, "", "GET", "/readyz")
	if a := w.do(200, "", "HEAD", "/healthz"); len(a.body) != 0 || a.ContentLength <= 0 {
		t.Errorf("HEAD: %d bytes, length %d", len(a.body), a.ContentLength)
	}
	w.do(404, "admin", "GET", "/metrics")
}

func TestRequestsAreCounted(t *testing.T) {
	w := newWorld(t, nil)
	w.do(404, "admin", "GET", "functions/nobody")
	w.do(404, "", "GET", "/elsewhere/entirely")
	w.requests.mu.Lock()
	defer w.requests.mu.Unlock()
	if got := strings.Join(w.requests.seen, "; "); got != "GET /api/v1/functions/{name} Not Found;   Not Found" {
		t.Errorf("counted %q", got)
	}
}

func TestChangesAndRefusalsAreAudited(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	w.do(403, "viewer", "DELETE", "functions/hello")
	w.do(204, "admin", "DELETE", "functions/hello/aliases/live")
	w.do(401, "", "DELETE", "functions/hello")
	w.do(401, "", "POST", "authentication/login", `{"username":"ada","password":"guess"}`)
	var got []string
	for _, e := range read[wire.Audit](t, w.do(200, "admin", "GET", "audit?since=PT1H")).Entries {
		got = append(got, strings.Join([]string{e.Actor, e.Action, e.Target, e.Result}, " "))
	}
	want := `ada login user/ada unauthenticated
admin alias.delete function/hello/alias/live ok
viewer function.delete function/hello denied
admin alias.create function/hello/alias/live ok
admin version.publish function/hello ok
admin function.create function/hello ok`
	if strings.Join(got, "\n") != want {
		t.Errorf("audited\n%s", strings.Join(got, "\n"))
	}
	w.do(201, "admin", "POST", "functions/hello/aliases", `{"aliasName":"split","routingConfig":{"v1":100}}`)
	w.do(200, "operator", "PUT", "functions/hello/aliases/split", `{"version":"v1","routingConfig":{}}`)
	w.do(400, "operator", "PUT", "functions/hello/aliases/split", `{"description":"x"}`)
	var notes []string
	for _, e := range read[wire.Audit](t, w.do(200, "admin", "GET", "audit?limit=3")).Entries {
		notes = append(notes, fmt.Sprint(e.Details))
	}
	if got := strings.Join(notes, " "); got != "map[] map[version:v1] map[routing:1=100]" {
		t.Errorf("noted of an alias: %s", got)
	}
	if a := w.do(200, "admin", "GET", "audit?actor=viewer&limit=1"); len(read[wire.Audit](t, a).Entries) != 1 {
		t.Errorf("%s", a.body)
	}
}
