package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// tree makes a directory: a name that ends in "*" is executable, a content
// that begins with "->" is a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		perm := fs.FileMode(0o640)
		if cut, ok := strings.CutSuffix(name, "*"); ok {
			name, perm = cut, 0o750
		}
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		err := os.WriteFile(full, []byte(content), perm)
		if to, ok := strings.CutPrefix(content, "->"); ok {
			err = errors.Join(os.Remove(full), os.Symlink(to, full))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// open returns a bundle and its bytes.
func open(t *testing.T, path string) (*Bundle, []byte) {
	t.Helper()
	b, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	data, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if b.Size != int64(len(data)) || b.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("size %d and sum %s are not those of the %d bytes", b.Size, b.SHA256, len(data))
	}
	return b, data
}

func entries(t *testing.T, data []byte) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		rc.Close()
		got[f.Name] = f.Mode().String() + " " + string(content)
	}
	return got
}

func TestDirectoriesAreArchivedWithLinksAndExecutableBits(t *testing.T) {
	b, data := open(t, tree(t, map[string]string{
		"index.js": "code", "bin/tool*": "#!", "node_modules/a/x.js": "dep", "link.js": "->index.js", "node_modules/.bin/t": "->../a/x.js",
		".git/HEAD": "ref", "sub/.git": "gitdir: x", ".gitignore": "x",
	}))
	want := map[string]string{
		"index.js": "-rw-r--r-- code", "bin/tool": "-rwxr-xr-x #!", "node_modules/a/x.js": "-rw-r--r-- dep",
		"link.js": "Lrwxrwxrwx index.js", "node_modules/.bin/t": "Lrwxrwxrwx ../a/x.js", ".gitignore": "-rw-r--r-- x",
	}
	got := entries(t, data)
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: got %q, want %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) || b.Kind != Zip || !slices.IsSorted(b.Names) {
		t.Errorf("got %v in the order %v", got, b.Names)
	}
}

func TestTheSameTreeGivesTheSameBytes(t *testing.T) {
	files := map[string]string{"a.js": "1", "b/c.js": "2", "b.js": "3", "run*": "4", "l": "->a.js"}
	one := tree(t, files)
	two := tree(t, files)
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(two, "a.js"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(two, "a.js"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, _ := open(t, one)
	second, _ := open(t, two)
	if first.SHA256 != second.SHA256 {
		t.Error("the sums differ")
	}
	if err := os.Chmod(filepath.Join(two, "a.js"), 0o755); err != nil {
		t.Fatal(err)
	}
	if third, _ := open(t, two); third.SHA256 == first.SHA256 {
		t.Error("the executable bit makes no difference")
	}
}

func TestTemporaryArchivesAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	b, err := Open(t.Context(), tree(t, map[string]string{"a": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestArchivesEndAtTheLimit(t *testing.T) {
	c := &capped{w: io.Discard, n: MaxPacked - 1}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Errorf("at the edge: %v", err)
	}
	if _, err := c.Write([]byte("x")); !fault.Is(err, fault.Invalid) || fault.Of(err).Remedy == "" {
		t.Errorf("over it: %v", err)
	}
}

func TestModulesAndArchivesStayAsTheyAre(t *testing.T) {
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for _, name := range []string{"dir/", "dir/main.wasm"} {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{"m": "\x00asm\x01\x00\x00\x00", "a": archive.String()})
	b, data := open(t, filepath.Join(dir, "m"))
	if b.Kind != Wasm || string(data) != "\x00asm\x01\x00\x00\x00" {
		t.Errorf("got %s, %q", b.Kind, data)
	}
	b, data = open(t, filepath.Join(dir, "a"))
	if b.Kind != Zip || !bytes.Equal(data, archive.Bytes()) || !slices.Equal(b.Names, []string{"dir/main.wasm"}) {
		t.Errorf("got %s, %q, %v", b.Kind, data, b.Names)
	}
	b.Close()
	if _, err := os.Stat(filepath.Join(dir, "a")); err != nil {
		t.Error("the user's own file was removed")
	}
}

func TestWhatCannotBeUploadedIsRefused(t *testing.T) {
	dir := tree(t, map[string]string{
		"text": "hello", "short": "x", "damaged.zip": "PK\x03\x04....", "empty/.git/x": "1",
		"out/l": "->../../secret", "abs/l": "->/etc/passwd", "bad/.skiffignore": "[", "bad/x": "1",
		"large.wasm": "\x00asm",
	})
	if err := os.Truncate(filepath.Join(dir, "large.wasm"), MaxPacked+1); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"missing": "no such file", "text": "neither a WebAssembly module", "short": "neither", "damaged.zip": "damaged",
		"empty": "no files", "out": "leads out of it", "abs": "leads out of it", "bad": "no pattern", "large.wasm": "50 MiB are allowed",
	} {
		b, err := Open(t.Context(), filepath.Join(dir, name))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || b != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Open(t.Context(), os.DevNull); !fault.Is(err, fault.Invalid) {
		t.Errorf("a device: %v", err)
	}
}

func TestLimitsHoldAtTheirEdges(t *testing.T) {
	full := tally{files: MaxFiles - 1, bytes: MaxUnpacked - 10}
	edge := full
	if err := edge.add("x", 10); err != nil {
		t.Errorf("at the edge: %v", err)
	}
	over := full
	if err := over.add("big", 11); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "big") {
		t.Errorf("bytes: %v", err)
	}
	if err := edge.add("x", 0); !fault.Is(err, fault.Invalid) || fault.Of(err).Remedy == "" {
		t.Errorf("files: %v", err)
	}
}

func TestTheContextEndsTheWork(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, tree(t, map[string]string{"a": "1"})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestIgnoreFile(t *testing.T) {
	rules, err := parseIgnore("# tests\n*.test.js\n/build/\nsrc/**/*.ts\n!src/keep.ts\n\nlogs/\n docs/*.md \n")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"a.test.js": true, "x/y/a.test.js": true, "a.js": false,
		"build/": true, "x/build/": false, "build": false,
		"src/a.ts": true, "src/x/y/a.ts": true, "src/keep.ts": false, "other/src/a.ts": false,
		"logs/": true, "x/logs/": true, "logs": false,
		"docs/a.md": true, "docs/x/a.md": false, "x/docs/a.md": false,
		".git/": true, "x/.git": true, ".skiffignore": true, ".github/": false,
	} {
		trimmed, dir := strings.CutSuffix(name, "/")
		if got := rules.covers(trimmed, dir); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	for _, bad := range []string{"[", "a//b", "/", "!"} {
		if _, err := parseIgnore(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestIgnoredDirectoriesAreNotEntered(t *testing.T) {
	_, data := open(t, tree(t, map[string]string{".skiffignore": "tmp/\n*.log\n!keep.log\n", "tmp/l": "->/abs", "a.log": "1", "keep.log": "2", "x/b.log": "3"}))
	if got := entries(t, data); len(got) != 1 || got["keep.log"] == "" {
		t.Errorf("got %v", got)
	}
}

func FuzzIgnore(f *testing.F) {
	f.Add("*.a\n!b/**/c\n", "b/x/c")
	f.Fuzz(func(t *testing.T, text, name string) {
		rules, err := parseIgnore(text)
		if err != nil {
			return
		}
		rules.covers(name, true)
	})
}
