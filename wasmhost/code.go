package wasmhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/unix"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/wasmhost/module"
	"github.com/skiffhq/skiff/wasmhost/wasi"
)

// maxModule is the largest module that is compiled, in bytes.
const maxModule = artifact.MaxPacked

// What a module is charged once it is compiled, in bytes: the machine code and
// what the engine keeps of the module, of which some takes much more room than
// it has in the file.
const (
	codePerByte     = 6
	codePerFunction = 512
	codePerElement  = 64
	codePerName     = 32
)

// readPerByte is what a byte of a module takes while it is read and rewritten.
const readPerByte = 3

func codeCost(binary []byte, m *module.Module) int64 {
	return codePerByte*int64(len(binary)) + codePerFunction*int64(len(m.Functions)) +
		codePerElement*int64(m.Elements) + codePerName*int64(m.Names)
}

// codeKey names a module: units with the same bundle share it.
type codeKey struct{ sha, file string }

// code is a compiled module and the tree it came from, in use by units.
type code struct {
	key     codeKey
	ready   chan struct{} // closed when what follows is set
	err     error
	refs    int // guarded by the host's mu
	tree    *artifact.Tree
	root    *os.Root
	files   *wasi.CodeFS
	module  wazero.CompiledModule
	outline *outline
	recipe  *recipe // nil where sandboxes cannot be used again
	charged int64
}

// errInvalid marks what is wrong with the code itself, in words for those who
// built it.
type errInvalid struct{ what string }

func (e errInvalid) Error() string { return e.what }

func invalid(format string, args ...any) error { return errInvalid{fmt.Sprintf(format, args...)} }

// loadFault says who has to do something about code that cannot be loaded.
func loadFault(err error, u *function.Unit) error {
	var bad errInvalid
	if errors.As(err, &bad) {
		return fault.Wrap(err, fault.InitFailed, fault.ReasonInvalidWasm, "load function %q: %s", u.Function, bad.what)
	}
	f := fault.Of(err)
	if f.Class == fault.NotFound {
		return fault.Wrap(err, fault.InitFailed, fault.ReasonNoCode, "load function %q: its code is not stored here", u.Function)
	}
	return err
}

// acquire returns a unit's module, loaded once for all who ask at the same
// time. The caller must release it.
func (h *Host) acquire(ctx context.Context, u *function.Unit) (*code, error) {
	handler, err := function.ParseHandler(function.FamilyWasm, u.Handler)
	if err != nil {
		return nil, err
	}
	c, err := h.flight(codeKey{u.CodeSHA256, handler.File + ".wasm"})
	if err != nil {
		return nil, err
	}
	select {
	case <-c.ready:
	case <-ctx.Done():
		h.release(c)
		return nil, fault.Of(ctx.Err())
	}
	if c.err != nil {
		h.release(c)
		return nil, c.err
	}
	return c, nil
}

// flight joins the loading of a module, or begins it. It goes on when those
// who wait for it leave: the next one will want it.
func (h *Host) flight(key codeKey) (*code, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed()
	}
	c := h.codes[key]
	if c == nil {
		c = &code{key: key, ready: make(chan struct{}), refs: 1} // the flight's own
		h.codes[key] = c
		h.loads.Go(func() {
			h.land(c, h.load(h.base, c))
		})
	}
	c.refs++
	return c, nil
}

// land ends a flight. What failed to load is tried anew by the next who asks.
func (h *Host) land(c *code, err error) {
	h.mu.Lock()
	c.err = err
	if err != nil {
		delete(h.codes, c.key)
	}
	last := h.unref(c)
	close(c.ready)
	h.mu.Unlock()
	if last {
		h.unload(c)
	}
}

// release ends a use. The last one closes the module.
func (h *Host) release(c *code) {
	h.mu.Lock()
	last := h.unref(c)
	h.mu.Unlock()
	if last {
		h.unload(c)
	}
}

// unref reports whether that was the last use. mu is held.
func (h *Host) unref(c *code) (last bool) {
	if c.refs--; c.refs == 0 && h.codes[c.key] == c {
		delete(h.codes, c.key)
	}
	return c.refs == 0
}

