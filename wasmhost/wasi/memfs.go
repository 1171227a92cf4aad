package wasi

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// MemFS is a directory in memory with a limit on its size. The zero value is
// empty and takes nothing until a guest makes its first file; it has neither
// links nor permissions. It serves one goroutine at a time.
type MemFS struct {
	// Reserve is asked before memory is taken, in bytes, and told by a
	// negative number when it is given back. Where it returns false the guest
	// sees ENOSPC.
	Reserve func(bytes int64) bool
	Limit   int64 // bytes

	root *inode
	used int64
	last uint64 // inode number
}

// inode is a file or a directory. Its data is cut into chunks so that growth
// copies nothing.
type inode struct {
	number   uint64
	parent   *inode            // of a directory
	children map[string]*inode // nil for a file
	most     int               // children that the map has had room for
	chunks   []*chunk          // nil is a hole
	size     int64
	mtime    int64
	atime    int64
	opened   int
	removed  bool
}

const (
	chunkSize = 16 << 10
	nodeCost  = 512 // bytes that a file or a directory and its name are charged
	dirCost   = 512 // bytes that a directory is charged beside that
	slotCost  = 16  // bytes of a place for a chunk, which a hole has too
	maxName   = 255
)

type chunk [chunkSize]byte

// Close gives everything back.
func (m *MemFS) Close() {
	if m.used != 0 {
		m.Reserve(-m.used)
	}
	m.used, m.root, m.last = 0, nil, 0 // no number tells what another guest did
}

// take charges bytes against the limit and the ledger.
func (m *MemFS) take(bytes int64) bool {
	if m.used+bytes > m.Limit || !m.Reserve(bytes) {
		return false
	}
	m.used += bytes
	return true
}

func (m *MemFS) give(bytes int64) {
	m.used -= bytes
	m.Reserve(-bytes)
}

func (m *MemFS) make(dir bool) (*inode, Errno) {
	n := &inode{mtime: time.Now().UnixNano()}
	n.atime = n.mtime
	if dir {
		n.children = map[string]*inode{}
	}
	if !m.take(n.cost()) {
		return nil, errNospc
	}
	m.last++
	n.number = m.last
	return n, Success
}

// cost is what an inode is charged beside its chunks.
func (n *inode) cost() int64 {
	if n.children != nil {
		return nodeCost + dirCost
	}
	return nodeCost
}

// link gives a child its name in a directory.
func (n *inode) link(name string, child *inode) {
	n.children[name] = child
	n.most = max(n.most, len(n.children))
	if child.children != nil {
		child.parent = n
	}
}

// unlink removes a name. A map keeps the room that it once needed, which
// nobody is charged for, so it is made anew when most of it is empty.
func (n *inode) unlink(name string) {
	delete(n.children, name)
	if left := len(n.children); n.most > 64 && left < n.most/4 {
		less := make(map[string]*inode, left)
		maps.Copy(less, n.children)
		n.children, n.most = less, left
	}
}

// top returns the root, made at the first use. It is not charged: an empty
// directory must always be there.
func (m *MemFS) top() *inode {
	if m.root == nil {
		m.last++
		m.root = &inode{number: m.last, children: map[string]*inode{}, mtime: time.Now().UnixNano()}
	}
	return m.root
}

// find walks to a name.
func (m *MemFS) find(name string) (*inode, Errno) {
	n := m.top()
	if name == "." {
		return n, Success
	}
	for part := range strings.SplitSeq(name, "/") {
		if n.children == nil {
			return nil, errNotdir
		}
		if n = n.children[part]; n == nil {
			return nil, errNoent
		}
	}
	return n, Success
}

// place finds the directory that a new name would go to.
func (m *MemFS) place(name string) (*inode, string, Errno) {
	if name == "." {
		return nil, "", errExist
	}
	dir, errno := m.find(path.Dir(name))
	switch {
	case errno != Success:
		return nil, "", errno
	case dir.children == nil:
		return nil, "", errNotdir
	case len(path.Base(name)) > maxName:
		return nil, "", errNametoolong
	}
	return dir, path.Base(name), Success
}

