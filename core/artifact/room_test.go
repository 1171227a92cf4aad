package artifact

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

// crowded returns a store on a disk with so many free bytes, from which what
// is written into the store's directory is taken.
func crowded(t *testing.T, reserve, size int64) *Store {
	t.Helper()
	dir := t.TempDir()
	s := started(t, dir, 0)
	s.room.reserve = reserve
	s.room.free = func() int64 {
		used := int64(0)
		_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
			if err == nil && info.Mode().IsRegular() {
				used += info.Size()
			}
			return nil
		})
		return size - used
	}
	return s
}

func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return string(b)
}

func TestCodeLeavesTheReserveFree(t *testing.T) {
	const reserve = 100 << 20
	code := zipOf(t, item{name: "a", body: noise(9 << 20)}, item{name: "b", body: noise(1 << 20)})
	for free, want := range map[int64]struct{ put, open bool }{
		3 << 20:  {false, false}, // not even a first step
		8 << 20:  {false, false}, // ends while it is being received
		16 << 20: {true, false},  // ends while it is being unpacked
		40 << 20: {true, true},
	} {
		t.Run(fmt.Sprintf("%d MiB above it", free>>20), func(t *testing.T) {
			s := crowded(t, reserve, reserve+free)
			b, err := s.Put(context.Background(), bytes.NewReader(code), 0)
			wantRoom(t, "put", err, want.put)
			if err != nil {
				nothingIn(t, s.tmp)
				return
			}
			tree, err := s.Open(context.Background(), b.SHA256)
			wantRoom(t, "open", err, want.open)
			if err != nil {
				nothingIn(t, s.trees)
				return
			}
			tree.Release()
		})
	}
}

func wantRoom(t *testing.T, what string, err error, room bool) {
	t.Helper()
	if room && err != nil || !room && !(fault.Is(err, fault.Exhausted) && fault.HasReason(err, fault.ReasonDiskReserve)) {
		t.Errorf("%s: %v", what, err)
	}
}

func nothingIn(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v in %s: %v", left, dir, err)
	}
}

func TestManySmallFilesTakeRoomToo(t *testing.T) {
	r := &ration{room: &room{reserve: 1, free: func() int64 { return 0 }}, left: 2 * objectSize}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	d := &directory{root: root, ration: *r}
	if err := d.dir("d"); err != nil {
		t.Error(err)
	}
	f, err := d.file("d/empty", false)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	_, err = d.file("d/too much", false)
	wantRoom(t, "a file", err, false)
	wantRoom(t, "a directory", d.dir("e"), false)
}

func TestUnknownRoomStopsNobody(t *testing.T) {
	r := room{reserve: 1 << 40, free: func() int64 { return -1 }}
	if err := r.check(); err != nil {
		t.Error(err)
	}
	if free := freeSpace(t.TempDir())(); free <= 0 {
		t.Errorf("%d bytes are free", free)
	}
	if free := freeSpace("/no/such/place")(); free >= 0 {
		t.Errorf("%d bytes are free nowhere", free)
	}
}

// TestTreeThatCameTooLateIsRemoved: while code is unpacked, its bundle may be
// deleted and stored again, which brings a tree in use back.
func TestTreeThatCameTooLateIsRemoved(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	sha := put(t, s, zipOf(t, item{name: "a", body: "a"})).SHA256
	first := open(t, s, sha)
	defer first.Release()
	if err := s.unpack(context.Background(), sha); err != nil {
		t.Fatal(err)
	}
	if trees, err := os.ReadDir(s.trees); err != nil || len(trees) != 1 {
		t.Errorf("trees %v, %v", trees, err)
	}
}
