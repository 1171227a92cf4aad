package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/config"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity/adminsock"
	"github.com/skiffhq/skiff/core/wire"
)

// echo is a reactor whose handler returns its request:
//
//	(module (memory (export "memory") 2)
//	  (func (export "skiff_alloc") (param i32) (result i32) (i32.const 1024))
//	  (func (export "handle") (param i32 i32) (result i64)
//	    (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1)))))
var echo = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x0c\x02\x60\x01\x7f\x01\x7f\x60\x02\x7f\x7f\x01\x7e" +
	"\x03\x03\x02\x00\x01" +
	"\x05\x03\x01\x00\x02" +
	"\x07\x21\x03\x06memory\x02\x00\x0bskiff_alloc\x00\x00\x06handle\x00\x01" +
	"\x0a\x14\x02\x05\x00\x41\x80\x08\x0b\x0c\x00\x20\x00\xad\x42\x20\x86\x20\x01\xad\x84\x0b")

// appliance is a running one.
type appliance struct {
	t         *testing.T
	config    *config.Config
	endpoints wire.Endpoints
	log       *bytes.Buffer // to be read after end
	stop      context.CancelFunc
	done      chan error
}

// testConfig is for development, on a free port, in the directory.
func testConfig(dir string) *config.Config {
	c := config.Default()
	c.Dev, c.DataDir, c.Listen = true, dir, "127.0.0.1:0"
	c.Memory.Budget = 256 << 20
	return &c
}

// start runs an appliance until end.
func start(t *testing.T, c *config.Config) *appliance {
	t.Helper()
	a := &appliance{t: t, config: c, done: make(chan error, 1), log: &bytes.Buffer{}}
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	ready := make(chan wire.Endpoints, 1)
	go func() {
		a.done <- Run(ctx, Options{
			Config: c, Version: "test", Log: slog.New(slog.NewTextHandler(a.log, nil)),
			Ready: func(e wire.Endpoints) { ready <- e },
		})
	}()
	select {
	case a.endpoints = <-ready:
	case err := <-a.done:
		t.Fatalf("the appliance did not start: %v", err)
	}
	return a
}

func (a *appliance) end() {
	a.t.Helper()
	a.stop()
	if err := <-a.done; err != nil {
		a.t.Errorf("stop: %v\n%s", err, a.log)
	}
}

func (a *appliance) token() string {
	a.t.Helper()
	token, err := os.ReadFile(a.config.TokenFile())
	if err != nil {
		a.t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

func (a *appliance) client(token string) *client.Client {
	a.t.Helper()
	c, err := client.New(client.Options{Server: "http://" + a.endpoints.API, Token: token})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(c.Close)
	return c
}

func (a *appliance) deployEcho(c *client.Client, name string) {
	a.t.Helper()
	runtime, handler := "wasm", "main.handle"
	if _, err := c.CreateFunction(a.t.Context(), wire.CreateFunction{Name: name, Patch: function.Patch{Runtime: &runtime, Handler: &handler}}); err != nil {
		a.t.Fatal(err)
	}
	if _, err := c.Publish(a.t.Context(), name, client.Publication{Code: bytes.NewReader(echo), Size: int64(len(echo)), Type: client.TypeWasm}); err != nil {
		a.t.Fatal(err)
	}
}

// verifyNoLeaks overlooks what fasthttp leaves to end by itself: it sleeps up
// to ten seconds between two looks, and keeps one clock for the process.
func verifyNoLeaks(t *testing.T) {
	t.Helper()
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func wantEcho(t *testing.T, c *client.Client, name, payload string) {
	t.Helper()
	r, err := c.InvokeRaw(t.Context(), client.RawInvocation{Function: name, Payload: []byte(payload)})
	if err != nil || string(r.Body) != payload || r.FunctionError != "" {
		t.Errorf("invoke: %+v, %v", r, err)
	}
}

func TestApplianceRunsAFunctionAndKeepsItOverARestart(t *testing.T) {
	defer verifyNoLeaks(t)
	dir := t.TempDir()
	a := start(t, testConfig(dir))
	c := a.client(a.token())
	a.deployEcho(c, "hello")
	wantEcho(t, c, "hello", `{"a":1}`)
	if ready, err := c.Ready(t.Context()); err != nil || !ready.Ready || len(ready.Components) < 8 {
		t.Errorf("ready: %+v, %v", ready, err)
	}
	token := a.token()
	c.Close()
	a.end()
	for _, file := range []string{"endpoints.json", "admin.sock", "admin.token"} {
		if _, err := os.Stat(filepath.Join(dir, file)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", file, err)
		}
	}

	a = start(t, testConfig(dir))
	defer a.end()
	if a.token() != token {
		t.Error("the token changed with a restart")
	}
	c = a.client(token)
	defer c.Close()
	wantEcho(t, c, "hello", `"again"`)
	f, _, err := c.Function(t.Context(), "hello")
	if err != nil || f.TotalInvocations != 2 || f.LastInvokedAt == nil {
		t.Errorf("%+v, %v", f, err)
	}
	entries, err := c.Audit(t.Context(), client.AuditQuery{})
	if err != nil || len(entries.Entries) != 2 || entries.Entries[0].Actor != "admin" {
		t.Errorf("audit: %+v, %v", entries, err)
	}
}

func TestMetricsFollowTheLifeOfAFunction(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Metrics.Listen = "127.0.0.1:0"
	a := start(t, cfg)
	defer a.end()
	c := a.client(a.token())
	a.deployEcho(c, "hello")
	wantEcho(t, c, "hello", "1")
	text := a.scrape()
	for _, line := range []string{
		`functions_invocations_total{function="hello",runtime="wasm",trigger="lambda",version="$LATEST"} 1`,
		`functions_concurrent_executions{function="hello"} 0`, "functions_count 1", "functions_versions_count 1",
		`skiff_memory_budget_bytes 2.68435456e+08`, `skiff_pool_instances{state="busy"} 0`, "skiff_store_commits_total ",
		`skiff_http_requests_total{method="POST",route="/2015-03-31/functions/{name}/invocations",status="200"} 1`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %s", line)
		}
	}
	if err := c.DeleteFunction(t.Context(), "hello", true); err != nil {
		t.Fatal(err)
	}
	if text = a.scrape(); strings.Contains(text, `function="hello"`) {
		t.Error("series of a deleted function are left")
	}
}

// scrape reads the metrics as Prometheus does, without a token.
func (a *appliance) scrape() string {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, "http://"+a.endpoints.Metrics+"/metrics", nil)
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		a.t.Fatalf("%s, %v", resp.Status, err)
	}
	return string(text)
}