// Open implements FS.
func (m *MemFS) Open(name string, how How) (File, Errno) {
	n, errno := m.find(name)
	switch {
	case errno == errNoent && how.Create:
		if n, errno = m.create(name, false); errno != Success {
			return nil, errno
		}
	case errno != Success:
		return nil, errno
	case how.Create && how.Exclusive:
		return nil, errExist
	case n.children != nil && how.Write:
		return nil, errIsdir
	case n.children == nil && how.IsDir:
		return nil, errNotdir
	}
	f := &memFile{m, n}
	if how.Truncate && n.children == nil {
		f.Truncate(0)
	}
	n.opened++
	return f, Success
}

func (m *MemFS) create(name string, dir bool) (*inode, Errno) {
	at, base, errno := m.place(name)
	if errno != Success {
		return nil, errno
	}
	if at.children[base] != nil {
		return nil, errExist
	}
	n, errno := m.make(dir)
	if errno != Success {
		return nil, errno
	}
	at.link(base, n)
	at.mtime = n.mtime
	return n, Success
}

// Stat implements FS.
func (m *MemFS) Stat(name string, _ bool) (Stat, Errno) {
	n, errno := m.find(name)
	if errno != Success {
		return Stat{}, errno
	}
	return n.stat(), Success
}

func (n *inode) stat() Stat {
	st := Stat{Ino: n.number, Type: n.kind(), Links: 1, Size: n.size, Atime: n.atime, Mtime: n.mtime}
	return st
}

func (n *inode) kind() Type {
	if n.children != nil {
		return TypeDir
	}
	return TypeRegular
}

// Readlink implements FS.
func (m *MemFS) Readlink(name string) (string, Errno) {
	if _, errno := m.find(name); errno != Success {
		return "", errno
	}
	return "", errInval
}

// Mkdir implements Writable.
func (m *MemFS) Mkdir(name string) Errno {
	_, errno := m.create(name, true)
	return errno
}

// Remove implements Writable.
func (m *MemFS) Remove(name string, dir bool) Errno {
	n, errno := m.find(name)
	switch {
	case errno != Success:
		return errno
	case n == m.root:
		return errPerm
	case dir && n.children == nil:
		return errNotdir
	case !dir && n.children != nil:
		return errIsdir
	case len(n.children) > 0:
		return errNotempty
	}
	at, base, _ := m.place(name)
	at.unlink(base)
	m.drop(n)
	return Success
}

// drop frees what has no name any more, once nobody has it open.
func (m *MemFS) drop(n *inode) {
	n.removed = true
	if n.opened == 0 {
		m.give(n.truncate(0) + n.cost())
	}
}

// Rename implements Writable.
func (m *MemFS) Rename(from, to string) Errno {
	n, errno := m.find(from)
	if errno != Success {
		return errno
	}
	if n == m.root {
		return errPerm
	}
	at, base, errno := m.place(to)
	if errno != Success {
		return errno
	}
	old := at.children[base]
	if old == n {
		return Success
	}
	if errno := replaceable(n, old, at); errno != Success {
		return errno
	}
	src, name, _ := m.place(from)
	src.unlink(name)
	at.link(base, n)
	if old != nil {
		m.drop(old)
	}
	return Success
}

// replaceable reports whether n may take the place of old in the directory at.
func replaceable(n, old, at *inode) Errno {
	for dir := at; dir != nil && n.children != nil; dir = dir.parent {
		if dir == n { // into itself
			return errInval
		}
	}
	switch {
	case old == nil:
		return Success
	case old.children != nil && n.children == nil:
		return errIsdir
	case old.children == nil && n.children != nil:
		return errNotdir
	case len(old.children) > 0:
		return errNotempty
	}
	return Success
}

