package wasm_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

func signature(m wazero.CompiledModule, export string) string {
	f, ok := m.ExportedFunctions()[export]
	if !ok {
		return "missing"
	}
	return typeNames(f.ParamTypes()) + ":" + typeNames(f.ResultTypes())
}

func typeNames(types []api.ValueType) string {
	var names []string
	for _, v := range types {
		names = append(names, api.ValueTypeName(v))
	}
	return strings.Join(names, ",")
}

// compile runs a compiler, whose last argument is the source; its words are in
// the error.
func compile(env []string, argv ...string) error {
	// What the test itself has read counts when go test looks for changes.
	if _, err := os.ReadFile(argv[len(argv)-1]); err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(cmd.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s (the README of this directory says what to install)", argv[0], err, bytes.TrimSpace(out))
	}
	return nil
}

func goProbe(t *testing.T) *reactor {
	t.Helper()
	return start(t, module(t, "goprobe", func(dir string) (string, error) {
		path := filepath.Join(dir, "goprobe.wasm")
		return path, compile([]string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"},
			"go", "build", "-buildmode=c-shared", "-o", path, "testdata/goprobe/main.go")
	}))
}

// cProbe returns the probe for skiff.h, without or with a C library.
func cProbe(t *testing.T, libc bool) *reactor {
	t.Helper()
	flags := []string{"--target=wasm32", "-ffreestanding", "-nostdlib", "-Wl,--no-entry"}
	if libc {
		flags = []string{"--target=wasm32-wasi", "--sysroot=/usr", "-mexec-model=reactor"}
	}
	name := fmt.Sprintf("cprobe-libc-%t", libc)
	return start(t, module(t, name, func(dir string) (string, error) {
		path := filepath.Join(dir, name+".wasm")
		argv := append([]string{"clang"}, flags...)
		return path, compile(nil, append(argv, "-O2", "-Wall", "-Wextra", "-Werror", "-Ic", "-o", path, "testdata/cprobe/main.c")...)
	}))
}

func TestGoMakesErrorResults(t *testing.T) {
	guest := goProbe(t)
	guest.do("error that went wrong", nil).wantError(t, "Error", "that went wrong")
	guest.do("typed 7", nil).wantError(t, "NotFound", "look up: no item 7")
	guest.do("error ", nil).wantError(t, "Error", "")
}

func TestGoSurvivesAPanic(t *testing.T) {
	guest := goProbe(t)
	for range 3 {
		stack := guest.do("panic at the disco", nil).wantError(t, "Runtime.Panic", "at the disco")
		if len(stack) < 2 || !strings.Contains(stack[0], "goprobe/main.go:") || !strings.HasPrefix(stack[1], "main.probe ") {
			t.Errorf("stack trace %q, want it to begin where the panic was", stack)
		}
	}
	guest.do("index x", nil).wantError(t, "Runtime.Panic", "runtime error: slice bounds out of range [1:0]")
	if got := guest.do("echo", nil); got.failed || got.result != "echo" {
		t.Errorf("after a panic: %q (failed %t)", got.result, got.failed)
	}
}

func TestGoEndsWithItsExitCode(t *testing.T) {
	_, err := goProbe(t).try("exit now", nil)
	var ended *sys.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 3 {
		t.Errorf("got %v, want exit code 3", err)
	}
}

func TestGoKeepsItsStateBetweenCalls(t *testing.T) {
	guest := goProbe(t)
	for want := range 3 {
		if got := guest.do("count ", nil).result; got != strconv.Itoa(want+1) {
			t.Errorf("call %d counts %s", want+1, got)
		}
	}
}

