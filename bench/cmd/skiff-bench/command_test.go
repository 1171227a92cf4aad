package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/bench/appliance/appliancetest"
	"github.com/skiffhq/skiff/bench/scenario"
)

func TestMain(m *testing.M) {
	appliancetest.Main()
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // of the children, which are many
	os.Exit(m.Run())
}

// execute runs the command line and returns what it wrote.
func execute(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := command(&stdout, &stderr)
	c.SetArgs(args)
	err = c.ExecuteContext(t.Context())
	return stdout.String(), err
}

func TestListTellsEveryScenario(t *testing.T) {
	out, err := execute(t, "list")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenario.All() {
		if !strings.Contains(out, "\n"+s.Name+" ") || !strings.Contains(out, s.Description) || !strings.Contains(out, s.Bounds.String()) {
			t.Errorf("%s is not listed:\n%s", s.Name, out)
		}
	}
}

func TestRunWritesTablesAndJSON(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report.json")
	out, err := execute(t, "run", "idle", "--duration", "1ms", "--skiff", self, "--json", file)
	if err != nil || !strings.Contains(out, "idle: resident") {
		t.Errorf("got %q, %v", out, err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r scenario.Report
	if err := json.Unmarshal(raw, &r); err != nil || r.Scenario != "idle" || r.Appliance != appliancetest.Version {
		t.Errorf("got %+v, %v", r, err)
	}
	out, err = execute(t, "run", "idle", "--duration", "1ms", "--skiff", self, "--json", "-")
	if err != nil || json.Unmarshal([]byte(out), &r) != nil {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestExitCodes(t *testing.T) {
	for line, want := range map[string]int{
		"list":                                0,
		"list much":                           exitUsage,
		"run":                                 exitUsage,
		"run nothing":                         exitUsage,
		"run wasm-c --rate many":              exitUsage,
		"run wasm-c --skiff x --rate -1":      exitUsage,
		"run idle --server x --token-file y":  exitUsage,
		"run idle --skiff /nowhere/skiff":     exitFailed,
		"baseline nothing":                    exitFailed,
		"run wasm-c --token-file y --skiff x": exitUsage,
	} {
		if got := run(context.Background(), strings.Fields(line)); got != want {
			t.Errorf("%s: exit %d, want %d", line, got, want)
		}
	}
}

func TestAssertFailsOnABrokenBound(t *testing.T) {
	r := &scenario.Report{Bounds: []scenario.Bound{{Name: "rate held", Holds: false}}}
	for assert, want := range map[bool]error{true: errFailed, false: nil} {
		o := options{assert: assert}
		if err := o.verdict(r); !errors.Is(err, want) {
			t.Errorf("assert %v: got %v", assert, err)
		}
	}
	r.Phases = []scenario.Phase{{Appliance: &scenario.Side{Errors: map[string]int64{"body": 1}}}}
	if err := (&options{}).verdict(r); !errors.Is(err, errFailed) {
		t.Errorf("a wrong answer: got %v", err)
	}
}
