package wasi

import (
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
)

// CodeFS is a directory of the host that guests may read. Neither ".." nor a
// symbolic link leads out of it, as os.Root sees to that. It may be shared.
type CodeFS struct {
	root *os.Root
	open atomic.Int64 // files of the host
	most int64
}

// NewCodeFS returns the directory below root, which must stay open for as
// long as the file system is used. Guests together have at most so many files
// open in it; the next one sees EMFILE.
func NewCodeFS(root *os.Root, most int64) *CodeFS { return &CodeFS{root: root, most: most} }

// Open implements FS.
func (c *CodeFS) Open(name string, how How) (File, Errno) {
	if how.Write || how.Create || how.Truncate {
		return nil, errRofs
	}
	if how.NoFollow {
		if st, errno := c.Stat(name, false); errno != Success {
			return nil, errno
		} else if st.Type == TypeSymlink {
			return nil, errLoop
		}
	}
	if c.open.Add(1) > c.most {
		c.open.Add(-1)
		return nil, errMfile
	}
	// Should there be a named pipe, opening it must not wait for a writer.
	f, err := c.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		c.open.Add(-1)
		return nil, errnoOf(err)
	}
	return &codeFile{c, f}, Success
}

// Stat implements FS.
func (c *CodeFS) Stat(name string, follow bool) (Stat, Errno) {
	stat := c.root.Lstat
	if follow {
		stat = c.root.Stat
	}
	info, err := stat(name)
	if err != nil {
		return Stat{}, errnoOf(err)
	}
	return statOf(info), Success
}

// Readlink implements FS.
func (c *CodeFS) Readlink(name string) (string, Errno) {
	target, err := c.root.Readlink(name)
	return target, errnoOf(err)
}

// statOf leaves out owners, permissions and times of access.
func statOf(info fs.FileInfo) Stat {
	st := Stat{Type: typeOf(info.Mode()), Links: 1, Size: info.Size()}
	st.Mtime = info.ModTime().UnixNano()
	st.Atime = st.Mtime
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.Ino = sys.Ino
	}
	return st
}

func typeOf(m fs.FileMode) Type {
	switch {
	case m.IsRegular():
		return TypeRegular
	case m.IsDir():
		return TypeDir
	case m&fs.ModeSymlink != 0:
		return TypeSymlink
	}
	return TypeUnknown
}

type codeFile struct {
	fs *CodeFS
	f  *os.File
}

func (c *codeFile) ReadAt(p []byte, off int64) (int, Errno) {
	n, err := c.f.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, errnoOf(err)
}

func (c *codeFile) WriteAt([]byte, int64) (int, Errno) { return 0, errBadf }
func (c *codeFile) Truncate(int64) Errno               { return errRofs }

func (c *codeFile) Close() {
	c.f.Close()
	c.fs.open.Add(-1)
}

func (c *codeFile) Stat() (Stat, Errno) {
	info, err := c.f.Stat()
	if err != nil {
		return Stat{}, errnoOf(err)
	}
	return statOf(info), Success
}

func (c *codeFile) Entries() ([]Entry, Errno) {
	if _, err := c.f.Seek(0, io.SeekStart); err != nil {
		return nil, errnoOf(err)
	}
	infos, err := c.f.ReadDir(-1)
	if err != nil {
		return nil, errnoOf(err)
	}
	entries := make([]Entry, len(infos))
	for i, e := range infos {
		entries[i] = Entry{Name: e.Name(), Type: typeOf(e.Type())}
	}
	return entries, Success
}
