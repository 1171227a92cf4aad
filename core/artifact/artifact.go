// Package artifact keeps code bundles on disk by the SHA-256 of their bytes: a
// ZIP archive or a bare WebAssembly module. It checks a bundle before it keeps
// it, and unpacks it for those who run it.
//
// Below its directory lie
//
//	code/ab/abcd…          the bytes as uploaded, read-only, durable
//	trees/BOOT/abcd…-KIND-BYTES-N unpacked trees, a cache that may be deleted
//	tmp/                   uploads that are under way
//
// Which function uses which bundle is not known here; core/catalog knows it.
package artifact

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sync/singleflight"

	"github.com/skiffhq/skiff/core/fault"
)

// Kind says how the bytes of a bundle are to be read.
type Kind string

// The kinds of bundle. They are part of names on disk.
const (
	KindZip  Kind = "zip"
	KindWasm Kind = "wasm"
)

// WasmFile is the only file in the tree of a bare WebAssembly module.
const WasmFile = "main.wasm"

// The limits of a bundle; contract values.
const (
	MaxPacked   = 50 << 20  // bytes as uploaded
	MaxUnpacked = 250 << 20 // bytes of all files together
	MaxFiles    = 10_000    // files and links; and as many directories
)

// Bundle describes code that Put has stored.
type Bundle struct {
	SHA256   string // of the bytes as uploaded, lower-case hex
	Size     int64  // bytes as uploaded
	Kind     Kind
	Files    int   // files and links, not directories
	Unpacked int64 // bytes of all files and link targets together
}

// Options are the settings of a Store.
type Options struct {
	// CacheBytes bounds the unpacked trees that nobody uses: default 1 GiB.
	// Trees in use are kept even beyond it.
	CacheBytes int64
	// Reserve is the free space, in bytes, that code leaves on its disk;
	// 0 for none.
	Reserve int64
	Log     *slog.Logger
}

// Store keeps bundles below one directory. Its methods may be called from many
// goroutines once Start has returned. One process at a time may use a
// directory; the lock on core/store's data sees to that.
type Store struct {
	code, trees, tmp string
	limits           limits
	room             room
	log              *slog.Logger
	cache            cache
	flights          singleflight.Group
	work             work
}

// New returns a store below dir. It touches nothing before Start.
func New(dir string, opts Options) *Store {
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = 1 << 30
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Store{
		code:   filepath.Join(dir, "code"),
		trees:  filepath.Join(dir, "trees", bootID()),
		tmp:    filepath.Join(dir, "tmp"),
		limits: limits{unpacked: MaxUnpacked, files: MaxFiles},
		room:   room{reserve: opts.Reserve, free: freeSpace(dir)},
		log:    opts.Log,
		cache:  newCache(opts.CacheBytes),
		work:   newWork(),
	}
}

// Start makes the directories, removes what an earlier process left unfinished
// and indexes the unpacked trees that are still good.
func (s *Store) Start(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return diskFault(err, "start the code store in %q", filepath.Dir(s.code))
	}
	return nil
}

func (s *Store) prepare(ctx context.Context) error {
	if err := removeTree(s.tmp); err != nil {
		return err
	}
	for dir, perm := range map[string]os.FileMode{s.code: 0o700, s.tmp: 0o700, s.trees: 0o755} {
		if err := os.MkdirAll(dir, perm); err != nil {
			return err
		}
	}
	if err := syncDir(filepath.Dir(s.code)); err != nil {
		return err
	}
	return s.indexTrees(ctx)
}

// Stop ends the unpacking under way, which may outlive those who asked for it,
// and waits for that as long as ctx allows. Open refuses from then on. It may
// be called again.
func (s *Store) Stop(ctx context.Context) error {
	select {
	case <-s.work.end():
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Timeout, "code_busy", "stop the code store: code is still being unpacked")
	}
}

// Code returns the bytes of a bundle as they were uploaded, and their number.
// They are verified before the first is handed out, which costs one reading
// of the file. The caller must close the reader. Faults: NotFound, Internal
// with fault.ReasonBadBundle.
func (s *Store) Code(ctx context.Context, sha256 string) (io.ReadCloser, int64, error) {
	f, size, err := s.openVerified(ctx, sha256)
	if err != nil {
		return nil, 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil, 0, diskFault(err, "read code %s", short(sha256))
	}
	return f, size, nil
}

// Delete removes a bundle at once. A tree that is in use stays until it is
// released. Deleting what is not there does nothing.
func (s *Store) Delete(_ context.Context, sha256 string) error {
	if !isSHA(sha256) {
		return nil
	}
	gone := s.cache.discard(sha256, func() error {
		err := os.Remove(s.path(sha256))
		if os.IsNotExist(err) {
			return nil
		}
		return err
	})
	if gone.err != nil {
		return diskFault(gone.err, "delete code %s", short(sha256))
	}
	s.removeTrees(gone.dirs)
	if err := syncDir(filepath.Dir(s.path(sha256))); err != nil && !os.IsNotExist(err) {
		return diskFault(err, "delete code %s", short(sha256))
	}
	return nil
}

// List returns the SHA-256 of every bundle, in order. It reads names only.
func (s *Store) List(ctx context.Context) ([]string, error) {
	shards, err := os.ReadDir(s.code)
	if err != nil {
		return nil, diskFault(err, "list code")
	}
	var all []string
	for _, shard := range shards {
		files, err := os.ReadDir(filepath.Join(s.code, shard.Name()))
		if err != nil {
			return nil, diskFault(err, "list code")
		}
		for _, f := range files {
			if isSHA(f.Name()) {
				all = append(all, f.Name())
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// path is where the packed bytes lie: in one of 256 directories, so that none
// grows long.
func (s *Store) path(sha string) string { return filepath.Join(s.code, sha[:2], sha) }

func notFound(sha string) error {
	return fault.New(fault.NotFound, "code_not_found", "no code with SHA-256 %s is stored", short(sha))
}
