package artifact

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// unfinished begins the names of trees that are being unpacked.
const unfinished = "tmp-"

// Tree is an unpacked bundle in use. It stays on disk until Release.
type Tree struct {
	store *Store
	tree  *unpacked
	once  sync.Once
}

// Dir returns the directory, whose files and directories are read-only.
func (t *Tree) Dir() string { return t.tree.dir }

// Kind tells what was uploaded; a bare module's tree holds WasmFile alone.
func (t *Tree) Kind() Kind { return t.tree.kind }

// Release ends the use. It is idempotent.
func (t *Tree) Release() {
	t.once.Do(func() { t.store.removeTrees(t.store.cache.release(t.tree)) })
}

// Open returns the unpacked tree of a bundle, unpacking it once for all who
// ask at the same time. The packed bytes are verified each time they are
// unpacked. The caller must Release the tree. Faults: NotFound, Internal with
// fault.ReasonBadBundle, Exhausted for a full disk or one that is nearly so,
// Unavailable after Stop.
func (s *Store) Open(ctx context.Context, sha256 string) (*Tree, error) {
	for {
		if t := s.cache.lease(sha256); t != nil {
			return &Tree{store: s, tree: t}, nil
		}
		// The work goes on for others when this caller leaves.
		done := s.flights.DoChan(sha256, func() (any, error) {
			return nil, s.work.do(func(ctx context.Context) error { return s.unpack(ctx, sha256) })
		})
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case r := <-done:
			if r.Err != nil {
				return nil, r.Err
			}
		}
	}
}

// unpack makes the tree under a temporary name and renames it when whole.
func (s *Store) unpack(ctx context.Context, sha string) error {
	f, size, err := s.openVerified(ctx, sha)
	if err != nil {
		return err
	}
	defer f.Close()
	dir, err := os.MkdirTemp(s.trees, unfinished)
	if err != nil {
		return diskFault(err, "unpack code %s", short(sha))
	}
	defer s.removeTrees([]string{dir}) // finds nothing after the rename
	kind, bytes, err := s.fill(ctx, dir, f, size)
	if err != nil {
		return diskFault(err, "unpack code %s", short(sha))
	}
	final := filepath.Join(s.trees, treeName(sha, kind, bytes, strings.TrimPrefix(filepath.Base(dir), unfinished)))
	if err := os.Rename(dir, final); err != nil {
		return diskFault(err, "unpack code %s", short(sha))
	}
	if !s.cache.add(&unpacked{sha: sha, kind: kind, dir: final, bytes: bytes}, s.stored(sha)) {
		// The bundle was deleted meanwhile, and perhaps stored again, which
		// brought its old tree back: nobody would ever remove this one.
		s.removeTrees([]string{final})
	}
	return nil
}

// stored returns a function that reports whether a bundle is there.
func (s *Store) stored(sha string) func() bool {
	return func() bool {
		_, err := os.Stat(s.path(sha))
		return err == nil
	}
}

func (s *Store) fill(ctx context.Context, dir string, f *os.File, size int64) (Kind, int64, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", 0, err
	}
	defer root.Close()
	kind, err := kindOf(f)
	if err != nil {
		return "", 0, err
	}
	to := &directory{root: root, ration: ration{room: &s.room}}
	var bytes int64
	if kind == KindWasm {
		bytes, err = to.module(io.NewSectionReader(f, 0, size))
	} else {
		bytes, err = extractZip(ctx, f, size, s.limits, to)
	}
	if err != nil {
		return "", 0, err
	}
	return kind, bytes, to.seal()
}

func extractZip(ctx context.Context, f *os.File, size int64, lim limits, to sink) (int64, error) {
	a, err := openArchive(f, size, lim)
	if err != nil {
		return 0, err
	}
	return a.extract(ctx, to)
}

// directory is the sink on disk. os.Root keeps every name below it, should a
// check above have been wrong.
type directory struct {
	root   *os.Root
	ration ration
	dirs   []string
}

func (d *directory) dir(name string) error {
	if err := d.ration.take(objectSize); err != nil {
		return err
	}
	d.dirs = append(d.dirs, name)
	return d.root.Mkdir(name, 0o755)
}

func (d *directory) file(name string, exec bool) (io.WriteCloser, error) {
	perm := fs.FileMode(0o444)
	if exec {
		perm = 0o555
	}
	if err := d.ration.take(objectSize); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(perm); err != nil { // whatever the umask says
		f.Close()
		return nil, err
	}
	return rationed{f, &d.ration}, nil
}

func (d *directory) link(name, target string) error { return d.root.Symlink(target, name) }

func (d *directory) module(r io.Reader) (int64, error) {
	w, err := d.file(WasmFile, false)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, r)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return n, err
}

// seal makes the directories read-only once everything is in them.
func (d *directory) seal() error {
	for _, name := range append(d.dirs, ".") {
		if err := d.root.Chmod(name, 0o555); err != nil {
			return err
		}
	}
	return nil
}

// treeName ends in something unique: an evicted tree may still be on its way
// out when the same bundle is unpacked again.
func treeName(sha string, kind Kind, bytes int64, unique string) string {
	return fmt.Sprintf("%s-%s-%d-%s", sha, kind, bytes, unique)
}

func parseTreeName(name string) (*unpacked, bool) {
	parts := strings.Split(name, "-")
	if len(parts) != 4 || !isSHA(parts[0]) {
		return nil, false
	}
	bytes, err := strconv.ParseInt(parts[2], 10, 64)
	kind := Kind(parts[1])
	return &unpacked{sha: parts[0], kind: kind, bytes: bytes}, err == nil && bytes >= 0 && (kind == KindZip || kind == KindWasm)
}

// indexTrees takes over the trees of this boot and removes everything else:
// unfinished ones, those of earlier boots, and those whose bundle is gone.
func (s *Store) indexTrees(ctx context.Context) error {
	boots, err := os.ReadDir(filepath.Dir(s.trees))
	if err != nil {
		return err
	}
	for _, b := range boots {
		if b.Name() != filepath.Base(s.trees) {
			s.removeTrees([]string{filepath.Join(filepath.Dir(s.trees), b.Name())})
		}
	}
	found, err := os.ReadDir(s.trees)
	if err != nil {
		return err
	}
	for _, d := range found {
		s.indexTree(d.Name())
	}
	return ctx.Err()
}

func (s *Store) indexTree(name string) {
	dir := filepath.Join(s.trees, name)
	t, ok := parseTreeName(name)
	if ok {
		t.dir = dir
		ok = s.cache.add(t, s.stored(t.sha))
	}
	if !ok {
		s.removeTrees([]string{dir})
	}
}

// removeTrees deletes directories that nobody uses. What cannot be deleted is
// left for the next start.
func (s *Store) removeTrees(dirs []string) {
	for _, dir := range dirs {
		if err := removeTree(dir); err != nil {
			s.log.Warn("cannot remove an unpacked code tree", "dir", dir, "error", err)
		}
	}
}
