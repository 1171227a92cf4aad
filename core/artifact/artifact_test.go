package artifact

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func started(t *testing.T, dir string, cacheBytes int64) *Store {
	t.Helper()
	s := New(dir, Options{CacheBytes: cacheBytes})
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
		_ = removeTree(dir)
	})
	return s
}

type item struct {
	name, body string
	mode       fs.FileMode
}

func zipOf(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, it := range items {
		h := &zip.FileHeader{Name: it.name, Method: zip.Deflate}
		h.SetMode(it.mode | 0o644)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, it.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t *testing.T, s *Store, b []byte) Bundle {
	t.Helper()
	bundle, err := s.Put(context.Background(), bytes.NewReader(b), 0)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func open(t *testing.T, s *Store, sha string) *Tree {
	t.Helper()
	tree, err := s.Open(context.Background(), sha)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestPutThenOpenGivesTheFiles(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	b := put(t, s, zipOf(t, item{name: "a/b.js", body: "hello"}, item{name: "run", body: "x", mode: 0o755}, item{"l", "a/b.js", fs.ModeSymlink | 0o777}))
	if b.Kind != KindZip || b.Files != 3 || b.Unpacked != 12 {
		t.Errorf("bundle %+v", b)
	}
	tree := open(t, s, b.SHA256)
	defer tree.Release()
	got, err := os.ReadFile(filepath.Join(tree.Dir(), "l"))
	if err != nil || string(got) != "hello" {
		t.Fatalf("through the link: %q, %v", got, err)
	}
	for name, want := range map[string]fs.FileMode{"a/b.js": 0o444, "run": 0o555, "a": 0o555 | fs.ModeDir} {
		if fi, err := os.Stat(filepath.Join(tree.Dir(), name)); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v, %v", name, fi.Mode(), err)
		}
	}
}

func TestBareModuleIsMainWasm(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	code := "\x00asm\x01\x00\x00\x00"
	b := put(t, s, []byte(code))
	tree := open(t, s, b.SHA256)
	defer tree.Release()
	got, err := os.ReadFile(filepath.Join(tree.Dir(), WasmFile))
	if err != nil || string(got) != code || tree.Kind() != KindWasm {
		t.Fatalf("%q %v %v", got, tree.Kind(), err)
	}
}

func TestPutRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"an escape":           zipOf(t, item{name: "../x", body: "x"}),
		"an absolute name":    zipOf(t, item{name: "/x", body: "x"}),
		"a backslash":         zipOf(t, item{name: `a\x`, body: "x"}),
		"a drive":             zipOf(t, item{name: `C:x`, body: "x"}),
		"a name twice":        zipOf(t, item{name: "x"}, item{name: "./x"}),
		"file and directory":  zipOf(t, item{name: "x"}, item{name: "x/y"}),
		"a link out":          zipOf(t, item{"l", "../etc", fs.ModeSymlink}),
		"a link out by links": zipOf(t, item{"d/l", "..", fs.ModeSymlink}, item{"m", "d/l/../x", fs.ModeSymlink}),
		"an absolute link":    zipOf(t, item{"l", "/etc/passwd", fs.ModeSymlink}),
		"a circle":            zipOf(t, item{"a", "b", fs.ModeSymlink}, item{"b", "a", fs.ModeSymlink}),
		"a device":            zipOf(t, item{"x", "", fs.ModeDevice}),
		"no files":            zipOf(t),
		"a bomb":              zipOf(t, item{name: "x", body: strings.Repeat("\x00", 40<<20)}),
		"bytes at the end":    append(zipOf(t, item{name: "x", body: "x"}), "more"...),
		"something else":      []byte("#!/bin/sh"),
		"nothing":             nil,
	} {
		dir := t.TempDir()
		s := started(t, dir, 0)
		_, err := s.Put(context.Background(), bytes.NewReader(b), 0)
		if !fault.HasReason(err, fault.ReasonInvalidCodePackage) {
			t.Errorf("%s: %v", name, err)
		}
		if all, err := s.List(context.Background()); err != nil || len(all) != 0 {
			t.Errorf("%s left %v, %v", name, all, err)
		}
		if left, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(left) != 0 {
			t.Errorf("%s left %v in tmp", name, left)
		}
	}
}

func TestPutStopsReadingAtTheLimit(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	body := zipOf(t, item{name: "x", body: "x"})
	if _, err := s.Put(context.Background(), bytes.NewReader(body), int64(len(body))); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := s.Put(context.Background(), bytes.NewReader(body), int64(len(body))-1); !fault.Is(err, fault.TooLarge) {
		t.Errorf("over the limit: %v", err)
	}
}

