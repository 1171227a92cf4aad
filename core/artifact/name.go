package artifact

import (
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest names that every file system Skiff runs on can take, below a
// data directory of reasonable depth.
const (
	maxName = 255  // bytes of one part
	maxPath = 1024 // bytes in all
	maxHops = 40   // links that one path may go through, as in Linux

	// maxSteps bounds the parts that all links of an archive together may lead
	// through, links to links included: a small archive of them could keep a
	// core busy for minutes.
	maxSteps = 1 << 20
)

var drive = regexp.MustCompile(`^[A-Za-z]:`)

// cleanName returns the name in its one normal form: no leading "./", no empty
// parts, no slash at the end. Names that could mean a place outside the tree,
// or something else on another system, are refused and not repaired.
func cleanName(name string) (string, error) {
	switch {
	case len(name) > maxPath:
		return "", refuse("the name %q… is over %d bytes", name[:40], maxPath)
	case name == "":
		return "", refuse("an entry has no name")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", refuse("the name %q is not plain UTF-8 text", name)
	case strings.HasPrefix(name, "/") || drive.MatchString(name):
		return "", refuse("the name %q is absolute", name)
	case strings.Contains(name, `\`):
		return "", refuse("the name %q has a backslash; names are written with slashes", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", refuse("the name %q leaves the archive", name)
		}
		if len(part) > maxName {
			return "", refuse("the name %q… has a part over %d bytes", name[:40], maxName)
		}
	}
	return path.Clean(name), nil
}

// checkLinks refuses links that leave the tree, also by way of other links,
// and links that lead in a circle. A link to nothing inside is fine.
func checkLinks(links map[string]string) error {
	steps := maxSteps
	for name, target := range links {
		if !utf8.ValidString(target) || strings.ContainsFunc(target, unicode.IsControl) || target == "" {
			return refuse("link %q has a target that is not plain UTF-8 text", name)
		}
		w := walk{links: links, hops: maxHops, steps: &steps}
		if !w.follow(parent(name), target) {
			if steps < 0 {
				return refuse("its links lead through more than %d directories together", maxSteps)
			}
			return refuse("link %q leads out of the archive or in a circle", name)
		}
	}
	return nil
}

// walk follows a path through links as a kernel would, on names alone.
type walk struct {
	links map[string]string
	at    string // where the walk is, "." is the top
	hops  int
	steps *int // left for all walks
}

// follow goes from dir along target and reports whether it stayed inside, and
// at names that can be.
func (w *walk) follow(dir, target string) bool {
	if w.hops--; w.hops < 0 || strings.HasPrefix(target, "/") {
		return false
	}
	w.at = dir
	for part := range strings.SplitSeq(target, "/") {
		if !w.step(part) {
			return false
		}
	}
	return true
}

func (w *walk) step(part string) bool {
	if *w.steps--; *w.steps < 0 || len(w.at) > maxPath {
		return false
	}
	switch part {
	case "", ".":
		return true
	case "..":
		if w.at == "." {
			return false
		}
		w.at = parent(w.at)
		return true
	}
	here := w.at
	if w.at = part; here != "." {
		w.at = here + "/" + part
	}
	if next, ok := w.links[w.at]; ok {
		return w.follow(here, next)
	}
	return true
}
