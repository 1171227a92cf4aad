package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/skiffhq/skiff/core/fault"
)

// Sources are where settings come from besides Default.
type Sources struct {
	File string                // path of a YAML file; empty for none
	Env  func(string) string   // os.Getenv; nil for none
	Set  func(c *Config) error // applies flags last; nil for none
}

// Load returns the settings of the sources, checked. Every wrong setting of
// every source is reported at once, in one Invalid fault.
func Load(s Sources) (*Config, error) {
	c := Default()
	var faults fault.Collector
	if s.File != "" {
		if err := c.readFile(s.File, &faults); err != nil {
			return nil, err
		}
	}
	if s.Env != nil {
		c.readEnv(s.Env, &faults)
	}
	if s.Set != nil {
		if err := s.Set(&c); err != nil {
			return nil, err
		}
	}
	c.check(&faults)
	if err := faults.Err("read the settings"); err != nil {
		return nil, err
	}
	return &c, nil
}

func (c *Config) readEnv(env func(string) string, faults *fault.Collector) {
	for _, s := range settings(reflect.ValueOf(c).Elem(), "") {
		name := EnvName(s.path)
		text := env(name)
		if text == "" {
			continue
		}
		if err := s.set(text); err != nil {
			faults.Add(name, "%v", err)
		}
	}
}

func (c *Config) readFile(path string, faults *fault.Collector) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "config_file", "read the settings of %s", path).
			WithRemedy("give the path of a readable file with --config")
	}
	defer f.Close()
	var doc yaml.Node
	err = yaml.NewDecoder(io.LimitReader(f, 1<<20)).Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil // an empty file, or one of comments alone
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "config_file", "read the settings of %s", path)
	}
	r := reader{file: path, faults: faults, known: settings(reflect.ValueOf(c).Elem(), "")}
	r.mapping(doc.Content[0], "")
	return nil
}

// reader carries a document's values into settings.
type reader struct {
	file   string
	faults *fault.Collector
	known  []setting
}

func (r *reader) mapping(n *yaml.Node, prefix string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // "tls:" with everything below it commented out
	}
	if n.Kind != yaml.MappingNode {
		r.fault(n, strings.TrimSuffix(prefix, "."), "must be a group of settings")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			r.fault(key, prefix+key.Value, "is given twice")
			continue
		}
		seen[key.Value] = true
		r.entry(key, n.Content[i+1], prefix)
	}
}

func (r *reader) entry(key, value *yaml.Node, prefix string) {
	path := prefix + key.Value
	i := slices.IndexFunc(r.known, func(s setting) bool { return s.path == path })
	group := slices.ContainsFunc(r.known, func(s setting) bool { return strings.HasPrefix(s.path, path+".") })
	switch {
	case group:
		r.mapping(value, path+".")
	case i < 0:
		r.fault(key, path, "is not a setting; did you mean %s?", r.nearest(path))
	case value.Kind != yaml.ScalarNode:
		r.fault(value, path, "must be a single value")
	case value.Tag == "!!null":
	default:
		if err := r.known[i].set(value.Value); err != nil {
			r.fault(value, path, "%v", err)
		}
	}
}

func (r *reader) fault(at *yaml.Node, path, format string, args ...any) {
	r.faults.Add(path, "%s (%s:%d)", fmt.Sprintf(format, args...), r.file, at.Line)
}

// nearest returns the known path with the fewest edits.
func (r *reader) nearest(path string) string {
	best, least := "", len(path)+100
	for _, s := range r.known {
		if d := distance(strings.ToLower(path), strings.ToLower(s.path)); d < least {
			best, least = s.path, d
		}
	}
	return best
}

// distance is Levenshtein's: insertions, deletions and substitutions.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
