// Package guests builds the example guests from sources that it carries, for
// tests and measurements that need real modules, from any working directory.
//
// It runs the compilers that are installed and says how to get those that are
// not. Keeping what was built is left to the caller, and the appliance itself
// never builds guests.
package guests

import (
	"context"
	"os"
	"path/filepath"

	"github.com/skiffhq/skiff/core/fault"
)

// Kind names an example guest.
type Kind string

// The kinds of guest.
const (
	Go             Kind = "go"             // reactor with the Go SDK: greets by name
	GoCommand      Kind = "go-command"     // WASI command in Go: greets by name
	C              Kind = "c"              // reactor without a C library: echoes
	CCommand       Kind = "c-command"      // WASI command with wasi-libc: counts words
	AssemblyScript Kind = "assemblyscript" // reactor: greets by name
)

// Kinds returns all kinds, in the order of the constants.
func Kinds() []Kind { return []Kind{Go, GoCommand, C, CCommand, AssemblyScript} }

// Handler returns what the function's handler has to be when the module is
// deployed as main.wasm; "" for an unknown kind.
func (k Kind) Handler() string {
	switch k {
	case GoCommand, CCommand:
		return "main._start"
	case Go, C, AssemblyScript:
		return "main.handle"
	}
	return ""
}

// Build makes the guest and leaves it as dir/KIND.wasm, whose path it returns.
// The directory must exist; a file of that name is replaced at once, never in
// part. It may be called by several goroutines. Only AssemblyScript may need
// the network, for its compiler. Faults: Invalid for an unknown kind,
// Unavailable with the remedy where a compiler is missing, Internal with the
// compiler's words where it fails.
func Build(ctx context.Context, kind Kind, dir string) (path string, err error) {
	t, ok := toolchains[kind]
	if !ok {
		return "", fault.New(fault.Invalid, "unknown_guest", "build guest %q: there is no such kind", string(kind))
	}
	// Next to the target, so that the finished module can be renamed there.
	work, err := os.MkdirTemp(dir, ".build-"+string(kind)+"-")
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "build_failed", "build guest %q: make a work directory", string(kind))
	}
	defer os.RemoveAll(work)
	if work, err = filepath.Abs(work); err != nil {
		return "", fault.Wrap(err, fault.Internal, "build_failed", "build guest %q: find the work directory", string(kind))
	}
	if err := buildIn(ctx, kind, t, work); err != nil {
		return "", err
	}
	path = filepath.Join(dir, string(kind)+".wasm")
	if err := os.Rename(filepath.Join(work, outFile), path); err != nil {
		return "", fault.Wrap(err, fault.Internal, "build_failed", "build guest %q: keep the module", string(kind))
	}
	return path, nil
}

func buildIn(ctx context.Context, kind Kind, t toolchain, work string) error {
	if err := t.missing(kind); err != nil {
		return err
	}
	if err := unpack(work); err != nil {
		return fault.Wrap(err, fault.Internal, "build_failed", "build guest %q: unpack the sources", string(kind))
	}
	for _, argv := range t.commands {
		if err := run(ctx, kind, work, t, argv); err != nil {
			return err
		}
	}
	return nil
}