func TestFirstAdministratorComesThroughTheSocket(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Dev = false
	a := start(t, cfg)
	defer a.end()
	if _, err := os.Stat(cfg.TokenFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a token lies about outside --dev: %v", err)
	}
	const password = "correct horse battery"
	if err := adminsock.Init(t.Context(), cfg.AdminSocket(), "ada", password); err != nil {
		t.Fatal(err)
	}
	if err := adminsock.Init(t.Context(), cfg.AdminSocket(), "eve", password); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second first administrator: %v", err)
	}
	login, err := a.client("").Login(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := a.client(login.Token).Audit(t.Context(), client.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]string{}
	for _, e := range entries.Entries {
		if e.Action == "user.init" {
			results[e.Target] = e.Result
		}
	}
	if results["user/ada"] != "ok" || results["user/eve"] != "conflict" {
		t.Errorf("audit: %+v", entries.Entries)
	}
}

func TestStartThatFailsLeavesNothingBehind(t *testing.T) {
	defer verifyNoLeaks(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := testConfig(t.TempDir())
	cfg.Listen = taken.Addr().String()
	err = Run(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler)})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("%v, want a fault with its remedy", err)
	}
	cfg.Listen = "127.0.0.1:0" // the store is free again
	start(t, cfg).end()
}

