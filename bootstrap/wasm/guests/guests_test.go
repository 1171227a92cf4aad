package guests

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

// magic is how every WebAssembly module of version 1 begins.
var magic = []byte("\x00asm\x01\x00\x00\x00")

func TestBuildLeavesTheModuleAndNothingElse(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			old := filepath.Join(dir, string(kind)+".wasm")
			if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			path, err := Build(t.Context(), kind, dir)
			if err != nil {
				t.Fatal(err)
			}
			code, err := os.ReadFile(path)
			if err != nil || path != old || !bytes.HasPrefix(code, magic) {
				t.Errorf("%s is no module (%v)", path, err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("the directory holds %v, want the module alone", entries)
			}
		})
	}
}

func TestBuildIsTheSameTwice(t *testing.T) {
	for _, kind := range []Kind{Go, C} {
		var modules [2][]byte
		for i := range modules {
			path, err := Build(t.Context(), kind, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if modules[i], err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(modules[0], modules[1]) {
			t.Errorf("%s: two builds differ", kind)
		}
	}
}

func TestBuildTakesARelativeDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	path, err := Build(t.Context(), C, ".")
	if err != nil || path != "c.wasm" {
		t.Errorf("got %q, %v", path, err)
	}
}

func TestBuildRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Build(t.Context(), "cobol", dir); !fault.Is(err, fault.Invalid) {
		t.Errorf("unknown kind: %v, want an Invalid fault", err)
	}
	if _, err := Build(t.Context(), C, filepath.Join(dir, "none")); !fault.Is(err, fault.Internal) {
		t.Errorf("missing directory: %v, want an Internal fault", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, C, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v, want context.Canceled", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%v is left", entries)
	}
}

func TestBuildSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for kind, want := range map[Kind]string{
		Go: "install Go", GoCommand: "install Go", C: "apt-get install -y clang", CCommand: "wasi-libc", AssemblyScript: "nodejs npm",
	} {
		_, err := Build(t.Context(), kind, t.TempDir())
		if !fault.HasReason(err, "toolchain_missing") || !strings.Contains(fault.Of(err).Remedy, want) {
			t.Errorf("%s: %v, want a remedy with %q", kind, err, want)
		}
	}
}

func TestBuildShowsTheCompilersWords(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"clang", "wasm-ld"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho no such target >&2\nexit 1\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	_, err := Build(t.Context(), C, t.TempDir())
	if !fault.HasReason(err, "build_failed") || !strings.Contains(err.Error(), "no such target") || !strings.Contains(err.Error(), "apt-get") {
		t.Errorf("got %v, want the compiler's words and the remedy", err)
	}
}

func TestHandlers(t *testing.T) {
	for _, kind := range Kinds() {
		if kind.Handler() == "" {
			t.Errorf("%s has no handler", kind)
		}
	}
	if got := Kind("cobol").Handler(); got != "" {
		t.Errorf("an unknown kind has the handler %q", got)
	}
}
