package wasmhost

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/tetratelabs/wazero"
)

// maxCache bounds the directory of compiled code, in bytes. What goes is compiled again when it is needed.
const maxCache = 1 << 30

// newCache opens the directory of compiled code. What lies there is run as it
// is, so nobody else may write to it.
func newCache(dir string) (wazero.CompilationCache, error) {
	if dir == "" {
		return wazero.NewCompilationCache(), nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || ok && int(st.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("compile cache %q: %w: it is not a directory of this process's user", dir, fs.ErrPermission)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	if err := prune(dir, maxCache); err != nil {
		return nil, err
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

// prune removes the oldest files until the rest has at most limit bytes.
func prune(dir string, limit int64) error {
	type file struct {
		path string
		info fs.FileInfo
	}
	var files []file
	total := int64(0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files = append(files, file{path, info})
			total += info.Size()
		}
		return err
	})
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.info.ModTime().UnixNano(), b.info.ModTime().UnixNano()) })
	for _, f := range files {
		if total <= limit || err != nil {
			break
		}
		err = os.Remove(f.path)
		total -= f.info.Size()
	}
	return err
}
