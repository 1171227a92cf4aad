package wasi

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// ledger counts what a MemFS reserved, up to a bound.
type ledger struct{ held, bound int64 }

func (l *ledger) reserve(n int64) bool {
	if l.held+n > l.bound {
		return false
	}
	l.held += n
	return true
}

func newMemFS(t testing.TB, limit, bound int64) (*MemFS, *ledger) {
	l := &ledger{bound: bound}
	m := &MemFS{Limit: limit, Reserve: l.reserve}
	t.Cleanup(func() {
		m.Close()
		if l.held != 0 {
			t.Errorf("%d bytes are still reserved", l.held)
		}
	})
	return m, l
}

func create(t testing.TB, m *MemFS, name string) File {
	t.Helper()
	f, errno := m.Open(name, How{Read: true, Write: true, Create: true})
	if errno != Success {
		t.Fatalf("create %s: %d", name, errno)
	}
	return f
}

func TestPathsStayBelowTheirDirectory(t *testing.T) {
	for _, c := range []struct {
		dir, name, want string
		errno           Errno
	}{
		{".", "a", "a", Success}, {".", "a/../b", "b", Success}, {".", ".", ".", Success}, {"d", "..", ".", Success},
		{"d", "./x/", "d/x", Success}, {".", "a//b", "a/b", Success},
		{".", "..", "", errNotcapable}, {".", "../x", "", errNotcapable}, {"d", "../../x", "", errNotcapable},
		{".", "a/../../x", "", errNotcapable}, {".", "/etc/passwd", "", errNotcapable},
		{".", "", "", errNoent}, {".", "a\x00b", "", errInval}, {".", "...", "...", Success},
	} {
		if got, errno := within(c.dir, c.name); got != c.want || errno != c.errno {
			t.Errorf("%q below %q is %q, %d, want %q, %d", c.name, c.dir, got, errno, c.want, c.errno)
		}
	}
}

func TestLinksDoNotLeadOutOfTheCode(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600)
	os.WriteFile(filepath.Join(dir, "file"), []byte("data"), 0o600)
	for name, target := range map[string]string{"abs": filepath.Join(outside, "secret"), "rel": "../" + filepath.Base(outside) + "/secret", "dir": outside, "in": "file"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	c := NewCodeFS(root, 100)
	for _, name := range []string{"abs", "rel", "dir/secret", "dir"} {
		if f, errno := c.Open(name, How{Read: true}); errno == Success {
			f.Close()
			t.Errorf("%s leads out", name)
		}
		if _, errno := c.Stat(name, true); errno == Success {
			t.Errorf("%s tells about what is outside", name)
		}
	}
	f, errno := c.Open("in", How{Read: true})
	if errno != Success {
		t.Fatal(errno)
	}
	defer f.Close()
	b := make([]byte, 10)
	if n, errno := f.ReadAt(b, 0); errno != Success || string(b[:n]) != "data" {
		t.Errorf("a link inside reads %q, %d", b[:n], errno)
	}
	if _, errno := c.Open("in", How{Read: true, NoFollow: true}); errno != errLoop {
		t.Errorf("a link that is not to be followed: %d", errno)
	}
	if target, errno := c.Readlink("in"); target != "file" || errno != Success {
		t.Errorf("the link says %q, %d", target, errno)
	}
}

// TestFilesKeepWhatIsWritten writes at random places and compares with a
// slice that was written in the same way.
func TestFilesKeepWhatIsWritten(t *testing.T) {
	m, _ := newMemFS(t, 1<<20, 1<<30)
	f := create(t, m, "file")
	defer f.Close()
	random := rand.New(rand.NewPCG(1, 1))
	var want []byte
	for range 500 {
		off, n := random.IntN(200_000), random.IntN(50_000)
		switch random.IntN(4) {
		case 0:
			f.Truncate(int64(off))
			want = append(want, make([]byte, max(0, off-len(want)))...)[:off]
			want = append([]byte(nil), want...)
		default:
			p := bytes.Repeat([]byte{byte(1 + random.IntN(255))}, n)
			if got, errno := f.WriteAt(p, int64(off)); got != n || errno != Success {
				t.Fatalf("wrote %d of %d, %d", got, n, errno)
			}
			if n > 0 {
				want = append(want, make([]byte, max(0, off+n-len(want)))...)
				copy(want[off:], p)
			}
		}
		got := make([]byte, len(want)+10)
		n, _ = f.ReadAt(got, 0)
		if !bytes.Equal(got[:n], want) {
			t.Fatalf("read %d bytes, which are not the %d that were written", n, len(want))
		}
	}
}

