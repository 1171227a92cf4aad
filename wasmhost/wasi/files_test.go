package wasi

import (
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// both is a rig with a code directory at 3 and /tmp at 4.
func both(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	for name, body := range map[string]string{"main.wasm": "code", "d/f": "in d"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("main.wasm", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	m, _ := newMemFS(t, 1<<20, 1<<30)
	r.Mounts = []Mount{{"/var/task", NewCodeFS(root, 100)}, {"/tmp", m}}
	t.Cleanup(func() {
		r.Close()
		root.Close()
	})
	return r
}

const (
	code = 3
	temp = 4
)

// open opens a path and returns its descriptor.
func (r *rig) openFile(dir uint64, name string, flags, rights, fdflags uint64) (uint64, Errno) {
	ptr, n := r.path(name)
	errno := r.pathOpen([]uint64{dir, 0, ptr, n, flags, rights, 0, fdflags, 6000})
	return uint64(r.u32(6000)), errno
}

func (r *rig) write(fd uint64, text string) Errno {
	copy(r.mem.Bytes[7000:], text)
	r.set32(0, 7000, uint32(len(text)))
	return r.fdWrite([]uint64{fd, 0, 1, 100})
}

func (r *rig) read(fd uint64) (string, Errno) {
	r.set32(0, 8000, 1000)
	errno := r.fdRead([]uint64{fd, 0, 1, 100})
	if errno != Success {
		return "", errno
	}
	return string(r.mem.Bytes[8000 : 8000+r.u32(100)]), Success
}

func TestCodeIsReadOnly(t *testing.T) {
	r := both(t)
	ptr, n := r.path("x")
	for name, got := range map[string]func() Errno{
		"creating":   func() Errno { _, e := r.openFile(code, "x", openCreate, rightRead, 0); return e },
		"writing":    func() Errno { _, e := r.openFile(code, "main.wasm", 0, rightWrite, 0); return e },
		"truncating": func() Errno { _, e := r.openFile(code, "main.wasm", openTruncate, rightRead, 0); return e },
		"mkdir":      func() Errno { return r.pathCreateDirectory([]uint64{code, ptr, n}) },
		"rmdir":      func() Errno { return r.pathRemoveDirectory([]uint64{code, ptr, n}) },
		"unlink":     func() Errno { return r.pathUnlinkFile([]uint64{code, ptr, n}) },
		"rename":     func() Errno { return r.pathRename([]uint64{code, ptr, n, code, ptr, n}) },
		"rename to":  func() Errno { return r.pathRename([]uint64{temp, ptr, n, code, ptr, n}) },
		"times":      func() Errno { return r.pathFilestatSetTimes([]uint64{code, 0, ptr, n, 0, 0, setMtimeNow}) },
	} {
		copy(r.mem.Bytes[5000:], "x")
		if errno := got(); errno != errRofs {
			t.Errorf("%s is answered with %d", name, errno)
		}
	}
	fd, errno := r.openFile(code, "main.wasm", 0, rightRead, 0)
	r.want(errno, Success)
	r.want(r.write(fd, "x"), errBadf)
	r.want(r.fdPwrite([]uint64{fd, 0, 1, 0, 100}), errBadf)
	r.want(r.fdFilestatSetSize([]uint64{fd, 0}), errBadf)
	r.want(r.fdAllocate([]uint64{fd, 0, 10}), errInval)
	f := r.fds[fd].file
	if _, errno := f.WriteAt([]byte("x"), 0); errno != errBadf {
		t.Errorf("the file itself: %d", errno)
	}
	if errno := f.Truncate(0); errno != errRofs {
		t.Errorf("the file itself: %d", errno)
	}
	if got, errno := r.read(fd); got != "code" || errno != Success {
		t.Errorf("it holds %q, %d", got, errno)
	}
}

func TestPathsAreLookedUpBelowOpenDirectories(t *testing.T) {
	r := both(t)
	d, errno := r.openFile(code, "d", openDirectory, rightRead, 0)
	r.want(errno, Success)
	fd, errno := r.openFile(d, "f", 0, rightRead, 0)
	r.want(errno, Success)
	if got, errno := r.read(fd); got != "in d" || errno != Success {
		t.Errorf("it holds %q, %d", got, errno)
	}
	for name, want := range map[string]Errno{
		"../main.wasm": Success, "../../x": errNotcapable, "/etc/passwd": errNotcapable, "nothing": errNoent, "": errNoent,
		"f/x": errNotdir, "../link": errLoop, strings.Repeat("x", 300): errNametoolong,
	} {
		if fd, errno := r.openFile(d, name, 0, rightRead, 0); errno != want {
			t.Errorf("%.20q: %d", name, errno)
		} else if errno == Success {
			r.want(r.fdClose([]uint64{fd}), Success)
		}
	}
	_, errno = r.openFile(fd, "x", 0, rightRead, 0)
	r.want(errno, errNotdir)
	_, errno = r.openFile(code, "main.wasm", openDirectory, rightRead, 0)
	r.want(errno, errNotdir)
	r.want(r.pathOpen([]uint64{code, 0, 5000, maxPath + 1, 0, 0, 0, 0, 6000}), errNametoolong)
	r.want(r.pathOpen([]uint64{code, 0, 65530, 100, 0, 0, 0, 0, 6000}), errFault)
	r.want(r.pathOpen([]uint64{99, 0, 5000, 1, 0, 0, 0, 0, 6000}), errBadf)
	if n := len(r.fds); n > 10 {
		t.Errorf("%d descriptors are left", n)
	}
}

func TestStatTellsWhatThereIs(t *testing.T) {
	r := both(t)
	for _, c := range []struct {
		name   string
		lookup uint64
		kind   Type
		size   uint64
	}{{"main.wasm", 0, TypeRegular, 4}, {"d", 0, TypeDir, 0}, {"link", 0, TypeSymlink, 9}, {"link", followLinks, TypeRegular, 4}} {
		ptr, n := r.path(c.name)
		r.want(r.pathFilestatGet([]uint64{code, c.lookup, ptr, n, 1000}), Success)
		b := r.mem.Bytes[1000:1064]
		if Type(b[16]) != c.kind || c.kind != TypeDir && get(b[32:], 8) != c.size || get(b[0:], 8) != 0 {
			t.Errorf("%s, following %d: kind %d, %d bytes, device %d", c.name, c.lookup, b[16], get(b[32:], 8), get(b[0:], 8))
		}
	}
	ptr, n := r.path("link")
	r.want(r.pathReadlink([]uint64{code, ptr, n, 1000, 4, 100}), Success)
	if r.u32(100) != 4 || string(r.mem.Bytes[1000:1004]) != "main" {
		t.Errorf("the link leads to %q", r.mem.Bytes[1000:1000+r.u32(100)])
	}
	r.want(r.pathReadlink([]uint64{code, ptr, n, 65530, 100, 100}), errFault)
	ptr, n = r.path("main.wasm")
	r.want(r.pathReadlink([]uint64{code, ptr, n, 1000, 4, 100}), errInval)
	r.want(r.pathFilestatGet([]uint64{code, 0, ptr, n, 65530}), errFault)
	ptr, n = r.path("nothing")
	r.want(r.pathFilestatGet([]uint64{code, 0, ptr, n, 1000}), errNoent)
	r.want(r.pathReadlink([]uint64{temp, ptr, n, 1000, 4, 100}), errNoent)
	fd := r.fileWith(t, "f", "hello")
	ptr, n = r.path("f")
	r.want(r.pathReadlink([]uint64{temp, ptr, n, 1000, 4, 100}), errInval)
	for _, d := range []uint64{0, code, temp, fd} {
		r.want(r.fdFilestatGet([]uint64{d, 1000}), Success)
	}
	if get(r.mem.Bytes[1032:], 8) != 5 {
		t.Errorf("a file of %d bytes", get(r.mem.Bytes[1032:], 8))
	}
	r.want(r.fdFdstatGet([]uint64{fd, 1000}), Success)
	if Type(r.mem.Bytes[1000]) != TypeRegular {
		t.Errorf("a file is of the kind %d", r.mem.Bytes[1000])
	}
	r.want(r.fdFdstatGet([]uint64{code, 1000}), Success)
	if Type(r.mem.Bytes[1000]) != TypeDir {
		t.Errorf("a directory is of the kind %d", r.mem.Bytes[1000])
	}
}

// fileWith makes a file in /tmp.
func (r *rig) fileWith(t *testing.T, name, text string) uint64 {
	t.Helper()
	fd, errno := r.openFile(temp, name, openCreate|openTruncate, rightRead|rightWrite, 0)
	r.want(errno, Success)
	r.want(r.write(fd, text), Success)
	return fd
}

func TestFilesAreWrittenWhereTheyAreToBe(t *testing.T) {
	r := both(t)
	fd := r.fileWith(t, "f", "hello")
	for _, c := range []struct {
		off    int64
		whence uint64
		to     uint64
		errno  Errno
	}{
		{1, 0, 1, Success}, {2, 1, 3, Success}, {-1, 2, 4, Success}, {-9, 1, 0, errInval}, {-9, 0, 0, errInval},
		{math.MaxInt64, 1, 0, errInval}, {0, 3, 0, errInval}, {100, 2, 105, Success},
	} {
		errno := r.fdSeek([]uint64{fd, uint64(c.off), c.whence, 100})
		if errno != c.errno || errno == Success && get(r.mem.Bytes[100:], 8) != c.to {
			t.Errorf("%d from %d: %d, %d", c.off, c.whence, get(r.mem.Bytes[100:], 8), errno)
		}
	}
	if got, errno := r.read(fd); got != "" || errno != Success {
		t.Errorf("behind the end is %q, %d", got, errno)
	}
	r.want(r.fdFdstatSetFlags([]uint64{fd, flagAppend}), Success)
	r.want(r.write(fd, "!"), Success)
	r.want(r.fdFdstatSetFlags([]uint64{fd, 0x100}), errInval)
	r.set32(0, 8000, 100)
	r.want(r.fdPread([]uint64{fd, 0, 1, 1, 100}), Success)
	if got := string(r.mem.Bytes[8000 : 8000+r.u32(100)]); got != "ello!" {
		t.Errorf("it holds %q", got)
	}
	r.want(r.fdPread([]uint64{fd, 0, 1, 1 << 63, 100}), errInval)
	r.set32(0, 8000, 2)
	r.want(r.fdPwrite([]uint64{fd, 0, 1, 0, 100}), Success)
	r.want(r.fdAllocate([]uint64{fd, 0, 50}), Success)
	r.want(r.fdAllocate([]uint64{fd, math.MaxInt64, math.MaxInt64}), errInval)
	r.want(r.fdFilestatSetSize([]uint64{fd, 1 << 40}), errFbig)
	r.want(r.fdFilestatSetSize([]uint64{fd, 1 << 63}), errInval)
	r.want(r.fdFilestatSetSize([]uint64{fd, 3}), Success)
	r.want(r.fdTell([]uint64{fd, 100}), Success)
	r.want(r.fdSync(fd), Success)
	for _, dir := range []uint64{code, temp} {
		_, errno := r.read(dir)
		r.want(errno, errIsdir)
		r.want(r.write(dir, "x"), errBadf)
		r.want(r.fdSeek([]uint64{dir, 0, 0, 100}), errIsdir)
		r.want(r.fdFilestatSetSize([]uint64{dir, 0}), errIsdir)
	}
	r.want(r.fdReaddir([]uint64{fd, 1000, 100, 0, 100}), errNotdir)
}

func (r *rig) fdSync(fd uint64) Errno { return r.fdKnown([]uint64{fd}) }

func TestOpeningAsAsked(t *testing.T) {
	r := both(t)
	r.want(r.fdClose([]uint64{r.fileWith(t, "f", "hello")}), Success)
	ptr, n := r.path("d")
	r.want(r.pathCreateDirectory([]uint64{temp, ptr, n}), Success)
	r.want(r.pathCreateDirectory([]uint64{temp, ptr, n}), errExist)
	for _, c := range []struct {
		name          string
		flags, rights uint64
		want          Errno
	}{
		{"f", openCreate | openExclusive, rightRead, errExist}, {"d", 0, rightWrite, errIsdir}, {"f", openDirectory, rightRead, errNotdir},
		{"d", openDirectory, rightRead | rightWrite, Success}, {"g", 0, rightRead, errNoent}, {"g/h", openCreate, rightRead, errNoent},
		{"f/h", openCreate, rightRead, errNotdir}, {".", openCreate | openExclusive, rightRead, errExist}, {"f", 0, 0, Success},
	} {
		if _, errno := r.openFile(temp, c.name, c.flags, c.rights, 0); errno != c.want {
			t.Errorf("%s with the flags %d and the rights %d: %d", c.name, c.flags, c.rights, errno)
		}
	}
	fd, errno := r.openFile(temp, "f", openTruncate, rightRead, 0)
	r.want(errno, Success)
	if got, _ := r.read(fd); got != "" {
		t.Errorf("a truncated file holds %q", got)
	}
	// Nothing is left open where the descriptor's number has no place to go.
	before := r.Mounts[1].FS.(*MemFS).root.children["f"].opened
	ptr, n = r.path("f")
	r.want(r.pathOpen([]uint64{temp, 0, ptr, n, 0, rightRead, 0, 0, 65535}), errFault)
	if after := r.Mounts[1].FS.(*MemFS).root.children["f"].opened; after != before+1 {
		t.Errorf("%d, then %d", before, after)
	}
}

func TestNamesMoveAndGo(t *testing.T) {
	r := both(t)
	r.fileWith(t, "f", "hello")
	copy(r.mem.Bytes[5000:], "fg")
	r.want(r.pathRename([]uint64{temp, 5000, 1, temp, 5001, 1}), Success)
	r.want(r.pathRename([]uint64{temp, 5000, 1, temp, 5001, 1}), errNoent)
	r.want(r.pathFilestatSetTimes([]uint64{temp, 0, 5001, 1, 7, math.MaxUint64, setAtime | setMtime}), Success)
	r.want(r.pathFilestatGet([]uint64{temp, 0, 5001, 1, 1000}), Success)
	if a, m := get(r.mem.Bytes[1040:], 8), get(r.mem.Bytes[1048:], 8); a != 7 || m != math.MaxInt64 {
		t.Errorf("its times are %d and %d", a, m)
	}
	before := uint64(time.Now().UnixNano())
	r.want(r.pathFilestatSetTimes([]uint64{temp, 0, 5001, 1, 0, 0, setMtimeNow}), Success)
	r.want(r.pathFilestatGet([]uint64{temp, 0, 5001, 1, 1000}), Success)
	if a, m := get(r.mem.Bytes[1040:], 8), get(r.mem.Bytes[1048:], 8); a != 7 || m < before {
		t.Errorf("its times are %d and %d", a, m)
	}
	r.want(r.pathFilestatSetTimes([]uint64{temp, 0, 5000, 1, 0, 0, 0}), errNoent)
	r.want(r.pathRemoveDirectory([]uint64{temp, 5001, 1}), errNotdir)
	r.want(r.pathUnlinkFile([]uint64{temp, 5001, 1}), Success)
	r.want(r.pathUnlinkFile([]uint64{temp, 5001, 1}), errNoent)
	other, _ := newMemFS(t, 1<<20, 1<<30)
	r.fds[code].fs = other
	r.want(r.pathRename([]uint64{temp, 5000, 1, code, 5001, 1}), errXdev)
}

func TestCodeDirectoriesAreListed(t *testing.T) {
	r := both(t)
	r.want(r.fdReaddir([]uint64{code, 1000, 1000, 0, 100}), Success)
	b, found := r.mem.Bytes[1000:1000+r.u32(100)], map[string]Type{}
	for len(b) > 0 {
		n := direntSize + int(get(b[16:], 4))
		found[string(b[direntSize:n])], b = Type(b[20]), b[n:]
	}
	for name, kind := range map[string]Type{".": TypeDir, "..": TypeDir, "d": TypeDir, "main.wasm": TypeRegular, "link": TypeSymlink} {
		if found[name] != kind {
			t.Errorf("%s is of the kind %d", name, found[name])
		}
	}
	r.want(r.fdReaddir([]uint64{code, 1000, 1000, math.MaxUint64, 100}), Success)
	if r.u32(100) != 0 {
		t.Error("there is something at the last cookie")
	}
	r.want(r.fdReaddir([]uint64{code, 65530, 1000, 0, 100}), errFault)
	f, errno := r.Mounts[0].FS.Open("main.wasm", How{Read: true})
	r.want(errno, Success)
	defer f.Close()
	if _, errno := f.Entries(); errno != errNotdir {
		t.Errorf("the entries of a file: %d", errno)
	}
}

func TestStreamsAreClosedAndMoved(t *testing.T) {
	r := both(t)
	var out, errs strings.Builder
	r.Stdout, r.Stderr = &out, &errs
	r.want(r.write(1, "out"), Success)
	r.want(r.write(2, "err"), Success)
	r.want(r.fdFdstatSetFlags([]uint64{1, flagAppend}), Success)
	if out.String() != "out" || errs.String() != "err" || streams[1].flags != 0 {
		t.Errorf("wrote %q and %q; the flags of all guests are %d", out.String(), errs.String(), streams[1].flags)
	}
	r.want(r.fdRenumber([]uint64{2, 1}), Success)
	r.want(r.write(1, "moved"), Success)
	r.want(r.write(2, "gone"), errBadf)
	if errs.String() != "errmoved" {
		t.Errorf("wrote %q", errs.String())
	}
	r.want(r.fdRenumber([]uint64{1, 1}), Success)
	r.want(r.fdRenumber([]uint64{1, 99}), errBadf)
	r.want(r.fdRenumber([]uint64{99, 1}), errBadf)
	r.want(r.fdClose([]uint64{99}), errBadf)
	r.want(r.fdClose([]uint64{code}), Success)
	_, errno := r.openFile(code, "main.wasm", 0, rightRead, 0)
	r.want(errno, errBadf)
	r.Close()
	r.Stdout = full{}
	r.want(r.write(1, "x"), errFbig)
	if _, errno := r.openFile(code, "main.wasm", 0, rightRead, 0); errno != Success {
		t.Errorf("the next guest finds its code: %d", errno)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestClocksAndEntropy(t *testing.T) {
	r := both(t)
	last := uint64(0)
	for clock := range uint64(clockLast + 1) {
		r.want(r.clockResGet([]uint64{clock, 100}), Success)
		r.want(r.clockTimeGet([]uint64{clock, 0, 100}), Success)
		if now := get(r.mem.Bytes[100:], 8); clock > clockMonotonic && now < last || now == 0 {
			t.Errorf("clock %d says %d after %d", clock, now, last)
		} else if clock > 0 {
			last = now
		}
	}
	r.want(r.clockResGet([]uint64{clockLast + 1, 100}), errInval)
	r.want(r.clockTimeGet([]uint64{clockLast + 1, 0, 100}), errInval)
	r.want(r.clockTimeGet([]uint64{0, 0, 65530}), errFault)
	r.want(r.randomGet([]uint64{1000, 32}), Success)
	r.want(r.randomGet([]uint64{1032, 32}), Success)
	if a, b := string(r.mem.Bytes[1000:1032]), string(r.mem.Bytes[1032:1064]); a == b {
		t.Error("the same entropy twice")
	}
	r.want(r.schedYield(nil), Success)
	r.Args = []string{"main"}
	r.want(r.argsSizesGet([]uint64{0, 4}), Success)
	r.want(r.argsGet([]uint64{8, 16}), Success)
	if r.u32(0) != 1 || r.u32(4) != 5 || r.u32(8) != 16 || string(r.mem.Bytes[16:21]) != "main\x00" {
		t.Errorf("%d arguments of %d bytes", r.u32(0), r.u32(4))
	}
	r.want(r.argsSizesGet([]uint64{65535, 4}), errFault)
	r.want(r.argsGet([]uint64{65535, 16}), errFault)
}

func TestPollRefusesWhatItDoesNotKnow(t *testing.T) {
	r := both(t)
	for name, change := range map[string]func(b []byte){
		"a kind":  func(b []byte) { b[8] = 9 },
		"a clock": func(b []byte) { b[16] = clockLast + 1 },
		"a flag":  func(b []byte) { b[40] = 2 },
	} {
		r.subscribe(0, 1, 0, 0)
		change(r.mem.Bytes[:subscriptionSize])
		if errno := r.pollOneoff([]uint64{0, 1000, 1, 100}); errno != errInval {
			t.Errorf("%s: %d", name, errno)
		}
	}
	r.want(r.pollOneoff([]uint64{65530, 1000, 1, 100}), errFault)
	r.want(r.pollOneoff([]uint64{0, 65530, 1, 100}), errFault)
	r.subscribe(0, 1, 0, 0)
	r.mem.Bytes[8] = onFDWrite
	r.set32(16, 77) // no such descriptor
	r.want(r.pollOneoff([]uint64{0, 1000, 1, 100}), Success)
	if Errno(binary.LittleEndian.Uint16(r.mem.Bytes[1008:])) != errBadf {
		t.Error("a descriptor that is not there is ready")
	}
	r.set32(16, code)
	r.want(r.pollOneoff([]uint64{0, 1000, 1, 100}), Success)
	r.subscribe(0, 1, 0, 0) // events over the subscriptions
	r.want(r.pollOneoff([]uint64{0, 0, 1, 100}), Success)
}
