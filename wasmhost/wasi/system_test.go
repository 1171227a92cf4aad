package wasi

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/experimental/wazerotest"
)

// rig is a System over a memory of its own.
type rig struct {
	*System
	t   *testing.T
	mem *wazerotest.Memory
}

func newRig(t *testing.T) *rig {
	m, _ := newMemFS(t, 1<<20, 1<<30)
	s := &System{Mounts: []Mount{{"/tmp", m}}}
	t.Cleanup(s.Close)
	r := &rig{System: s, t: t, mem: wazerotest.NewFixedMemory(64 << 10)}
	s.mem = r.mem
	return r
}

func (r *rig) u32(at int) uint32 { return binary.LittleEndian.Uint32(r.mem.Bytes[at:]) }

func (r *rig) set32(at int, values ...uint32) {
	for i, v := range values {
		binary.LittleEndian.PutUint32(r.mem.Bytes[at+4*i:], v)
	}
}

func (r *rig) want(errno, want Errno) {
	r.t.Helper()
	if errno != want {
		r.t.Fatalf("the errno is %d, want %d", errno, want)
	}
}

// create makes a file below the first mount and returns its descriptor.
func (r *rig) create(name string) uint64 {
	r.t.Helper()
	copy(r.mem.Bytes[5000:], name)
	r.want(r.pathOpen([]uint64{3, 0, 5000, uint64(len(name)), openCreate, rightRead | rightWrite, 0, 0, 6000}), Success)
	return uint64(r.u32(6000))
}

func TestBuffersMustLieWithinMemory(t *testing.T) {
	r := newRig(t)
	var out bytes.Buffer
	r.Stdout = &out
	copy(r.mem.Bytes[1000:], "hello world")
	r.set32(0, 1000, 5, 1005, 6)
	r.want(r.fdWrite([]uint64{1, 0, 2, 100}), Success)
	if out.String() != "hello world" || r.u32(100) != 11 {
		t.Errorf("wrote %q, told %d", out.String(), r.u32(100))
	}
	r.set32(0, 65530, 100)
	r.want(r.fdWrite([]uint64{1, 0, 1, 100}), errFault)
	r.want(r.fdWrite([]uint64{1, 65530, 1, 100}), errFault)
	r.want(r.fdWrite([]uint64{1, 0, maxVectors + 1, 100}), errInval)
	r.set32(0, 1000, 5)
	r.want(r.fdWrite([]uint64{0, 0, 1, 100}), errBadf)
	r.want(r.fdRead([]uint64{1, 0, 1, 100}), errBadf)
	r.want(r.fdWrite([]uint64{77, 0, 1, 100}), errBadf)
	r.want(r.randomGet([]uint64{65530, 100}), errFault)
	r.want(r.pollOneoff([]uint64{0, 0, 0xffffffff, 0}), errInval)
	r.want(r.pollOneoff([]uint64{0, 0, 0, 0}), errInval)
}

// TestNumbersHaveTheirLow32Bits is about what the engine may leave above them.
func TestNumbersHaveTheirLow32Bits(t *testing.T) {
	r := newRig(t)
	const dirt = 0xdead << 32
	r.Stdin = []byte("abc")
	r.set32(0, 1000, 10)
	r.want(r.fdRead([]uint64{dirt, dirt, dirt | 1, dirt | 100}), Success)
	if r.u32(100) != 3 || string(r.mem.Bytes[1000:1003]) != "abc" {
		t.Errorf("read %d bytes", r.u32(100))
	}
	fd := r.create("file")
	r.want(r.fdClose([]uint64{dirt | fd}), Success)
	r.want(r.fdClose([]uint64{fd}), errBadf)
}

func TestDescriptorsAreBounded(t *testing.T) {
	r := newRig(t)
	first := r.create("file")
	for range maxOpen - 5 {
		r.create("file")
	}
	copy(r.mem.Bytes[5000:], "file")
	r.want(r.pathOpen([]uint64{3, 0, 5000, 4, 0, rightRead, 0, 0, 6000}), errMfile)
	r.want(r.fdClose([]uint64{first}), Success)
	if got := r.create("file"); got != first {
		t.Errorf("the lowest free number is %d, got %d", first, got)
	}
	r.want(r.fdRenumber([]uint64{first, 1}), Success)
	r.want(r.fdTell([]uint64{1, 100}), Success)
	r.want(r.fdTell([]uint64{first, 100}), errBadf)
}

func TestDirectoriesAreListedInPieces(t *testing.T) {
	r := newRig(t)
	names := []string{".", "..", "a", "bb", "ccc"}
	for _, name := range names[2:] {
		r.create(name)
	}
	var got []string
	for cookie := uint64(0); ; {
		const size = 60
		r.want(r.fdReaddir([]uint64{3, 1000, size, cookie, 100}), Success)
		b := r.mem.Bytes[1000 : 1000+r.u32(100)]
		full := len(b) == size
		for len(b) >= direntSize && len(b) >= direntSize+int(get(b[16:], 4)) {
			n := direntSize + int(get(b[16:], 4))
			got, cookie = append(got, string(b[direntSize:n])), get(b, 8)
			b = b[n:]
		}
		if !full {
			break
		}
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("listed %q", got)
	}
}

