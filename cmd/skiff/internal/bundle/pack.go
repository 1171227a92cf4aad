package bundle

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// epoch is the time of every entry: the first that ZIP can tell.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// node is one file or link of a tree.
type node struct {
	name string // slash-separated, from the top
	mode fs.FileMode
	size int64
	link string // target, for a link
}

// pack writes a directory as a ZIP archive into a temporary file: entries in
// the order of their names, one time for all, modes 0644 and 0755 only, no
// directories. The same tree gives the same bytes wherever it lies.
func pack(ctx context.Context, dir string) (*Bundle, error) {
	nodes, err := list(ctx, dir)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "skiff-*.zip")
	if err != nil {
		return nil, err
	}
	b := &Bundle{Kind: Zip, file: f, temporary: true}
	if err := b.fill(ctx, dir, nodes); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Bundle) fill(ctx context.Context, dir string, nodes []node) error {
	out := &capped{w: b.file, dir: dir}
	z := zip.NewWriter(out)
	for _, n := range nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := addNode(z, dir, n); err != nil {
			return err
		}
		b.Names = append(b.Names, n.name)
	}
	if err := z.Close(); err != nil {
		return err
	}
	b.Size = out.n
	return b.sum()
}

func addNode(z *zip.Writer, dir string, n node) error {
	h := &zip.FileHeader{Name: n.name, Method: zip.Deflate, Modified: epoch}
	h.SetMode(n.mode)
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	if n.mode.Type() == fs.ModeSymlink {
		_, err = io.WriteString(w, n.link)
		return err
	}
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(n.name)))
	if err != nil {
		return refuse("package %s: %v", dir, err)
	}
	defer f.Close()
	// A file that has grown since it was counted would get around the limit.
	if _, err := io.Copy(w, io.LimitReader(f, n.size)); err != nil {
		return err
	}
	return nil
}

// capped ends an archive at the limit, and not after all the work.
type capped struct {
	w   io.Writer
	n   int64
	dir string
}

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	if c.n += int64(len(p)); c.n > MaxPacked {
		return 0, refuse("package %s: it has more than %d MiB packed", c.dir, MaxPacked>>20).WithRemedy("%s", leaveOut)
	}
	return c.w.Write(p)
}

// list returns what belongs into the archive, in the order of names.
func list(ctx context.Context, dir string) ([]node, error) {
	rules, err := readIgnore(dir)
	if err != nil {
		return nil, err
	}
	l := &lister{ctx: ctx, dir: dir, rules: rules, tally: tally{path: dir}}
	if err := filepath.WalkDir(dir, l.visit); err != nil {
		return nil, err
	}
	if len(l.nodes) == 0 {
		return nil, refuse("package %s: it holds no files", dir)
	}
	slices.SortFunc(l.nodes, func(a, b node) int { return cmp.Compare(a.name, b.name) })
	return l.nodes, nil
}

// lister is a walk over a tree.
type lister struct {
	ctx   context.Context
	dir   string
	rules ignore
	tally tally
	nodes []node
}

func (l *lister) visit(full string, d fs.DirEntry, err error) error {
	if err != nil {
		return refuse("package %s: %v", l.dir, err)
	}
	if err := l.ctx.Err(); err != nil {
		return err
	}
	rel, err := filepath.Rel(l.dir, full)
	if err != nil || rel == "." {
		return err
	}
	name := filepath.ToSlash(rel)
	if l.rules.covers(name, d.IsDir()) {
		if d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	}
	if d.IsDir() {
		return nil
	}
	return l.take(full, name, d)
}

func (l *lister) take(full, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return refuse("package %s: %v", l.dir, err)
	}
	n := node{name: name, size: info.Size(), mode: 0o644}
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		n.mode = fs.ModeSymlink | 0o777
		if n.link, err = l.target(full, name); err != nil {
			return err
		}
		n.size = int64(len(n.link))
	case !info.Mode().IsRegular():
		return refuse("package %s: %s is a device, a socket or a pipe", l.dir, name).WithRemedy("%s", leaveOut)
	case info.Mode()&0o111 != 0:
		n.mode = 0o755
	}
	l.nodes = append(l.nodes, n)
	return l.tally.add(name, n.size)
}

// target reads a link. One that leaves the tree would point elsewhere on the
// appliance; the server refuses it, and here it can be said sooner.
func (l *lister) target(full, name string) (string, error) {
	to, err := os.Readlink(full)
	if err != nil {
		return "", refuse("package %s: %v", l.dir, err)
	}
	to = filepath.ToSlash(to)
	end := path.Join(path.Dir(name), to)
	if path.IsAbs(to) || end == ".." || strings.HasPrefix(end, "../") {
		return "", refuse("package %s: the link %s leads out of it, to %s", l.dir, name, to).
			WithRemedy("copy what it leads to into the directory, or leave the link out in %s", IgnoreFile)
	}
	return to, nil
}