func TestUploadsWaitInADirectoryOfTheirOwnThatBeginsEmpty(t *testing.T) {
	cfg := testConfig(t.TempDir())
	left := filepath.Join(cfg.DataDir, "uploads", "upload-left")
	if err := os.MkdirAll(filepath.Dir(left), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", filepath.Join(cfg.DataDir, "nowhere"))
	a := start(t, cfg)
	defer a.end()
	info, err := os.Stat(filepath.Dir(left))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", left, err)
	}
	c := a.client(a.token())
	runtime, handler := "node22", "index.handler"
	if _, err := c.CreateFunction(t.Context(), wire.CreateFunction{Name: "large", Patch: function.Patch{Runtime: &runtime, Handler: &handler}}); err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 2<<20) // above what is held in memory, packed as well
	_, _ = rand.Read(random)
	code := base64.StdEncoding.EncodeToString(zipOf(t, "index.js", string(random)))
	body := strings.NewReader(`{"code":"` + code + `"}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.endpoints.API+"/api/v1/functions/large/versions", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusCreated {
		t.Errorf("%s: %s, %v", resp.Status, text, err)
	}
}

func TestDataDirectoryServesOneAppliance(t *testing.T) {
	cfg := testConfig(t.TempDir())
	a := start(t, cfg)
	defer a.end()
	second := *cfg
	if err := Run(t.Context(), Options{Config: &second, Log: slog.New(slog.DiscardHandler)}); !fault.Is(err, fault.Conflict) {
		t.Errorf("%v, want a conflict", err)
	}
	if _, err := os.Stat(cfg.EndpointsFile()); err != nil {
		t.Errorf("the second one harmed the first: %v", err)
	}
}

func TestDevGivesWayOnTheDefaultPort(t *testing.T) {
	ln, err := net.Listen("tcp", config.DefaultListen)
	if err == nil { // else somebody has it, which serves as well
		defer ln.Close()
	}
	cfg := testConfig(t.TempDir())
	cfg.Listen = config.DefaultListen
	a := start(t, cfg)
	defer a.end()
	if a.endpoints.API == config.DefaultListen {
		t.Error("two listen on one port")
	}
	if _, err := a.client(a.token()).Health(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRuntimesOfOtherHostsAreRefusedAtInvoke(t *testing.T) {
	a := start(t, testConfig(t.TempDir()))
	defer a.end()
	c := a.client(a.token())
	runtime, handler := "node22", "index.handler"
	if _, err := c.CreateFunction(t.Context(), wire.CreateFunction{Name: "js", Patch: function.Patch{Runtime: &runtime, Handler: &handler}}); err != nil {
		t.Fatal(err)
	}
	code := zipOf(t, "index.js", "0")
	if _, err := c.Publish(t.Context(), "js", client.Publication{Code: bytes.NewReader(code), Size: int64(len(code)), Type: client.TypeZip}); err != nil {
		t.Fatal(err)
	}
	_, err := c.InvokeRaw(t.Context(), client.RawInvocation{Function: "js"})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable || refused.Code != "RUNTIME_UNAVAILABLE" {
		t.Errorf("%v", err)
	}
}

func TestStopDrainsWhatRuns(t *testing.T) {
	a := start(t, testConfig(t.TempDir()))
	c := a.client(a.token())
	a.deployEcho(c, "hello")
	results := make(chan error, 50)
	for range cap(results) {
		go func() {
			_, err := c.InvokeRaw(context.Background(), client.RawInvocation{Function: "hello", Payload: []byte("1")})
			results <- err
		}()
	}
	first := <-results
	a.end()
	if first != nil {
		t.Error(first)
	}
	for range cap(results) - 1 {
		// Those that were let in are answered; later ones find nobody.
		if err := <-results; err != nil && !fault.Is(err, fault.Unavailable) {
			var refused *client.Error
			if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestComponentsBeforeTheStartAreNotReady(t *testing.T) {
	n := newNode(Options{Config: testConfig(t.TempDir()), Log: slog.New(slog.DiscardHandler)})
	for _, c := range n.components() {
		if c.Ready || c.Reason == "" {
			t.Errorf("%+v", c)
		}
	}
	n.running.Store(true)
	for _, c := range n.components() {
		if want := c.Name != "store"; c.Ready != want {
			t.Errorf("%+v, want the store alone not to be ready, as it has not been opened", c)
		}
	}
}

func TestHostMemoryIsTheLowestLimit(t *testing.T) {
	const unlimited = "9223372036854771712\n"
	for name, tc := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"host":        {map[string]string{"/proc/meminfo": "MemFree: 1 kB\nMemTotal:  2048 kB\n"}, 2 << 20},
		"cgroup v2":   {map[string]string{"/proc/meminfo": "MemTotal: 2048 kB\n", "/sys/fs/cgroup/memory.max": "1048576\n"}, 1 << 20},
		"no limit":    {map[string]string{"/proc/meminfo": "MemTotal: 2048 kB\n", "/sys/fs/cgroup/memory.max": "max\n"}, 2 << 20},
		"cgroup v1":   {map[string]string{"/proc/meminfo": "MemTotal: 2048 kB\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": unlimited}, 2 << 20},
		"not telling": {nil, fallbackMemory},
	} {
		got := hostMemory(func(path string) ([]byte, error) {
			if text, ok := tc.files[path]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		})
		if got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func TestStopLeavesTimeToThosePartsThatComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &node{started: 3}
		n.log = slog.New(slog.DiscardHandler)
		var stopped []string
		slow := func(ctx context.Context) error { <-ctx.Done(); stopped = append(stopped, "slow"); return ctx.Err() }
		quick := func(ctx context.Context) error { stopped = append(stopped, "quick"); return ctx.Err() }
		n.order = []part{{"store", nil, quick, nil}, {"pool", nil, slow, nil}, {"api", nil, slow, nil}}
		begin := time.Now()
		err := n.stop()
		if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "stop store") {
			t.Errorf("%v", err)
		}
		if !slices.Equal(stopped, []string{"slow", "slow", "quick"}) || time.Since(begin) != drainTimeout+partTimeout {
			t.Errorf("stopped %v after %v", stopped, time.Since(begin))
		}
	})
}

func TestStopIsBounded(t *testing.T) {
	if drainTimeout > time.Minute {
		t.Errorf("a service manager gives up before %v", drainTimeout)
	}
}