func TestFilesTakeNoMoreThanTheirLimit(t *testing.T) {
	m, l := newMemFS(t, 1<<20, 1<<30)
	f := create(t, m, "file")
	total := 0
	for {
		n, errno := f.WriteAt(make([]byte, 10_000), int64(total))
		total += n
		if errno == errNospc {
			break
		}
		if errno != Success || total > 2<<20 {
			t.Fatalf("wrote %d bytes, %d", total, errno)
		}
	}
	if total < 900_000 || l.held > 1<<20 {
		t.Errorf("wrote %d bytes, %d are reserved", total, l.held)
	}
	m.Remove("file", false)
	if _, errno := f.ReadAt(make([]byte, 1), 0); errno != Success || l.held < 900_000 {
		t.Error("a removed file is gone while it is open")
	}
	f.Close()
	if l.held != 0 {
		t.Errorf("%d bytes are reserved for a file that is gone", l.held)
	}
}

// TestWhatIsNotDataIsCharged makes files that take memory without data.
func TestWhatIsNotDataIsCharged(t *testing.T) {
	for name, make := range map[string]func(m *MemFS, i int) Errno{
		"names": func(m *MemFS, i int) Errno { return m.Mkdir(fmt.Sprintf("d%d", i)) },
		"empty files": func(m *MemFS, i int) Errno {
			_, errno := m.Open(fmt.Sprintf("f%d", i), How{Create: true})
			return errno
		},
		"holes": func(m *MemFS, i int) Errno {
			f, errno := m.Open(fmt.Sprintf("f%d", i), How{Create: true, Write: true})
			if errno == Success {
				f.Truncate(1 << 19)
				_, errno = f.WriteAt([]byte{1}, 1<<19)
			}
			return errno
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, l := newMemFS(t, 1<<20, 1<<30)
			n := 0
			for ; n < 10_000; n++ {
				if errno := make(m, n); errno == errNospc {
					break
				}
			}
			if n > 1<<20/nodeCost || l.held > 1<<20 {
				t.Errorf("%d were made, %d bytes are reserved", n, l.held)
			}
		})
	}
	m, _ := newMemFS(t, 1<<20, nodeCost+dirCost)
	if errno := m.Mkdir("a"); errno != Success {
		t.Error(errno)
	}
	if errno := m.Mkdir("b"); errno != errNospc {
		t.Errorf("memory that is not there was taken: %d", errno)
	}
}

func TestDirectoriesRenameAndRemove(t *testing.T) {
	m, _ := newMemFS(t, 1<<20, 1<<30)
	for _, name := range []string{"a", "a/b", "e"} {
		if errno := m.Mkdir(name); errno != Success {
			t.Fatal(name, errno)
		}
	}
	create(t, m, "f").Close()
	create(t, m, "a/g").Close()
	for _, c := range []struct {
		what string
		got  Errno
		want Errno
	}{
		{"a file over a directory", m.Rename("f", "a"), errIsdir},
		{"a directory over a file", m.Rename("a", "f"), errNotdir},
		{"over a full directory", m.Rename("e", "a"), errNotempty},
		{"into itself", m.Rename("a", "a/b/c"), errInval},
		{"the root", m.Rename(".", "x"), errPerm},
		{"what is not there", m.Rename("x", "y"), errNoent},
		{"to itself", m.Rename("f", "f"), Success},
		{"over a file", m.Rename("f", "a/g"), Success},
		{"over an empty directory", m.Rename("a", "e"), Success},
		{"remove the root", m.Remove(".", true), errPerm},
		{"remove a directory as a file", m.Remove("e", false), errIsdir},
		{"remove a file as a directory", m.Remove("e/g", true), errNotdir},
		{"remove a full directory", m.Remove("e", true), errNotempty},
		{"below a file", m.Mkdir("e/g/x"), errNotdir},
		{"a name too long", m.Mkdir(string(make([]byte, 300))), errNametoolong},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
	f, _ := m.Open("e", How{Read: true, IsDir: true})
	entries, errno := f.Entries()
	if errno != Success || len(entries) != 2 || entries[0].Name != "b" || entries[0].Type != TypeDir || entries[1].Name != "g" {
		t.Errorf("got %+v, %d", entries, errno)
	}
}
