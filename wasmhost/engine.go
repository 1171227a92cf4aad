package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/skiffhq/skiff/wasmhost/guard"
	"github.com/skiffhq/skiff/wasmhost/wasi"
)

// compileTimeout bounds how long a module may take to compile.
const compileTimeout = 2 * time.Minute

// compileWorkers is how many functions are compiled at once. One alone would
// not look at the context, and more could together take too much memory.
const compileWorkers = 2

// engine is wazero and what guests import.
type engine struct {
	cache   wazero.CompilationCache
	runtime wazero.Runtime
	config  wazero.ModuleConfig // of every instance; read-only
	offered map[string]map[string]api.FunctionDefinition
	// compiling lets one module be compiled at a time: that takes all cores
	// and much memory, and it is others' invocations that would wait.
	compiling chan struct{}
}

func newEngine(ctx context.Context, cacheDir string) (*engine, error) {
	cache, err := newCache(cacheDir)
	if err != nil {
		return nil, err
	}
	e := &engine{cache: cache, compiling: make(chan struct{}, 1)}
	e.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(cache).
		WithCoreFeatures(api.CoreFeaturesV2). // no threads, exceptions or tail calls
		WithDebugInfoEnabled(false).
		WithCloseOnContextDone(false)) // guests yield, see guard
	// The sources of time and entropy are never asked, as wasi does not use
	// them, but the defaults would be made anew for each instance.
	e.config = wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithSysWalltime().WithSysNanotime().WithSysNanosleep().WithOsyield(runtime.Gosched).WithRandSource(noEntropy{})
	if err := e.offer(ctx); err != nil {
		return nil, errors.Join(err, e.close(ctx))
	}
	return e, nil
}

// offer makes the modules that guests import from.
func (e *engine) offer(ctx context.Context) error {
	e.offered = map[string]map[string]api.FunctionDefinition{}
	for _, instantiate := range []func(context.Context, wazero.Runtime) (api.Module, error){wasi.Instantiate, instantiateSkiff} {
		mod, err := instantiate(ctx, e.runtime)
		if err != nil {
			return err
		}
		e.offered[mod.Name()] = mod.ExportedFunctionDefinitions()
	}
	delete(e.offered[guard.YieldModule], guard.YieldName) // is for rewritten modules alone
	return nil
}

func (e *engine) close(ctx context.Context) error {
	return errors.Join(e.runtime.Close(ctx), e.cache.Close(ctx))
}

// compile compiles a module. Whatever a module does to the compiler, the
// engine and the other modules stay as they are. It stops between two
// functions when ctx ends.
func (e *engine) compile(ctx context.Context, binary []byte) (m wazero.CompiledModule, err error) {
	select {
	case e.compiling <- struct{}{}:
		defer func() { <-e.compiling }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, compileTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the compiler failed: %v", r)
		}
	}()
	return e.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, compileWorkers), binary)
}

// noEntropy stands where wazero wants a source of entropy.
type noEntropy struct{}

func (noEntropy) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }
