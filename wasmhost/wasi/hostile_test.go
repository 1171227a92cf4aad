package wasi

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tetratelabs/wazero/experimental/wazerotest"
)

// accounted is a rig whose descriptors and files are charged to one ledger.
func accounted(t *testing.T, bound int64) (*rig, *ledger) {
	t.Helper()
	r := newRig(t)
	m, l := newMemFS(t, 1<<30, bound)
	r.Mounts = []Mount{{"/tmp", m}}
	r.Reserve = l.reserve
	t.Cleanup(r.Close)
	return r, l
}

// path writes a name where pathOpen and others are told it is.
func (r *rig) path(name string) (ptr, n uint64) {
	copy(r.mem.Bytes[5000:], name)
	return 5000, uint64(len(name))
}

func (r *rig) openDir(fd uint64, name string) (uint64, Errno) {
	ptr, n := r.path(name)
	errno := r.pathOpen([]uint64{fd, 0, ptr, n, openDirectory, rightRead, 0, 0, 6000})
	return uint64(r.u32(6000)), errno
}

func TestOpenDirectoriesAreChargedForWhatTheyList(t *testing.T) {
	r, l := accounted(t, 4<<20)
	for i := range 1000 {
		m := r.Mounts[0].FS.(*MemFS)
		if errno := m.Mkdir(fmt.Sprint(i)); errno != Success {
			t.Fatal(errno)
		}
	}
	listed := 0
	for ; listed < maxOpen; listed++ {
		fd, errno := r.openDir(3, ".")
		if errno == errNomem {
			break
		}
		r.want(errno, Success)
		if errno := r.fdReaddir([]uint64{fd, 1000, 100, 0, 100}); errno == errNomem {
			break
		}
		before := l.held
		r.want(r.fdReaddir([]uint64{fd, 1000, 100, 0, 100}), Success) // again, from the start
		if l.held != before {
			t.Fatalf("listing again takes %d bytes more", l.held-before)
		}
	}
	if listed < 10 || listed > 50 {
		t.Errorf("%d listings of 1,000 entries fit into 3 MiB", listed)
	}
	r.Close()
	if l.held != 1000*(nodeCost+dirCost) {
		t.Errorf("%d bytes are charged when the descriptors are closed", l.held)
	}
}

func TestDescriptorsAreCharged(t *testing.T) {
	r, l := accounted(t, 1<<20)
	fd := r.create("file")
	if l.held != nodeCost+descriptorCost+4 {
		t.Errorf("a file and its descriptor are charged %d bytes", l.held)
	}
	r.want(r.fdClose([]uint64{fd}), Success)
	if l.held != nodeCost {
		t.Errorf("a file is charged %d bytes", l.held)
	}
	l.bound = l.held
	ptr, n := r.path("file")
	r.want(r.pathOpen([]uint64{3, 0, ptr, n, 0, rightRead, 0, 0, 6000}), errNomem)
}

// TestNamesOfDescriptorsAreBounded descends a step at a time, so that no
// single path is long.
func TestNamesOfDescriptorsAreBounded(t *testing.T) {
	r, _ := accounted(t, 1<<30)
	fd, name := uint64(3), strings.Repeat("x", 200)
	for range 100 {
		ptr, n := r.path(name)
		errno := r.pathCreateDirectory([]uint64{fd, ptr, n})
		if errno == errNametoolong {
			return
		}
		r.want(errno, Success)
		if fd, errno = r.openDir(fd, name); errno != Success {
			t.Fatal(errno)
		}
	}
	t.Error("a descriptor's name may have 20,000 bytes")
}

func TestADirectoryForgetsTheRoomItHad(t *testing.T) {
	m, l := newMemFS(t, 64<<20, 1<<30)
	for i := range 10_000 {
		create(t, m, fmt.Sprint(i)).Close()
	}
	for i := range 9_990 {
		m.Remove(fmt.Sprint(i), false)
	}
	if m.root.most > 64 || len(m.root.children) != 10 || l.held != 10*nodeCost {
		t.Errorf("the map has room for %d names of %d, %d bytes are charged", m.root.most, len(m.root.children), l.held)
	}
	for i := 9_990; i < 10_000; i++ {
		if _, errno := m.Stat(fmt.Sprint(i), false); errno != Success {
			t.Errorf("%d is lost", i)
		}
	}
}

func TestNumbersOfFilesTellNothingOfTheGuestBefore(t *testing.T) {
	m, _ := newMemFS(t, 1<<20, 1<<30)
	create(t, m, "a").Close()
	first, _ := m.Stat("a", false)
	m.Close()
	create(t, m, "b").Close()
	if st, _ := m.Stat("b", false); st.Ino != first.Ino {
		t.Errorf("the first file has the number %d, then %d", first.Ino, st.Ino)
	}
	if _, errno := m.Stat("a", false); errno != errNoent {
		t.Errorf("a file of the guest before: %d", errno)
	}
}

func TestGuestsDoNotTakeAllFilesOfTheHost(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	c := NewCodeFS(root, 3)
	var files []File
	for range 3 {
		f, errno := c.Open("file", How{Read: true})
		if errno != Success {
			t.Fatal(errno)
		}
		files = append(files, f)
	}
	if _, errno := c.Open("file", How{Read: true}); errno != errMfile {
		t.Errorf("the fourth: %d", errno)
	}
	files[0].Close()
	if _, errno := c.Open("nothing", How{Read: true}); errno != errNoent {
		t.Errorf("what is not there: %d", errno)
	}
	f, errno := c.Open("file", How{Read: true})
	if errno != Success {
		t.Errorf("after one was closed: %d", errno)
	}
	for _, f := range append(files[1:], f) {
		f.Close()
	}
	if n := c.open.Load(); n != 0 {
		t.Errorf("%d files are counted in the end", n)
	}
}

// huge maps a gigabyte that takes no memory until it is written to.
func huge(t *testing.T) *wazerotest.Memory {
	t.Helper()
	b, err := unix.Mmap(-1, 0, 1<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return &wazerotest.Memory{Bytes: b}
}

func TestATransferIsNotLongerThanItsCount(t *testing.T) {
	r := newRig(t)
	r.mem = huge(t)
	r.System.mem = r.mem
	for i := range 8 {
		r.set32(8*i, 0, 1<<30)
	}
	r.want(r.fdWrite([]uint64{1, 0, 8, 100}), Success)
	if r.u32(100) != 3<<30 {
		t.Errorf("told %d bytes", r.u32(100))
	}
}

// closer ends the invocation with the first write.
type closer struct {
	done  chan struct{}
	bytes int
}

func (c *closer) Write(p []byte) (int, error) {
	if c.bytes == 0 {
		close(c.done)
	}
	c.bytes += len(p)
	return len(p), nil
}

func TestALongTransferEndsWithTheInvocation(t *testing.T) {
	r := newRig(t)
	r.mem = huge(t)
	r.System.mem = r.mem
	out := &closer{done: make(chan struct{})}
	r.Stdout, r.Done = out, out.done
	for i := range maxVectors {
		r.set32(8*i, 0, 1<<20)
	}
	defer func() {
		if recover() == nil {
			t.Error("the guest goes on")
		}
		if out.bytes > pieceSize {
			t.Errorf("it wrote %d bytes after its end", out.bytes)
		}
	}()
	r.fdWrite([]uint64{1, 0, maxVectors, 100})
}

// TestReadingOverTheListOfBuffers lets a guest change the list under the host.
func TestReadingOverTheListOfBuffers(t *testing.T) {
	r := newRig(t)
	r.Stdin = []byte("\xff\xff\xff\xff\xff\xff\xff\xffrest")
	r.set32(0, 8, 8, 8, 8)
	r.want(r.fdRead([]uint64{0, 0, 2, 100}), Success) // what was read counts
	if r.u32(100) != 8 {
		t.Errorf("told %d bytes", r.u32(100))
	}
}

// TestNoCallPanics calls everything with values at the edges.
func TestNoCallPanics(t *testing.T) {
	edges := []uint64{0, 1, 3, 4, 5, 8, 100, 65535, 65536, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1}
	for _, f := range functions {
		if f.name == "poll_oneoff" { // it may sleep
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			r := newRig(t)
			r.Environ = []string{"A=1"}
			r.create("file")
			if _, errno := r.openDir(3, "."); errno != Success {
				t.Fatal(errno)
			}
			p := make([]uint64, max(1, len(f.params)))
			for i := range 20_000 {
				for j, n := 0, i*7919; j < len(p); j++ {
					p[j] = edges[(n>>(2*j)+i*j)%len(edges)]
				}
				f.run(r.System, p)
			}
		})
	}
}
