package artifact

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/fault"
)

// limits bound what comes out of an archive.
type limits struct {
	unpacked int64
	files    int // and as many directories
}

// A bomb is told by its ratio once it has grown to a size that matters. Code
// packs 3 to 10 to one; deflate reaches 1,000 to one on zeros.
const (
	ratioFloor = 32 << 20
	maxRatio   = 100
	maxTarget  = 4096 // bytes of a link's target
)

// entry is one object that an archive makes.
type entry struct {
	name string // cleaned, relative, with slashes
	kind entryKind
	exec bool
	data *zip.File
}

type entryKind uint8

const (
	isFile entryKind = iota
	isDir
	isLink
)

// archive is a ZIP archive whose names are safe and free of contradictions.
// What its entries hold is checked while they are extracted.
type archive struct {
	entries []entry
	dirs    map[string]struct{} // named ones and those that names imply
	files   int
	packed  int64
	limits  limits
}

// refuse is the fault for a bundle that cannot be taken.
func refuse(format string, args ...any) error {
	return fault.New(fault.Invalid, fault.ReasonInvalidCodePackage, "code package refused: "+format, args...)
}

// openArchive reads the directory of an archive and checks everything that can
// be said without unpacking. It is strict where readers of ZIP differ: nothing
// before the first entry, nothing after the comment, no overlaps.
func openArchive(r io.ReaderAt, size int64, lim limits) (*archive, error) {
	end, err := checkDirectory(r, size, 2*lim.files)
	if err != nil {
		return nil, err
	}
	zr, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are judged below
		return nil, refuse("it cannot be read as a ZIP archive: %v", err)
	}
	a := &archive{packed: size, limits: lim, dirs: map[string]struct{}{}}
	for _, f := range zr.File {
		if err := a.add(f); err != nil {
			return nil, err
		}
	}
	if err := a.checkTree(); err != nil {
		return nil, err
	}
	return a, checkLayout(zr.File, end)
}

// add takes an entry after judging it alone.
func (a *archive) add(f *zip.File) error {
	if f.Flags&(1<<0|1<<6|1<<13) != 0 {
		return refuse("entry %q is encrypted", f.Name)
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return refuse("entry %q uses compression method %d; only stored and deflated entries can be read", f.Name, f.Method)
	}
	name, err := cleanName(f.Name)
	if err != nil {
		return err
	}
	kind, err := kindOfEntry(f)
	if err != nil {
		return err
	}
	if name == "." {
		if kind != isDir {
			return refuse("entry %q has no name", f.Name)
		}
		return nil
	}
	if kind != isDir {
		a.files++
	}
	a.entries = append(a.entries, entry{name: name, kind: kind, exec: f.Mode()&0o111 != 0, data: f})
	return nil
}

// kindOfEntry drops permission and setuid bits, which unpacking sets itself,
// and refuses what is neither file, directory nor link.
func kindOfEntry(f *zip.File) (entryKind, error) {
	switch t := f.Mode().Type(); {
	case t == 0:
		return isFile, nil
	case t == fs.ModeDir && f.UncompressedSize64 == 0:
		return isDir, nil
	case t == fs.ModeSymlink:
		return isLink, nil
	case t == fs.ModeDir:
		return 0, refuse("entry %q is a directory with content", f.Name)
	}
	return 0, refuse("entry %q is a device, a socket or a pipe", f.Name)
}

// checkTree judges the entries together: their number, names used twice, and
// things below what is not a directory. Names that differ in case only are
// different, as they are on the file systems that Skiff runs on.
func (a *archive) checkTree() error {
	if a.files == 0 {
		return refuse("it holds no files")
	}
	if a.files > a.limits.files {
		return refuse("it holds more than %d files", a.limits.files)
	}
	leaves := make(map[string]struct{}, a.files)
	for _, e := range a.entries {
		dir := e.name
		if e.kind != isDir {
			if _, twice := leaves[e.name]; twice {
				return refuse("the name %q is used twice", e.name)
			}
			leaves[e.name] = struct{}{}
			dir = parent(e.name)
		}
		// After each, since a name may imply hundreds.
		if a.addDirs(dir); len(a.dirs) > a.limits.files {
			return refuse("it holds more than %d directories", a.limits.files)
		}
	}
	for name := range leaves {
		if _, both := a.dirs[name]; both {
			return refuse("the name %q is used for a directory and for something else", name)
		}
	}
	return nil
}

// addDirs notes a directory and those above it.
func (a *archive) addDirs(name string) {
	for ; name != "."; name = parent(name) {
		if _, known := a.dirs[name]; known {
			return
		}
		a.dirs[name] = struct{}{}
	}
}

// parent is path.Dir for cleaned names, without the cleaning.
func parent(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return "."
}

// sink takes what comes out of an archive. Directories come before what is in
// them, links last.
type sink interface {
	dir(name string) error
	file(name string, exec bool) (io.WriteCloser, error)
	link(name, target string) error
}

// discard is the sink of a check.
type discard struct{}

func (discard) dir(string) error                          { return nil }
func (discard) file(string, bool) (io.WriteCloser, error) { return discard{}, nil }
func (discard) link(string, string) error                 { return nil }
func (discard) Write(p []byte) (int, error)               { return len(p), nil }
func (discard) Close() error                              { return nil }

// extract unpacks everything into the sink and returns the bytes of all files.
// Sizes that the archive declares are not believed; what comes out is counted
// and ends at the limit. Checksums are verified by the ZIP reader.
func (a *archive) extract(ctx context.Context, to sink) (int64, error) {
	for _, dir := range slices.Sorted(maps.Keys(a.dirs)) {
		if err := to.dir(dir); err != nil {
			return 0, err
		}
	}
	out := &meter{ctx: ctx, packed: a.packed, limit: a.limits.unpacked}
	links := map[string]string{}
	for _, e := range a.entries {
		var err error
		switch e.kind {
		case isFile:
			err = out.copyFile(e, to)
		case isLink:
			links[e.name], err = out.target(e)
		}
		if err != nil {
			return 0, err
		}
	}
	return out.total, makeLinks(links, to)
}

func makeLinks(links map[string]string, to sink) error {
	if err := checkLinks(links); err != nil {
		return err
	}
	for name, target := range links {
		if err := to.link(name, target); err != nil {
			return err
		}
	}
	return nil
}

// checkLayout refuses entries that share bytes, the trick of bombs that are
// larger than their compression allows. end is where the directory begins.
func checkLayout(files []*zip.File, end int64) error {
	spans := make([]span, 0, len(files))
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil || f.CompressedSize64 > uint64(end) {
			return refuse("entry %q has a damaged header", f.Name)
		}
		spans = append(spans, span{from, from + int64(f.CompressedSize64)})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	const header = 30 // bytes of a local header without its name
	var last int64
	for _, s := range spans {
		if s.from-header < last || s.to > end {
			return refuse("its entries overlap")
		}
		last = s.to
	}
	return nil
}
