package artifact

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

// FuzzZip unpacks what the checks let through, and looks whether it kept to
// its directory and to its limits.
func FuzzZip(f *testing.F) {
	for _, items := range [][]item{
		{{name: "a/b.js", body: "hello"}, {name: "run", mode: 0o755}, {"l", "a/b.js", fs.ModeSymlink}},
		{{name: "../x"}}, {{name: "a/./b//c"}}, {{name: "x"}, {name: "x/y"}},
		{{"d/l", "..", fs.ModeSymlink}, {"m", "d/l/d/l", fs.ModeSymlink}, {"n", "m/m/..", fs.ModeSymlink}},
		{{name: "d/", mode: fs.ModeDir}, {name: "zeros", body: strings.Repeat("\x00", 5000)}},
	} {
		f.Add(zipOf(f, items...))
	}
	lim := limits{unpacked: 4096, files: 20}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := openArchive(bytes.NewReader(b), int64(len(b)), lim)
		if err != nil {
			wantRefusal(t, err)
			return
		}
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		total, err := a.extract(t.Context(), &directory{root: root, ration: ration{room: &room{}}})
		if err != nil {
			wantRefusal(t, err)
			return
		}
		if again, err := a.extract(t.Context(), discard{}); err != nil || again != total {
			t.Errorf("unpacked %d bytes, the check counted %d: %v", total, again, err)
		}
		keepsTo(t, dir, a, total, lim)
	})
}

func wantRefusal(t *testing.T, err error) {
	t.Helper()
	if !fault.Is(err, fault.Invalid) || !fault.HasReason(err, fault.ReasonInvalidCodePackage) {
		t.Errorf("refused with %v", err)
	}
}

// keepsTo checks an unpacked tree.
func keepsTo(t *testing.T, dir string, a *archive, total int64, lim limits) {
	t.Helper()
	files, bytes := 0, int64(0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		info, err := d.Info()
		if err != nil {
			return err
		}
		bytes += info.Size()
		if d.Type() == fs.ModeSymlink {
			leadsInside(t, dir, path)
		} else if !d.Type().IsRegular() {
			t.Errorf("%s is a %v", path, d.Type())
		}
		return nil
	})
	if err != nil || files != a.files || files > lim.files || bytes != total || bytes > lim.unpacked {
		t.Errorf("%d files of %d, %d bytes of %d: %v", files, a.files, bytes, total, err)
	}
}

// leadsInside follows a link as far as it goes, with the system's own eyes.
func leadsInside(t *testing.T, dir, link string) {
	t.Helper()
	to, err := filepath.EvalSymlinks(link)
	if err != nil {
		if !os.IsNotExist(err) && !strings.Contains(err.Error(), "not a directory") {
			t.Errorf("%s: %v", link, err)
		}
		return
	}
	if to != dir && !strings.HasPrefix(to, dir+string(filepath.Separator)) {
		t.Errorf("%s leads to %s", link, to)
	}
}

// TestZipsThatReadersWouldReadDifferently are refused, whatever they hold.
func TestZipsThatReadersWouldReadDifferently(t *testing.T) {
	good := zipOf(t, item{name: "a.txt", body: "hello"})
	directory := bytes.Index(good, recordSignature)
	end := bytes.LastIndex(good, endSignature)
	patched := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], to)
		return b
	}
	for name, b := range map[string][]byte{
		"bytes before it":            append([]byte("PK\x03\x04 something else"), good...),
		"a directory cut short":      append(bytes.Clone(good[:directory+20]), good[end:]...),
		"no end":                     good[:end],
		"an end cut short":           good[:len(good)-1],
		"a directory that is moved":  patched(end+16, 0, 0, 0, 0),
		"a record that is no record": patched(directory, 'P', 'K', 9, 9),
		"an encrypted entry":         patched(directory+8, 1),
		"an unknown method":          patched(directory+10, 99),
		"a wrong checksum":           patched(directory+16, 1, 2, 3, 4),
		"a header elsewhere":         patched(directory+42, 200),
	} {
		a, err := openArchive(bytes.NewReader(b), int64(len(b)), limits{unpacked: 1 << 20, files: 10})
		if err == nil {
			_, err = a.extract(t.Context(), discard{})
		}
		if err == nil {
			t.Errorf("%s is taken", name)
			continue
		}
		wantRefusal(t, err)
	}
}

func TestEntriesThatShareBytesAreRefused(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"a", "b"} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("same")); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	second := bytes.LastIndex(raw, recordSignature)
	copy(raw[second+42:], make([]byte, 4)) // the second lies where the first does
	_, err := openArchive(bytes.NewReader(raw), int64(len(raw)), limits{unpacked: 1 << 20, files: 10})
	wantRefusal(t, err)
}

// TestArchiveLimitsHoldAtTheirEdge uses small limits; those of a Store are the
// contract's.
func TestArchiveLimitsHoldAtTheirEdge(t *testing.T) {
	lim := limits{unpacked: 100, files: 3}
	for _, tc := range []struct {
		name  string
		items []item
		fits  bool
	}{
		{"bytes, just in", []item{{name: "a", body: strings.Repeat("x", 60)}, {name: "b", body: strings.Repeat("x", 40)}}, true},
		{"bytes, just out", []item{{name: "a", body: strings.Repeat("x", 60)}, {name: "b", body: strings.Repeat("x", 41)}}, false},
		{"files, just in", []item{{name: "a"}, {name: "b"}, {"c", "a", fs.ModeSymlink}}, true},
		{"files, just out", []item{{name: "a"}, {name: "b"}, {name: "c"}, {"d", "a", fs.ModeSymlink}}, false},
		{"directories, just in", []item{{name: "1/2/3/a"}}, true},
		{"directories, just out", []item{{name: "1/2/3/4/a"}}, false},
		{"part of a name, just in", []item{{name: strings.Repeat("n", maxName)}}, true},
		{"part of a name, just out", []item{{name: strings.Repeat("n", maxName+1)}}, false},
		{"target, just in", []item{{name: "a"}, {"l", strings.Repeat("./", 49) + "a", fs.ModeSymlink}}, true},
	} {
		b := zipOf(t, tc.items...)
		a, err := openArchive(bytes.NewReader(b), int64(len(b)), lim)
		if err == nil {
			_, err = a.extract(t.Context(), discard{})
		}
		if (err == nil) != tc.fits {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if s := New("", Options{}); s.limits != (limits{unpacked: 250 << 20, files: 10_000}) || MaxPacked != 50<<20 {
		t.Errorf("a store has the limits %+v and %d", s.limits, MaxPacked)
	}
}