func TestGoLogs(t *testing.T) {
	want := []logLine{{0, "fine x"}, {2, "odd x"}, {1, "told arg=x n=1"}, {3, `bad err="two words"`}}
	if got := goProbe(t).do("log x", nil).logs; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGoSeesItsRequest(t *testing.T) {
	guest := goProbe(t)
	long := strings.Repeat("x", 500)
	tests := []struct {
		name string
		meta map[int32]string
		want string
	}{
		{"all", map[int32]string{0: "req-1", 1: "1700000000123", 2: "00-ab-cd-01", 3: "greet", 4: "7"},
			"req-1|1700000000123|true|00-ab-cd-01|greet|7"},
		{"longer than the first try", map[int32]string{0: long, 1: "1", 2: "", 3: long[:64], 4: long[:65]},
			long + "|1|true||" + long[:64] + "|" + long[:65]},
		{"none", nil, fmt.Sprintf("|%d|false|||", time.Time{}.UnixMilli())},
		{"a deadline that is no number", map[int32]string{1: "soon"}, fmt.Sprintf("|%d|false|||", time.Time{}.UnixMilli())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := guest.do("meta ", tt.meta).result; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestGoContextEndsAtTheDeadline(t *testing.T) {
	guest := goProbe(t) // may be built first, which takes longer than the deadline leaves
	deadline := strconv.FormatInt(time.Now().Add(50*time.Millisecond).UnixMilli(), 10)
	got := guest.do("wait ", map[int32]string{1: deadline})
	if got.failed || got.result != "context deadline exceeded after true" {
		t.Errorf("got %q (failed %t)", got.result, got.failed)
	}
}

func TestGoBuffersSurviveTheCollector(t *testing.T) {
	guest := goProbe(t)
	for _, size := range []int{0, 1, 16 << 10, 16<<10 + 1, 1 << 20, 100} {
		arg := strings.Repeat("y", size)
		if got := guest.do("collect "+arg, nil); got.failed || got.result != arg {
			t.Errorf("%d bytes come back as %d: %.40q", size, len(got.result), got.result)
		}
	}
}

func TestGoEchoesWithoutACopy(t *testing.T) {
	guest := goProbe(t)
	for _, payload := range []string{"", "x", strings.Repeat("z", 6<<20)} {
		if got := guest.do(payload, nil); got.failed || got.result != payload {
			t.Errorf("%d bytes come back as %d", len(payload), len(got.result))
		}
	}
}

func TestCHeader(t *testing.T) {
	meta := map[int32]string{0: "req-1", 1: "1700000000123", 3: strings.Repeat("n", 3000)}
	for _, libc := range []bool{false, true} {
		t.Run(fmt.Sprintf("libc %t", libc), func(t *testing.T) {
			guest := cProbe(t, libc)
			guest.do("f", nil).wantError(t, `Bad"Type`, "line\n\\ \"quoted\"")
			logged := guest.do("l", nil)
			if want := []logLine{{0, "fine"}, {3, "bad"}}; logged.result != "logged" || !reflect.DeepEqual(logged.logs, want) {
				t.Errorf("got %q and %v, want logged and %v", logged.result, logged.logs, want)
			}
			for key, want := range map[string]string{"0": "req-1", "1": "1700000000123", "2": "", "3": meta[3], "4": ""} {
				if got := guest.do("m"+key, meta); got.failed || got.result != want {
					t.Errorf("key %s: %.40q, want %.40q", key, got.result, want)
				}
			}
			if got := guest.do("", nil); got.failed || got.result != "" {
				t.Errorf("an empty payload is answered with %q (failed %t)", got.result, got.failed)
			}
		})
	}
}

func TestCArenaIsUsedAgain(t *testing.T) {
	for _, libc := range []bool{false, true} {
		t.Run(fmt.Sprintf("libc %t", libc), func(t *testing.T) {
			guest := cProbe(t, libc)
			for _, size := range []int{100, 1000, 5 << 20, 100, 5 << 20} {
				payload := "g" + strings.Repeat("c", size)
				if got := guest.do(payload, nil); got.failed || got.result != payload {
					t.Fatalf("%d bytes come back as %d (failed %t)", len(payload), len(got.result), got.failed)
				}
			}
			before := guest.module.Memory().Size()
			for range 1000 {
				guest.do("g"+strings.Repeat("c", 3<<10), nil)
			}
			if after := guest.module.Memory().Size(); after != before {
				t.Errorf("memory grew from %d to %d bytes", before, after)
			}
		})
	}
}

func TestCTellsWhenMemoryEnds(t *testing.T) {
	guest := cProbe(t, false)
	guest.do("hoard", nil)
	if got := guest.do("echo", nil); got.failed || got.result != "echo" {
		t.Errorf("after memory ended: %q (failed %t)", got.result, got.failed)
	}
}

func TestCTrapEndsTheCall(t *testing.T) {
	if _, err := cProbe(t, false).try("trap", nil); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("got %v, want a trap", err)
	}
}
