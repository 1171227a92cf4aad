package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/invoke"
	ledger "github.com/skiffhq/skiff/core/memory"
	"github.com/skiffhq/skiff/core/pool"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/core/sandbox/sandboxtest"
	"github.com/skiffhq/skiff/core/store/memory"
	"github.com/skiffhq/skiff/core/wire"
)

func TestMain(m *testing.M) {
	// fasthttp keeps the time for its Date header in a goroutine that never
	// ends, and looks for idle workers once more, ten seconds later, after it
	// has stopped.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

var (
	_ Catalog  = (*catalog.Service)(nil)
	_ Identity = (*identity.Service)(nil)
	_ Invoker  = (*invoke.Invoker)(nil)
	_ Audit    = (*audit.Log)(nil)
	_ Code     = (*artifact.Store)(nil)
)

// module is the smallest WebAssembly module; nothing here runs it.
var module = []byte("\x00asm\x01\x00\x00\x00")

// world is an API over real parts, but for the pool: functions answer what
// handler says, their payload where it is nil.
type world struct {
	t     testing.TB
	store *memory.Store
	ids   *identity.Service
	cat   *catalog.Service
	audit *audit.Log
	code  *artifact.Store
	inv   *invoke.Invoker

	handler func(context.Context, *sandbox.Invocation) (sandbox.Result, error)
	acquire error
	pool    invoke.Pool  // instead of the world, where it is set
	running atomic.Int64 // invocations inside handler

	changes  countingCatalog
	log      logBuffer
	requests requestCounter
	server   *Server
	client   *http.Client
	url      string
	tokens   map[string]string // by user
}

// The people of every world. Viewers and others of a team of their own are
// named for it.
var people = map[string]identity.User{
	"admin":     {Role: function.RoleAdmin, Teams: []string{"default"}},
	"developer": {Role: function.RoleDeveloper, Teams: []string{"default"}},
	"operator":  {Role: function.RoleOperator, Teams: []string{"default"}},
	"viewer":    {Role: function.RoleViewer, Teams: []string{"default"}},
	"stranger":  {Role: function.RoleDeveloper, Teams: []string{"elsewhere"}},
	"revoked":   {Role: function.RoleAdmin, Teams: []string{"default"}},
}

// newWorld starts a world. change and tune may change its options and the
// server before it starts.
func newWorld(t testing.TB, change func(*Options), tune ...func(*Server)) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(), tokens: map[string]string{}}
	w.log.Store(&bytes.Buffer{})
	w.startParts()
	w.startPeople()
	opts := Options{
		Listen: "127.0.0.1:0", Version: "test", Catalog: &w.changes, Identity: w.ids, Invoker: w.inv, Audit: w.audit, Code: w.code,
		Requests: &w.requests, TempDir: t.TempDir(),
		Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&opts)
	}
	w.server = New(opts)
	for _, fn := range tune {
		fn(w.server)
	}
	w.must(w.server.Start(t.Context()))
	w.url = "http://" + w.server.Addr().String()
	w.client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		w.must(w.server.Stop(context.Background()))
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) startParts() {
	dir := w.t.TempDir()
	w.must(w.store.Start(w.t.Context()))
	w.code = artifact.New(filepath.Join(dir, "code"), artifact.Options{})
	w.must(w.code.Start(w.t.Context()))
	w.must(w.store.Identity().Update(w.t.Context(), func(tx identity.Tx) error {
		for name, u := range people {
			u.Name, u.CreatedAt, u.UpdatedAt = name, time.Now().UTC(), time.Now().UTC()
			w.must(tx.PutUser(&u))
			// By a first token others can be made.
			w.must(tx.PutToken(&identity.Token{ID: "seed-" + name, User: name, Role: u.Role, Teams: u.Teams, CreatedAt: u.CreatedAt}))
		}
		return nil
	}))
	w.ids = identity.New(identity.Options{Store: w.store.Identity(), KeyFile: filepath.Join(dir, "key")})
	w.must(w.ids.Start(w.t.Context()))
	w.cat = catalog.New(catalog.Options{Store: w.store.Catalog(), Code: w.code})
	w.must(w.cat.Start(w.t.Context()))
	w.changes.Service = w.cat
	w.audit = audit.New(w.store.Audit(), 0, slog.New(slog.DiscardHandler))
	w.inv = invoke.New(invoke.Options{Resolver: w.cat, Pool: w, Log: slog.New(slog.DiscardHandler)})
	w.must(w.inv.Start(w.t.Context()))
	w.t.Cleanup(func() {
		w.must(w.inv.Stop(context.Background()))
		w.must(w.cat.Stop(context.Background()))
		w.must(w.ids.Stop(context.Background()))
	})
}

func (w *world) startPeople() {
	for name, u := range people {
		_, token, err := w.ids.CreateToken(w.t.Context(), &identity.Principal{User: name, Role: u.Role, Teams: u.Teams, TokenID: "seed-" + name}, identity.NewToken{})
		w.must(err)
		w.tokens[name] = token
	}
	p, err := w.ids.Authenticate(w.t.Context(), w.tokens["revoked"])
	w.must(err)
	w.must(w.ids.RevokeToken(w.t.Context(), p, p.TokenID))
}

// Acquire makes the world an invoke.Pool whose instances are the world too.
func (w *world) Acquire(ctx context.Context, u *function.Unit) (invoke.Lease, error) {
	if w.acquire != nil {
		return nil, w.acquire
	}
	if w.pool != nil {
		return w.pool.Acquire(ctx, u)
	}
	return instance{w}, nil
}

