package guests

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/skiffhq/skiff/bootstrap/wasm"
	"github.com/skiffhq/skiff/core/fault"
)

// outFile is the module in the work directory.
const outFile = "main.wasm"

// root is where the sources lie in the work directory: the place that they
// have in their module, so that its import paths hold without a replacement.
const root = "bootstrap/wasm"

// goMod makes the work directory a module of the SDK's name that needs no
// other, which is why a build is possible offline.
const goMod = "module github.com/skiffhq/skiff\n\ngo 1.26.0\n"

// toolchain is how one kind is built.
type toolchain struct {
	dir      string     // where the commands run, below the work directory
	programs []string   // that must be on the path
	commands [][]string // argument vectors, in order
	env      []string   // on top of the process's own
	remedy   string     // how to get the programs
}

var (
	goEnv = []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOPROXY=off", "GOTOOLCHAIN=local"}

	goRemedy   = "install Go 1.26 or newer and put its bin directory on the PATH"
	clangHint  = "apt-get install -y clang lld wasi-libc libclang-rt-dev-wasm32"
	nodeRemedy = "apt-get install -y nodejs npm (Node.js 18 or newer)"
)

var toolchains = map[Kind]toolchain{
	Go: {
		programs: []string{"go"}, env: goEnv, remedy: goRemedy,
		commands: [][]string{{"go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w",
			"-o", outFile, "./" + root + "/examples/go"}},
	},
	GoCommand: {
		programs: []string{"go"}, env: goEnv, remedy: goRemedy,
		commands: [][]string{{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
			"-o", outFile, "./" + root + "/examples/go-command"}},
	},
	C: {
		programs: []string{"clang", "wasm-ld"}, remedy: clangHint,
		commands: [][]string{{"clang", "--target=wasm32", "-ffreestanding", "-nostdlib", "-O2", "-I" + root + "/c",
			"-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=16384",
			"-o", outFile, root + "/examples/c/main.c"}},
	},
	CCommand: {
		programs: []string{"clang", "wasm-ld"}, remedy: clangHint,
		commands: [][]string{{"clang", "--target=wasm32-wasi", "--sysroot=/usr", "-O2",
			"-Wl,--strip-all", "-o", outFile, root + "/examples/c-command/main.c"}},
	},
	AssemblyScript: {
		programs: []string{"node", "npm"}, remedy: nodeRemedy,
		dir: root + "/examples/assemblyscript",
		commands: [][]string{
			{"npm", "ci", "--prefer-offline"},
			{"node", "node_modules/assemblyscript/bin/asc.js", "main.ts", "--target", "release",
				"--outFile", "../../../../" + outFile},
		},
	},
}

// missing returns the fault of the first program that is not there.
func (t toolchain) missing(kind Kind) error {
	for _, p := range t.programs {
		if _, err := exec.LookPath(p); err != nil {
			return fault.Wrap(err, fault.Unavailable, "toolchain_missing",
				"build guest %q: the program %s is missing", string(kind), p).WithRemedy("%s", t.remedy)
		}
	}
	return nil
}

// unpack writes the sources and the go.mod below work.
func unpack(work string) error {
	if err := os.WriteFile(filepath.Join(work, "go.mod"), []byte(goMod), 0o600); err != nil {
		return err
	}
	return fs.WalkDir(wasm.Sources, ".", func(name string, d fs.DirEntry, err error) error {
		target := filepath.Join(work, root, filepath.FromSlash(name))
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		}
		text, err := wasm.Sources.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
}

// run runs one command; what it printed comes along in the fault.
func run(ctx context.Context, kind Kind, work string, t toolchain, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = filepath.Join(work, filepath.FromSlash(t.dir))
	cmd.Env = append(os.Environ(), t.env...)
	cmd.WaitDelay = 5 * time.Second // compilers start children that hold the pipe
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fault.Wrap(err, fault.Internal, "build_failed", "build guest %q: %s: %s",
			string(kind), argv[0], bytes.TrimSpace(out)).WithRemedy("%s", t.remedy)
	}
	return nil
}
