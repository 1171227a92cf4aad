package layout

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

type pkg struct {
	ImportPath string
	Imports    []string
}

// packages lists our own for this host and for the guests' platform.
func packages(t *testing.T) []pkg {
	t.Helper()
	var all []pkg
	for _, env := range [][]string{nil, {"GOOS=wasip1", "GOARCH=wasm"}} {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", Module+"...")
		cmd.Env = append(cmd.Environ(), env...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		dec := json.NewDecoder(strings.NewReader(string(out)))
		for {
			var p pkg
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
	}
	return all
}

func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func belowAny(path string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return below(path, dir) })
}

// ruleFor returns the rule with the longest path above the package's.
func ruleFor(path string) *Rule {
	var best *Rule
	for i := range Rules {
		if r := &Rules[i]; below(path, r.Path) && (best == nil || len(r.Path) > len(best.Path)) {
			best = r
		}
	}
	return best
}

func TestPackagesImportWhatTheyMay(t *testing.T) {
	found := packages(t)
	if len(found) < 10 {
		t.Fatalf("go list found %d packages", len(found))
	}
	for _, p := range found {
		path := strings.TrimPrefix(p.ImportPath, Module)
		rule := ruleFor(path)
		if rule == nil {
			t.Errorf("%s has no rule: state what it may import, and why", path)
			continue
		}
		for _, imp := range p.Imports {
			if why := refused(path, imp, rule); why != "" {
				t.Errorf("%s imports %s: %s", path, imp, why)
			}
		}
	}
}

// refused says why a package may not import another, "" where it may.
func refused(path, imp string, rule *Rule) string {
	ours, own := strings.CutPrefix(imp, Module)
	if !own {
		for _, b := range Bans {
			if strings.HasPrefix(imp, b.Library) && !belowAny(path, b.Only) {
				return b.Why
			}
		}
		return ""
	}
	if below(ours, "core/node") && !belowAny(path, NodeImporters) {
		return "only the program may build a node"
	}
	if below(ours, rule.Path) || belowAny(ours, rule.May) || slices.Contains(Vocabulary, ours) && !slices.Contains(Vocabulary, path) {
		return ""
	}
	if path == "core/function" && ours == "core/fault" {
		return ""
	}
	return rule.Why
}

func TestRulesRefuse(t *testing.T) {
	for _, tc := range []struct {
		path, imp string
		ok        bool
	}{
		{"core/api", Module + "core/store", false},
		{"core/api", Module + "wasmhost", false},
		{"core/api", Module + "core/catalog", true},
		{"core/fault", Module + "core/function", false},
		{"core/function", Module + "core/fault", true},
		{"core/client", Module + "core/api", false},
		{"core/catalog", "github.com/valyala/fasthttp", false},
		{"core/store/memory", Module + "core/store", true},
		{"core/sandbox", Module + "core/sandbox/sandboxtest", true},
		{"wasmhost", "github.com/tetratelabs/wazero/api", true},
		{"wasmhost", Module + "core/store", false},
		{"bench/load", Module + "core/invoke", false},
		{"core/invoke", Module + "core/node", false},
		{"cmd/skiff", Module + "core/node", true},
		{"cmd/skiff", Module + "core/catalog", false},
	} {
		if why := refused(tc.path, tc.imp, ruleFor(tc.path)); (why == "") != tc.ok {
			t.Errorf("%s → %s: %q", tc.path, tc.imp, why)
		}
	}
}
