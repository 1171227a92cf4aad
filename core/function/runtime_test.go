package function

import (
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

func TestRuntimeSpellings(t *testing.T) {
	c := NewCatalogue()
	for in, want := range map[string]Runtime{
		"Node20": "node20", "nodejs20.x": "node20", "node20": "node20", "NodeJS24": "node24",
		"python3.11": "python311", "Python38": "python38", "python3.8": "python38",
		"Dotnet8": "dotnet8", "DOTNET9": "dotnet9", "WASM": "wasm", "WebAssembly": "wasm", "custom": "custom",
	} {
		if got, err := c.Parse(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestUnknownRuntimeNamesTheNearest(t *testing.T) {
	c := NewCatalogue()
	for in, want := range map[string]string{"node21": "node20", "pyton311": "python38", "python3.14": "python310", "": "", "ruby": ""} {
		_, err := c.Parse(in)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if got := fault.Of(err).Remedy; want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: remedy %q, want %q", in, got, want)
		}
	}
}

func TestEveryBuiltinHasAFamily(t *testing.T) {
	c := NewCatalogue()
	for _, r := range c.Runtimes() {
		switch c.Family(r) {
		case FamilyWasm, FamilyNode, FamilyPython, FamilyDotnet, FamilyCustom:
		default:
			t.Errorf("%s is of family %q", r, c.Family(r))
		}
	}
}

func TestAddedRuntimeIsKnown(t *testing.T) {
	c := NewCatalogue()
	c.Add("node20-alpine", FamilyNode)
	if r, err := c.Parse("Node20-Alpine"); err != nil || c.Family(r) != FamilyNode {
		t.Errorf("%q, %v", r, err)
	}
}

func FuzzRuntime(f *testing.F) {
	for _, s := range []string{"Node20", "nodejs20.x", "python3.11", "", "wasm", "n.o.d.e20"} {
		f.Add(s)
	}
	c := NewCatalogue()
	f.Fuzz(func(t *testing.T, s string) {
		r, err := c.Parse(s)
		if err != nil {
			return
		}
		if again, err := c.Parse(string(r)); err != nil || again != r {
			t.Errorf("%q → %q → %q, %v", s, r, again, err)
		}
	})
}