// SetTimes implements Writable.
func (m *MemFS) SetTimes(name string, atime, mtime int64) Errno {
	n, errno := m.find(name)
	if errno != Success {
		return errno
	}
	if atime >= 0 {
		n.atime = atime
	}
	if mtime >= 0 {
		n.mtime = mtime
	}
	return Success
}

// memFile is an open inode.
type memFile struct {
	m *MemFS
	n *inode
}

func (f *memFile) Stat() (Stat, Errno) { return f.n.stat(), Success }

func (f *memFile) Close() {
	if f.n.opened--; f.n.opened == 0 && f.n.removed {
		f.m.give(f.n.truncate(0) + f.n.cost())
	}
}

func (f *memFile) ReadAt(p []byte, off int64) (n int, errno Errno) {
	if f.n.children != nil {
		return 0, errIsdir
	}
	if off >= f.n.size {
		return 0, Success
	}
	p = p[:min(int64(len(p)), f.n.size-off)]
	for n < len(p) {
		at := off + int64(n)
		part := p[n:min(len(p), n+int(chunkSize-at%chunkSize))]
		if i := at / chunkSize; i < int64(len(f.n.chunks)) && f.n.chunks[i] != nil {
			copy(part, f.n.chunks[i][at%chunkSize:])
		} else {
			clear(part)
		}
		n += len(part)
	}
	return n, Success
}

func (f *memFile) WriteAt(p []byte, off int64) (n int, errno Errno) {
	if off > f.m.Limit || off+int64(len(p)) > f.m.Limit {
		return 0, errNospc
	}
	for n < len(p) {
		at := off + int64(n)
		chunk := f.chunk(at / chunkSize)
		if chunk == nil {
			errno = errNospc
			break
		}
		n += copy(chunk[at%chunkSize:], p[n:])
	}
	if n > 0 {
		f.n.size = max(f.n.size, off+int64(n))
		f.n.mtime = time.Now().UnixNano()
		errno = Success // what was written counts, as with any disk
	}
	return n, errno
}

// chunk returns a chunk to write to, nil where there is no room for it.
func (f *memFile) chunk(i int64) *chunk {
	if missing := i + 1 - int64(len(f.n.chunks)); missing > 0 {
		if !f.m.take(missing * slotCost) {
			return nil
		}
		f.n.chunks = append(f.n.chunks, make([]*chunk, missing)...)
	}
	if f.n.chunks[i] == nil && f.m.take(chunkSize) {
		f.n.chunks[i] = new(chunk)
	}
	return f.n.chunks[i]
}

func (f *memFile) Truncate(size int64) Errno {
	if f.n.children != nil {
		return errIsdir
	}
	if size < 0 {
		return errInval
	}
	if size > f.m.Limit {
		return errFbig
	}
	if freed := f.n.truncate(size); freed > 0 {
		f.m.give(freed)
	}
	f.n.mtime = time.Now().UnixNano()
	return Success
}

// truncate sets the size and returns how many bytes of memory that freed.
func (n *inode) truncate(size int64) (freed int64) {
	keep := (size + chunkSize - 1) / chunkSize
	for int64(len(n.chunks)) > keep {
		last := len(n.chunks) - 1
		if freed += slotCost; n.chunks[last] != nil {
			freed += chunkSize
		}
		n.chunks[last] = nil
		n.chunks = n.chunks[:last]
	}
	if tail := size % chunkSize; tail > 0 && int64(len(n.chunks)) == keep && n.chunks[keep-1] != nil {
		clear(n.chunks[keep-1][tail:]) // so that growing again shows zeros
	}
	n.size = size
	return freed
}

func (f *memFile) Entries() ([]Entry, Errno) {
	if f.n.children == nil {
		return nil, errNotdir
	}
	entries := make([]Entry, 0, len(f.n.children))
	for name, n := range f.n.children {
		entries = append(entries, Entry{Name: name, Ino: n.number, Type: n.kind()})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, Success
}
