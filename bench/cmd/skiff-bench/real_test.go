package main

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/skiffhq/skiff/bench/scenario"
)

// TestTheRealProgramIsMeasured builds both programs and puts a little load on
// an appliance, with everything real. How fast it is, is no test's business.
func TestTheRealProgramIsMeasured(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, "skiff", "github.com/skiffhq/skiff/cmd/skiff")
	bench := build(t, dir, "skiff-bench", "github.com/skiffhq/skiff/bench/cmd/skiff-bench")
	for _, args := range [][]string{
		{"wasm-c", "--rate", "50", "--duration", "1s"},
		{"start", "--functions", "100", "--rounds", "1"},
	} {
		cmd := exec.CommandContext(t.Context(), bench, append([]string{"run", "--json", "-"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, stderr(err))
		}
		var r scenario.Report
		if err := json.Unmarshal(out, &r); err != nil || r.Appliance == "" || r.Failed() {
			t.Errorf("%v: got %s, %v", args, out, err)
		}
		if args[0] == "wasm-c" && (r.Phases[0].Appliance.Right != 50 || r.Phases[0].Baseline.Right != 50) {
			t.Errorf("got %s", out)
		}
	}
}

// build builds a program and returns its path.
func build(t *testing.T, dir, name, pkg string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

func stderr(err error) string {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return string(e.Stderr)
	}
	return ""
}