func TestEnvironmentIsWrittenAsPointersAndText(t *testing.T) {
	r := newRig(t)
	r.Environ = []string{"A=1"}
	r.Extra = func() []string { return []string{"BB=22"} }
	r.want(r.environSizesGet([]uint64{0, 4}), Success)
	r.want(r.environGet([]uint64{100, 200}), Success)
	if r.u32(0) != 2 || r.u32(4) != 10 || r.u32(100) != 200 || r.u32(104) != 204 || string(r.mem.Bytes[200:210]) != "A=1\x00BB=22\x00" {
		t.Errorf("got %d strings of %d bytes: %q", r.u32(0), r.u32(4), r.mem.Bytes[200:210])
	}
	r.want(r.environGet([]uint64{100, 65530}), errFault)
}

// subscribe writes a subscription to a clock.
func (r *rig) subscribe(at int, user byte, d time.Duration, absolute uint32) {
	clear(r.mem.Bytes[at : at+subscriptionSize])
	r.mem.Bytes[at], r.mem.Bytes[at+8] = user, onClock
	r.set32(at+16, clockMonotonic)
	binary.LittleEndian.PutUint64(r.mem.Bytes[at+24:], uint64(d))
	r.set32(at+40, absolute)
}

func TestPollWaitsForTheFirstClock(t *testing.T) {
	r := newRig(t)
	r.subscribe(0, 1, time.Hour, 0)
	r.subscribe(subscriptionSize, 2, time.Millisecond, 0)
	begin := time.Now()
	r.want(r.pollOneoff([]uint64{0, 1000, 2, 100}), Success)
	if r.u32(100) != 1 || r.mem.Bytes[1000] != 2 || time.Since(begin) < time.Millisecond {
		t.Errorf("%d events, the first of %d", r.u32(100), r.mem.Bytes[1000])
	}
	r.subscribe(0, 3, 1, 1) // long past
	r.want(r.pollOneoff([]uint64{0, 1000, 1, 100}), Success)
	if r.u32(100) != 1 || r.mem.Bytes[1000] != 3 {
		t.Error("an absolute time that has passed is no event")
	}
	r.subscribe(0, 4, time.Hour, 0)
	r.mem.Bytes[subscriptionSize], r.mem.Bytes[subscriptionSize+8] = 5, onFDRead
	r.set32(subscriptionSize+16, 0)
	r.want(r.pollOneoff([]uint64{0, 1000, 2, 100}), Success)
	if r.u32(100) != 1 || r.mem.Bytes[1000] != 5 || r.mem.Bytes[1010] != onFDRead {
		t.Error("standard input was not ready at once")
	}
}

func TestASleepEndsWithTheInvocation(t *testing.T) {
	r := newRig(t)
	done := make(chan struct{})
	close(done)
	r.Done = done
	r.subscribe(0, 1, time.Hour, 0)
	defer func() {
		if recover() == nil {
			t.Error("the guest goes on as if it had slept")
		}
	}()
	r.pollOneoff([]uint64{0, 1000, 1, 100})
}

func TestMountsTellTheirNames(t *testing.T) {
	r := newRig(t)
	r.want(r.fdPrestatGet([]uint64{3, 0}), Success)
	if r.u32(0) != 0 || r.u32(4) != 4 {
		t.Errorf("kind %d, %d bytes", r.u32(0), r.u32(4))
	}
	r.want(r.fdPrestatDirName([]uint64{3, 10, 4}), Success)
	if string(r.mem.Bytes[10:14]) != "/tmp" {
		t.Errorf("named %q", r.mem.Bytes[10:14])
	}
	r.want(r.fdPrestatDirName([]uint64{3, 10, 3}), errNametoolong)
	r.want(r.fdPrestatGet([]uint64{4, 0}), errBadf)
	r.want(r.fdPrestatGet([]uint64{0, 0}), errBadf)
}

func TestStreamsDoNotSeek(t *testing.T) {
	r := newRig(t)
	for fd := range uint64(3) {
		r.want(r.fdSeek([]uint64{fd, 0, 0, 0}), errSpipe)
		r.want(r.fdFdstatGet([]uint64{fd, 1000}), Success)
		if rights := get(r.mem.Bytes[1008:], 8); Type(r.mem.Bytes[1000]) != TypeUnknown || rights&rightSeek != 0 {
			t.Errorf("descriptor %d is of the kind %d with the rights %b", fd, r.mem.Bytes[1000], rights)
		}
	}
	r.want(r.notSocket([]uint64{0}), errNotsock)
}
