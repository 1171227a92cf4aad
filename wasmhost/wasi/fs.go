package wasi

// FS is what can be mounted. Names are relative, slash-separated and clean;
// "." is the root itself. It is used by one goroutine at a time, except that
// a read-only one may be shared.
type FS interface {
	Open(name string, how How) (File, Errno)
	Stat(name string, follow bool) (Stat, Errno)
	Readlink(name string) (string, Errno)
}

// Writable is an FS that guests may change; without it everything that would
// is refused with EROFS.
type Writable interface {
	FS
	Mkdir(name string) Errno
	Remove(name string, dir bool) Errno
	Rename(from, to string) Errno
	SetTimes(name string, atime, mtime int64) Errno // nanoseconds; negative leaves it
}

// How tells what to open a file for.
type How struct {
	Read, Write                        bool
	Create, Exclusive, Truncate, IsDir bool
	NoFollow                           bool
}

// File is an open file or directory.
type File interface {
	ReadAt(p []byte, off int64) (int, Errno) // 0 at the end
	WriteAt(p []byte, off int64) (int, Errno)
	Truncate(size int64) Errno
	Stat() (Stat, Errno)
	Entries() ([]Entry, Errno) // of a directory, without "." and ".."
	Close()
}

// Type is a kind of file.
type Type uint8

// The kinds of file; numbers of WASI.
const (
	TypeUnknown Type = 0
	TypeDir     Type = 3
	TypeRegular Type = 4
	TypeSymlink Type = 7
)

// Stat describes a file. Times are nanoseconds since 1970.
type Stat struct {
	Ino          uint64
	Type         Type
	Links        uint64
	Size         int64
	Atime, Mtime int64
}

// Entry is a name in a directory.
type Entry struct {
	Name string
	Ino  uint64
	Type Type
}