// useFake runs functions on the fake host, by way of the real pool.
func (w *world) useFake(functions map[string]sandboxtest.Function) {
	host := sandboxtest.NewFake(ledger.New(1 << 30))
	host.Functions = functions
	p := pool.New(pool.Options{
		Host: func(function.Runtime) (sandbox.Host, error) { return host, nil },
		Log:  slog.New(slog.DiscardHandler),
	})
	w.pool = p
	w.t.Cleanup(func() {
		w.must(p.Stop(context.Background()))
		w.must(host.Close(context.Background()))
	})
}

type instance struct{ w *world }

func (i instance) Instance() sandbox.Instance  { return i }
func (i instance) Cold() (bool, time.Duration) { return false, 0 }
func (i instance) Release()                    {}
func (i instance) ID() string                  { return "i1" }
func (i instance) Reusable() bool              { return true }
func (i instance) Stats() sandbox.Stats        { return sandbox.Stats{} }
func (i instance) Stop(context.Context) error  { return nil }
func (i instance) Invoke(ctx context.Context, inv *sandbox.Invocation) (sandbox.Result, error) {
	i.w.running.Add(1)
	defer i.w.running.Add(-1)
	if i.w.handler != nil {
		return i.w.handler(ctx, inv)
	}
	return sandbox.Result{Payload: bytes.Clone(inv.Payload), PeakMemory: 1 << 20}, nil
}

// countingCatalog counts the changes that reach the catalogue.
type countingCatalog struct {
	*catalog.Service
	count atomic.Int64
}

func (c *countingCatalog) Create(ctx context.Context, actor, name string, p *function.Patch) (*function.Function, error) {
	c.count.Add(1)
	return c.Service.Create(ctx, actor, name, p)
}

func (c *countingCatalog) Update(ctx context.Context, name string, m *uint64, p *function.Patch) (*function.Function, error) {
	c.count.Add(1)
	return c.Service.Update(ctx, name, m, p)
}

func (c *countingCatalog) Publish(ctx context.Context, actor, name string, p catalog.Publication) (*function.Version, error) {
	c.count.Add(1)
	return c.Service.Publish(ctx, actor, name, p)
}

// logBuffer keeps the log.
type logBuffer struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *logBuffer) Store(b *bytes.Buffer) { l.mu.Lock(); l.b = b; l.mu.Unlock() }

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was logged since it was asked last.
func (l *logBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b.Reset()
	return s
}

type requestCounter struct {
	mu   sync.Mutex
	seen []string
}

func (c *requestCounter) Request(route, method string, status int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, method+" "+route+" "+http.StatusText(status))
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body []byte
}

func (a *answer) code() string {
	var e wire.Error
	_ = json.Unmarshal(a.body, &e)
	return e.Error.Code
}

func (a *answer) fields() []string {
	var e wire.Error
	_ = json.Unmarshal(a.body, &e)
	var names []string
	for _, d := range e.Error.Details {
		names = append(names, d.Field)
	}
	return names
}

// call is a request of somebody's.
type call struct {
	as, method, path, body string
	header                 map[string]string
	reader                 io.Reader // instead of body
}

func (w *world) request(c call) *http.Request {
	w.t.Helper()
	var body io.Reader = strings.NewReader(c.body)
	if c.reader != nil {
		body = c.reader
	}
	if !strings.HasPrefix(c.path, "/") {
		c.path = base + "/" + c.path
	}
	req, err := http.NewRequestWithContext(context.Background(), c.method, w.url+c.path, body)
	w.must(err)
	if c.as != "" {
		req.Header.Set("Authorization", "Bearer "+w.tokens[c.as])
	}
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	return req
}

func (w *world) call(c call) *answer {
	w.t.Helper()
	res, err := w.client.Do(w.request(c))
	w.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.must(err)
	return &answer{res, body}
}

// do is a call that must have the status; the rest of the arguments are a body
// and headers as "Name: value".
func (w *world) do(want int, as, method, path string, rest ...string) *answer {
	w.t.Helper()
	c := call{as: as, method: method, path: path, header: map[string]string{}}
	for i, text := range rest {
		if name, value, found := strings.Cut(text, ": "); found && i > 0 {
			c.header[name] = value
		} else {
			c.body = text
		}
	}
	a := w.call(c)
	if a.StatusCode != want {
		w.t.Fatalf("%s %s as %q: %d, want %d: %.600s", method, path, as, a.StatusCode, want, a.body)
	}
	return a
}

// makeFunction creates a function with one version and one alias.
func (w *world) makeFunction(name string) {
	w.t.Helper()
	w.do(201, "admin", "POST", "functions", `{"name":"`+name+`","runtime":"wasm","handler":"main.handle","environment":{"SECRET":"x"}}`)
	w.do(201, "admin", "POST", "functions/"+name+"/versions", string(module), "Content-Type: application/wasm")
	w.do(201, "admin", "POST", "functions/"+name+"/aliases", `{"aliasName":"live","version":1}`)
}

// raw opens a connection of its own and sends text.
func (w *world) raw(text string) net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.server.Addr().String())
	w.must(err)
	w.t.Cleanup(func() { c.Close() })
	w.must(c.SetDeadline(time.Now().Add(20 * time.Second)))
	_, err = io.WriteString(c, text)
	w.must(err)
	return c
}