// load reads, checks and compiles a module.
func (h *Host) load(ctx context.Context, c *code) error {
	var err error
	if c.tree, err = h.opts.Code.Open(ctx, c.key.sha); err != nil {
		return err
	}
	if c.root, err = os.OpenRoot(c.tree.Dir()); err != nil {
		return fault.Wrap(err, fault.Internal, "code_unreadable", "open code %.12s", c.key.sha)
	}
	c.files = wasi.NewCodeFS(c.root, maxCodeFiles())
	room, err := c.size()
	if err != nil {
		return err
	}
	room *= readPerByte
	if err := h.account.Reserve(room); err != nil {
		return err
	}
	defer h.account.Release(room)
	binary, err := c.read()
	if err != nil {
		return err
	}
	m, err := module.Read(binary)
	if err != nil {
		return invalid("%s: %v", c.key.file, err)
	}
	c.outline = outlineOf(m, h.engine)
	safe, facts, err := prepare(binary, m)
	if err != nil {
		return invalid("%s: %v", c.key.file, err)
	}
	c.recipe = recipeOf(binary, m, facts)
	// What compiling takes for a while.
	if err := h.account.Reserve(compileWorkers * facts.CompileMemory); err != nil {
		return err
	}
	defer h.account.Release(compileWorkers * facts.CompileMemory)
	return h.compile(ctx, c, safe, codeCost(safe, m))
}

// compile charges the memory and compiles.
func (h *Host) compile(ctx context.Context, c *code, binary []byte, cost int64) error {
	if err := h.account.Reserve(cost); err != nil {
		return err
	}
	c.charged = cost
	m, err := h.engine.compile(ctx, binary)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return invalid("%s: it takes longer than %v to compile", c.key.file, compileTimeout)
	case err != nil:
		return invalid("%s: it is not valid: %.400v", c.key.file, err)
	}
	c.module = m
	h.pruneCache()
	return nil
}

// pruneCache keeps the directory of compiled code within its bound. A failure
// is no reason to refuse code that was compiled.
func (h *Host) pruneCache() {
	if h.opts.CacheDir == "" {
		return
	}
	if err := prune(h.opts.CacheDir, maxCache); err != nil && !errors.Is(err, os.ErrNotExist) {
		h.opts.Log.Warn("cannot bound the cache of compiled code", "component", "wasmhost", "error", err)
	}
}

// maxCodeFiles is how many files the guests of one module may have open
// together, so that none of them takes all that the process may have.
func maxCodeFiles() int64 {
	var most unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &most) != nil {
		return 64
	}
	return int64(max(64, min(most.Cur, 1<<20)/16))
}

// size returns how many bytes the module has. Nothing changes a tree while it
// is in use.
func (c *code) size() (int64, error) {
	info, err := c.root.Stat(c.key.file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, invalid("the bundle has no %q; the handler names the file, such as %q for main.wasm", c.key.file, function.DefaultWasmHandler)
	case err != nil:
		return 0, invalid("%q cannot be read from the bundle: %v", c.key.file, err)
	case !info.Mode().IsRegular():
		return 0, invalid("%q is not a regular file", c.key.file)
	case info.Size() > maxModule:
		return 0, invalid("%s has %d bytes, %d are allowed", c.key.file, info.Size(), maxModule)
	}
	return info.Size(), nil
}

// read returns the bytes of the module.
func (c *code) read() ([]byte, error) {
	b, err := c.root.ReadFile(c.key.file)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "code_unreadable", "read code %.12s", c.key.sha)
	}
	// A bare module is all that its bundle holds, so its name tells whether the
	// disk has kept it well.
	if sum := sha256.Sum256(b); c.tree.Kind() == artifact.KindWasm && hex.EncodeToString(sum[:]) != c.key.sha {
		return nil, fault.New(fault.Internal, fault.ReasonBadBundle, "read code %.12s: its unpacked copy has changed on disk", c.key.sha).
			WithRemedy("delete artifacts/trees in the data directory and restart: it is unpacked again from what was uploaded")
	}
	return b, nil
}

// unload frees what was loaded. Nobody uses it any more.
func (h *Host) unload(c *code) {
	if c.module != nil {
		if err := c.module.Close(context.Background()); err != nil {
			h.opts.Log.Error("close a module", "component", "wasmhost", "code", c.key.sha, "error", err)
		}
	}
	if c.root != nil {
		c.root.Close()
	}
	if c.tree != nil {
		c.tree.Release()
	}
	h.account.Release(c.charged)
}
