// Package wasmhost runs WebAssembly functions inside the process, on wazero:
// it is a sandbox.Host.
//
// Each invocation gets a sandbox of its own unless the function asks to keep
// its state. DESIGN.md beside this file says why things are as they are and
// what they cost.
//
// Which instance serves which invocation, and how many there are, is core/pool's
// business; keeping code is core/artifact's.
package wasmhost

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/memory"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/wasmhost/linear"
)

// Code keeps code bundles; artifact.Store is one.
type Code interface {
	// Open returns the unpacked tree of a bundle, which the caller releases.
	Open(ctx context.Context, sha256 string) (*artifact.Tree, error)
}

// maxIdleMemory bounds what waits for the next guest, in bytes: once for
// sandboxes, and once for memories without one.
const maxIdleMemory = 64 << 20

// sweepInterval is how long a sandbox waits at least, and about half of how
// long at most.
const sweepInterval = 5 * time.Second

// Options are what a Host needs. Code and Memory must be set.
type Options struct {
	// CacheDir keeps compiled code between starts of the process. It holds
	// executable code: it is made with mode 0700, must belong to this
	// process's user, and must not be part of a backup. Empty: code is
	// compiled again after each start.
	CacheDir string
	Code     Code
	Memory   *memory.Ledger
	Log      *slog.Logger // nil: slog.Default
}

// Host implements sandbox.Host for runtime wasm. It is usable after Open.
type Host struct {
	opts    Options
	engine  *engine
	memory  *linear.Pool
	account *memory.Account // of compiled code
	runs    sync.Pool       // of *run
	lastID  atomic.Uint64
	maxIdle int             // sandboxes that wait, of one unit
	idle    atomic.Int64    // bytes of memory of all that wait
	base    context.Context // of work that outlives a call; ends at Close
	end     context.CancelCauseFunc

	// units is copied when it changes, so that Start takes no lock to look
	// one up. mu guards changes, codes and closed.
	units  atomic.Pointer[map[function.Key]*unit]
	mu     sync.Mutex
	codes  map[codeKey]*code
	closed bool
	loads  sync.WaitGroup
}

// New returns a Host that does nothing before Open.
func New(opts Options) *Host {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	h := &Host{opts: opts, codes: map[codeKey]*code{}}
	h.units.Store(&map[function.Key]*unit{})
	return h
}

// Open makes the engine. Faults: Unavailable where the cache's directory
// cannot be used.
func (h *Host) Open(ctx context.Context) error {
	e, err := newEngine(ctx, h.opts.CacheDir)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "wasm_engine", "start the WebAssembly host").
			WithRemedy("make %q a directory of mode 0700 that belongs to user id %d", h.opts.CacheDir, os.Geteuid())
	}
	h.engine = e
	h.memory = linear.NewPool(h.opts.Memory, maxIdleMemory)
	h.account = h.opts.Memory.Account("wasm (code)")
	h.runs.New = func() any { return newRun() }
	h.maxIdle = 4 * runtime.GOMAXPROCS(0)
	h.base, h.end = context.WithCancelCause(context.Background())
	h.loads.Go(h.sweep)
	return nil
}

// sweep drops sandboxes that have waited in vain.
func (h *Host) sweep() {
	t := time.NewTicker(sweepInterval)
	defer t.Stop()
	for {
		select {
		case <-h.base.Done():
			return
		case <-t.C:
			for _, un := range *h.units.Load() {
				un.sweep()
			}
		}
	}
}

// reclaim drops all sandboxes that wait, and returns how many that were.
func (h *Host) reclaim() (n int) {
	for _, un := range *h.units.Load() {
		n += un.dropIdle()
	}
	return n + h.memory.Trim()
}

// Kind implements sandbox.Host.
func (h *Host) Kind() sandbox.Kind { return sandbox.KindWasm }

// Prepare implements sandbox.Host.
func (h *Host) Prepare(ctx context.Context, u *function.Unit) error {
	un, err := h.prepare(ctx, u)
	if err == nil {
		un.leave()
	}
	return err
}

// Start implements sandbox.Host.
func (h *Host) Start(ctx context.Context, u *function.Unit) (sandbox.Instance, error) {
	un := (*h.units.Load())[u.Key]
	if un == nil || !un.join() {
		var err error
		if un, err = h.prepare(ctx, u); err != nil {
			return nil, err
		}
	}
	inst, err := un.start(ctx)
	if err != nil {
		un.leave()
		return nil, err
	}
	return inst, nil
}

// prepare finds or makes a unit and joins it.
func (h *Host) prepare(ctx context.Context, u *function.Unit) (*unit, error) {
	for {
		if un := (*h.units.Load())[u.Key]; un != nil && un.join() {
			return un, nil
		}
		c, err := h.acquire(ctx, u)
		if err != nil {
			return nil, loadFault(err, u)
		}
		if err := c.fits(u); err != nil {
			h.release(c)
			return nil, loadFault(err, u)
		}
		if un, ok := h.enter(newUnit(h, u, c)); ok {
			return un, nil
		}
		// Somebody was quicker, or the host was closed.
		h.release(c)
		if err := h.open(); err != nil {
			return nil, err
		}
	}
}

// enter puts a unit, already joined, into the table unless one is there.
func (h *Host) enter(un *unit) (*unit, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := (*h.units.Load())[un.u.Key]; old != nil || h.closed {
		un.account.Close()
		return nil, false
	}
	h.change(func(units map[function.Key]*unit) { units[un.u.Key] = un })
	return un, true
}

// change swaps the table. mu is held.
func (h *Host) change(fn func(map[function.Key]*unit)) {
	units := maps.Clone(*h.units.Load())
	fn(units)
	h.units.Store(&units)
}

func (h *Host) open() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed()
	}
	return nil
}

func errClosed() error {
	return fault.New(fault.Unavailable, "stopping", "the WebAssembly host is closed")
}

// Forget implements sandbox.Host.
func (h *Host) Forget(key function.Key) {
	h.mu.Lock()
	un := (*h.units.Load())[key]
	if un != nil {
		h.change(func(units map[function.Key]*unit) { delete(units, key) })
	}
	h.mu.Unlock()
	if un != nil {
		un.retire()
	}
}

// Close implements sandbox.Host. It waits for guests to end, at most until
// ctx does.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	if h.closed || h.engine == nil {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.end(errClosed())
	units := *h.units.Load()
	h.units.Store(&map[function.Key]*unit{})
	h.mu.Unlock()
	var first error
	for _, un := range units {
		if err := un.stopAll(ctx); err != nil && first == nil {
			first = err
		}
		un.retire()
	}
	h.loads.Wait()
	h.memory.Close()
	if first != nil {
		return first // a guest may still run: its code must stay
	}
	h.account.Close()
	return h.engine.close(ctx)
}
