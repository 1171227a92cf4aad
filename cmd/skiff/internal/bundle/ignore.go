package bundle

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// IgnoreFile at the top of a directory lists what is left out of its
// archive, in the manner of .gitignore: one pattern a line; "#" begins a
// comment; "!" takes a name back in; a slash at the end means directories
// only; a slash elsewhere ties the pattern to the top; "**" stands for any
// number of directories. Below a directory that is left out nothing comes
// back.
const IgnoreFile = ".skiffignore"

// pattern is one line.
type pattern struct {
	parts   []string
	back    bool // takes in what an earlier line left out
	dirOnly bool
}

// ignore is a file of patterns; the last that fits decides.
type ignore []pattern

// always is left out whatever the file says: it never runs, and it would make
// equal trees differ.
var always = map[string]bool{".git": true, IgnoreFile: true}

func readIgnore(dir string) (ignore, error) {
	data, err := os.ReadFile(filepath.Join(dir, IgnoreFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, refuse("package %s: read %s: %v", dir, IgnoreFile, cause(err))
	}
	return parseIgnore(string(data))
}

func parseIgnore(text string) (ignore, error) {
	var all ignore
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p, err := parsePattern(line)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func parsePattern(line string) (pattern, error) {
	var p pattern
	text, back := strings.CutPrefix(line, "!")
	text, p.dirOnly = strings.CutSuffix(text, "/")
	p.back = back
	if !strings.Contains(text, "/") {
		text = "**/" + text
	}
	p.parts = strings.Split(strings.TrimPrefix(text, "/"), "/")
	for _, part := range p.parts {
		if _, err := path.Match(part, ""); err != nil || part == "" {
			return p, refuse("read %s: %q is no pattern", IgnoreFile, line)
		}
	}
	return p, nil
}

// covers reports whether a name is left out.
func (i ignore) covers(name string, dir bool) bool {
	if always[name] || path.Base(name) == ".git" {
		return true
	}
	parts := strings.Split(name, "/")
	out := false
	for _, p := range i {
		if p.back == out && (dir || !p.dirOnly) && fits(p.parts, parts) {
			out = !p.back
		}
	}
	return out
}

// fits matches parts of a name one by one; "**" takes none or any number.
func fits(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			return fitsBehind(pattern[1:], name)
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); !ok || err != nil {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}

func fitsBehind(pattern, name []string) bool {
	for i := range len(name) + 1 {
		if fits(pattern, name[i:]) {
			return true
		}
	}
	return false
}