func TestDamagedCodeIsNeverServed(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	b := put(t, s, zipOf(t, item{name: "x", body: "x"}))
	path := s.path(b.SHA256)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(context.Background(), b.SHA256); !fault.HasReason(err, fault.ReasonBadBundle) {
		t.Errorf("Open: %v", err)
	}
	if _, _, err := s.Code(context.Background(), b.SHA256); !fault.HasReason(err, fault.ReasonBadBundle) {
		t.Errorf("Code: %v", err)
	}
	put(t, s, zipOf(t, item{name: "x", body: "x"})) // the same upload heals it
	open(t, s, b.SHA256).Release()
}

func TestEvictionSparesWhatIsInUse(t *testing.T) {
	s := started(t, t.TempDir(), 1)
	a := put(t, s, zipOf(t, item{name: "a", body: "aaaa"}))
	b := put(t, s, zipOf(t, item{name: "b", body: "bbbb"}))
	used := open(t, s, a.SHA256)
	other := open(t, s, b.SHA256)
	other.Release()
	if _, err := os.Stat(other.Dir()); !os.IsNotExist(err) {
		t.Errorf("the idle tree is still there: %v", err)
	}
	if _, err := os.Stat(used.Dir()); err != nil {
		t.Errorf("the tree in use is gone: %v", err)
	}
	used.Release()
	used.Release()
}

func TestDeletedTreeStaysUntilReleased(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	b := put(t, s, zipOf(t, item{name: "a", body: "a"}))
	tree := open(t, s, b.SHA256)
	if err := s.Delete(context.Background(), b.SHA256); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tree.Dir()); err != nil {
		t.Errorf("gone while in use: %v", err)
	}
	if _, err := s.Open(context.Background(), b.SHA256); !fault.Is(err, fault.NotFound) {
		t.Errorf("opened after deletion: %v", err)
	}
	tree.Release()
	if _, err := os.Stat(tree.Dir()); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}

func TestRestartTakesOverTreesAndSweepsLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := started(t, dir, 0)
	b := put(t, s, zipOf(t, item{name: "a", body: "a"}))
	first := open(t, s, b.SHA256)
	first.Release()
	for _, name := range []string{filepath.Join(s.trees, unfinished+"1"), filepath.Join(dir, "tmp", "put-1"), filepath.Join(dir, "trees", "earlier-boot")} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	again := started(t, dir, 0)
	second := open(t, again, b.SHA256)
	defer second.Release()
	if first.Dir() != second.Dir() {
		t.Errorf("unpacked again: %s, then %s", first.Dir(), second.Dir())
	}
	if left, _ := os.ReadDir(again.trees); len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
}

func TestOpenReleaseAndDeleteTogether(t *testing.T) {
	s := started(t, t.TempDir(), 1)
	code := zipOf(t, item{name: "a", body: "aaaa"})
	sha := put(t, s, code).SHA256
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 20 {
				if tree, err := s.Open(context.Background(), sha); err == nil {
					if got, err := os.ReadFile(filepath.Join(tree.Dir(), "a")); err != nil || string(got) != "aaaa" {
						t.Errorf("in use: %q, %v", got, err)
					}
					tree.Release()
				} else if !fault.Is(err, fault.NotFound) {
					t.Error(err)
				}
				if i%10 == 9 {
					if err := s.Delete(context.Background(), sha); err != nil {
						t.Error(err)
					}
					put(t, s, code)
				}
			}
		})
	}
	wg.Wait()
}

func TestStopEndsUnpackingThatNobodyWaitsFor(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	sha := put(t, s, zipOf(t, item{name: "a", body: "a"}, item{name: "b", body: "b"})).SHA256
	inside, leave := make(chan struct{}), make(chan struct{})
	s.room.reserve, s.room.free = 1, func() int64 {
		close(inside)
		<-leave
		return 1 << 40
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-inside; cancel() }()
	if _, err := s.Open(ctx, sha); !fault.Is(err, fault.Canceled) {
		t.Errorf("the caller who left: %v", err)
	}
	late, end := context.WithCancel(context.Background())
	end()
	if err := s.Stop(late); !fault.Is(err, fault.Timeout) {
		t.Errorf("stopped while code is being unpacked: %v", err)
	}
	close(leave)
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
	nothingIn(t, s.trees)
	if _, err := s.Open(context.Background(), sha); !fault.Is(err, fault.Unavailable) {
		t.Errorf("opened after stop: %v", err)
	}
}
