package node

import (
	"context"
	"crypto/tls"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/core/api"
	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/config"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/identity/adminsock"
	"github.com/skiffhq/skiff/core/invoke"
	"github.com/skiffhq/skiff/core/memory"
	"github.com/skiffhq/skiff/core/pool"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/core/store"
	"github.com/skiffhq/skiff/core/telemetry"
	"github.com/skiffhq/skiff/core/wire"
	"github.com/skiffhq/skiff/wasmhost"
)

// The parts fit the ports of those who use them.
var (
	_ sandbox.Host    = (*wasmhost.Host)(nil)
	_ invoke.Resolver = (*catalog.Service)(nil)
	_ invoke.Pool     = (*pool.Pool)(nil)
	_ catalog.Code    = (*artifact.Store)(nil)
	_ wasmhost.Code   = (*artifact.Store)(nil)
	_ api.Catalog     = (*catalog.Service)(nil)
	_ api.Identity    = (*identity.Service)(nil)
	_ api.Invoker     = (*invoke.Invoker)(nil)
	_ api.Audit       = (*audit.Log)(nil)
	_ api.Code        = (*artifact.Store)(nil)
	_ api.Requests    = (*telemetry.Metrics)(nil)
	_ adminsock.Admin = auditedAdmin{}
	_ invoke.Metrics  = invokeMetrics{}
)

// parts are what an appliance is made of.
type parts struct {
	config    *config.Config
	version   string
	log       *slog.Logger
	running   atomic.Bool
	endpoints wire.Endpoints

	metrics  *telemetry.Metrics
	memory   *memory.Ledger
	bodies   *memory.Account // of requests to the API
	runtimes *function.Catalogue

	store    *store.Store
	identity *identity.Service
	audit    *audit.Log
	code     *artifact.Store
	wasm     *wasmhost.Host
	catalog  *catalog.Service
	pool     *pool.Pool
	invoker  *invoke.Invoker
	admin    *adminsock.Server
	api      *api.Server // made when it starts
	scrape   scrapeListener
}

// newNode makes every part. Nothing is started or touched.
func newNode(opts Options) *node {
	n := &node{}
	n.config, n.version, n.log = opts.Config, opts.Version, opts.Log
	n.metrics = telemetry.NewMetrics()
	n.memory = memory.New(budget(int64(n.config.Memory.Budget)))
	n.bodies = n.memory.Account("requests")
	n.runtimes = function.NewCatalogue()
	n.makeRecords()
	n.makeExecution()
	n.readings()
	n.order = n.startOrder()
	return n
}

// path is a name below the data directory.
func (p *parts) path(name string) string { return filepath.Join(p.config.DataDir, name) }

// makeRecords makes what keeps state.
func (p *parts) makeRecords() {
	c := p.config
	p.store = store.New(store.Options{Dir: p.path("store"), Reserve: int64(c.Store.Reserve), Log: p.log})
	p.audit = audit.New(p.store.Audit(), 0, p.log)
	p.identity = identity.New(identity.Options{
		Store: p.store.Identity(), KeyFile: p.path("signing.key"), Issuer: c.Auth.Issuer, Audience: c.Auth.Audience,
		JWKS: c.Auth.JWKS, TokenTTL: time.Duration(c.Auth.TokenTTL), Log: p.log,
	})
	p.admin = adminsock.New(c.AdminSocket(), auditedAdmin{p.identity, p.audit}, p.log)
	p.code = artifact.New(p.path("artifacts"), artifact.Options{
		CacheBytes: int64(c.Store.CodeCache), Reserve: codeReserve(int64(c.Store.Reserve)), Log: p.log,
	})
}

// storeShare is what code leaves to the store above the store's own reserve:
// where uploads have filled the disk, somebody must still be able to delete.
const storeShare = 64 << 20

// codeReserve returns the free space that code leaves on the disk, in bytes.
func codeReserve(set int64) int64 {
	if set == 0 {
		set = store.DefaultReserve
	}
	return set + storeShare
}

// makeExecution makes what runs functions.
func (p *parts) makeExecution() {
	c := p.config
	p.wasm = wasmhost.New(wasmhost.Options{CacheDir: p.path("compiled"), Code: p.code, Memory: p.memory, Log: p.log})
	p.pool = pool.New(pool.Options{
		Host: p.host, MaxInstances: p.maxInstances, IdleTimeout: time.Duration(c.Invoke.IdleTimeout), Log: p.log,
	})
	p.catalog = catalog.New(catalog.Options{
		Store: p.store.Catalog(), Code: p.code, Runtimes: p.runtimes, Check: p.checkCode,
		Retired: p.retired, Removed: p.removed, Log: p.log,
	})
	p.invoker = invoke.New(invoke.Options{
		Resolver: p.catalog, Pool: p.pool, Metrics: invokeMetrics{p.metrics}, Totals: p.store.Totals(),
		Global: c.Invoke.Concurrency, QueueDepth: c.Invoke.QueueDepth, QueueTimeout: time.Duration(c.Invoke.QueueTimeout), Log: p.log,
	})
}

// apiOptions are the API's, for an address.
func (p *parts) apiOptions(listen string, cert *tls.Config) api.Options {
	r := p.config.RateLimits
	return api.Options{
		Listen: listen, TLS: cert, Version: p.version, Dev: p.config.Dev,
		Catalog: p.catalog, Identity: p.identity, Invoker: p.invoker, Audit: p.audit, Code: p.code,
		Metrics: p.metrics.Handler(), Requests: p.metrics, Memory: p.bodies,
		RateLimits: api.RateLimits{
			Invoke: r.Invoke, InvokeFunction: r.InvokeFunction, Write: r.Writes, Read: r.Reads,
		},
		Runtimes: p.runtimes, TempDir: p.uploads(), Log: p.log,
	}
}

// uploads is where large uploads wait until they are complete.
func (p *parts) uploads() string { return p.path("uploads") }

// host finds the host of a runtime. Containers have none here.
func (p *parts) host(r function.Runtime) (sandbox.Host, error) {
	if r == function.RuntimeWasm {
		return p.wasm, nil
	}
	return nil, fault.New(fault.Unavailable, fault.ReasonRuntimeUnavailable, "start function: this appliance runs no %s functions", r).
		WithRemedy("use the runtime %s", function.RuntimeWasm)
}

// checkCode judges code before it is published. Code of a runtime that this
// host lacks is taken as it is: it may run elsewhere, or later.
func (p *parts) checkCode(ctx context.Context, u *function.Unit) error {
	if u.Runtime != function.RuntimeWasm {
		return nil
	}
	return p.wasm.Check(ctx, u)
}

func (p *parts) maxInstances(name string) int {
	f, err := p.catalog.Function(name)
	if err != nil {
		return 0 // deleted while it is being started: the pool will retire it
	}
	return f.Scaling.MaxInstances
}

// retired ends what a unit leaves behind. $LATEST goes on under the same name,
// and so does a version that only moved to another team.
func (p *parts) retired(key function.Key) {
	p.pool.Retire(key)
	if key.Version == 0 {
		return
	}
	if _, err := p.catalog.Version(key.Function, key.Version); err == nil {
		return
	}
	p.metrics.Forget(key.Function, versionLabel(key.Version))
	p.invoker.ForgetVersion(key)
}

// removed ends what a function leaves behind.
func (p *parts) removed(f *function.Function) {
	p.invoker.Forget(f)
	p.metrics.Forget(f.Name, function.Latest)
	p.metrics.ForgetFunction(f.Name)
}
