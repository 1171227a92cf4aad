package function

import (
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/fault"
)

// Family is the language behind a runtime; it decides how a handler is
// written.
type Family string

// The families.
const (
	FamilyWasm   Family = "wasm"
	FamilyNode   Family = "node"
	FamilyPython Family = "python"
	FamilyDotnet Family = "dotnet"
	FamilyCustom Family = "custom"
)

// builtin lists the runtimes that every catalogue knows, in the order shown.
var builtin = []Runtime{
	RuntimeWasm,
	"node16", "node18", "node20", "node22", "node24",
	"python38", "python39", "python310", "python311", "python312", "python313",
	"dotnet6", "dotnet7", "dotnet8", "dotnet9",
	"custom",
}

// Catalogue knows the runtimes that functions may name. It is read by many
// goroutines once it is complete; Add belongs before that.
type Catalogue struct {
	order    []Runtime
	families map[Runtime]Family
}

// NewCatalogue returns a catalogue of the built-in runtimes.
func NewCatalogue() *Catalogue {
	c := &Catalogue{families: map[Runtime]Family{}}
	for _, r := range builtin {
		c.Add(r, familyOf(r))
	}
	return c
}

func familyOf(r Runtime) Family {
	return Family(strings.TrimRight(string(r), "0123456789"))
}

// Add makes another runtime known, or changes the family of a known one. Its
// name is taken as it is, in lower case.
func (c *Catalogue) Add(r Runtime, f Family) {
	if _, known := c.families[r]; !known {
		c.order = append(c.order, r)
	}
	c.families[r] = f
}

// Runtimes lists what the catalogue knows, the built-in ones first.
func (c *Catalogue) Runtimes() []Runtime { return slices.Clone(c.order) }

// Family returns the family of a known runtime, "" for any other.
func (c *Catalogue) Family(r Runtime) Family { return c.families[r] }

// Parse returns the runtime that a spelling means: case, dots, a language's
// longer name and Lambda's ".x" do not matter ("nodejs20.x", "Python3.11",
// "Dotnet8"). Any other is an Invalid fault that names the nearest known one.
func (c *Catalogue) Parse(s string) (Runtime, error) {
	for _, r := range []string{strings.ToLower(s), normal(s)} {
		if _, known := c.families[Runtime(r)]; known {
			return Runtime(r), nil
		}
	}
	err := fault.New(fault.Invalid, "unknown_runtime", "runtime %.80q is not known", s)
	if near := c.nearest(normal(s)); near != "" {
		return "", err.WithRemedy("did you mean %s?", near)
	}
	return "", err
}

func normal(s string) string {
	s = strings.TrimSuffix(strings.ToLower(s), ".x")
	s = strings.ReplaceAll(strings.ReplaceAll(s, ".", ""), "nodejs", "node")
	return strings.Replace(s, "webassembly", "wasm", 1)
}

// nearest returns the known runtime with the longest common beginning, "" where
// nothing of a language's name is common.
func (c *Catalogue) nearest(s string) Runtime {
	var best Runtime
	longest := 2
	for _, r := range c.order {
		if n := common(s, string(r)); n > longest {
			best, longest = r, n
		}
	}
	return best
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
