package wasmhost

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/memory"
	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/core/sandbox/sandboxtest"
)

func TestHostKeepsTheContract(t *testing.T) {
	behave := cGuest(t, "behave")
	sandboxtest.Run(t, sandboxtest.Subject{New: func(t testing.TB, ledger *memory.Ledger) (sandbox.Host, func(sandboxtest.Behaviour) *function.Unit) {
		r := &rig{t: t, ledger: ledger, store: artifact.New(t.TempDir(), artifact.Options{})}
		if err := r.store.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.host = New(Options{CacheDir: filepath.Join(compiled, "cache"), Code: r.store, Memory: ledger, Log: slog.New(slog.DiscardHandler)})
		if err := r.host.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		return r.host, func(b sandboxtest.Behaviour) *function.Unit { return r.unit(behave, "main."+string(b)) }
	}})
}
