package artifact

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// judge says whether an archive would be stored.
func judge(t *testing.T, b []byte, lim limits) error {
	t.Helper()
	a, err := openArchive(bytes.NewReader(b), int64(len(b)), lim)
	if err == nil {
		_, err = a.extract(t.Context(), discard{})
	}
	return err
}

var contract = limits{unpacked: MaxUnpacked, files: MaxFiles}

func TestNamesAreTakenOrRefusedAsTheyStand(t *testing.T) {
	long := strings.Repeat("d/", maxPath/2)
	for name, takes := range map[string]bool{
		"a": true, "a/b/c": true, "./a": true, "a//b": true, "...": true, "..a": true, "a..": true, ".hidden": true, " ": true, "~": true,
		"é": true, "e\u0301": true, "日本/語": true, "ab:c": true, "con": true, "a\u202eb": true, long[:maxPath-1] + "x": true,
		"..": false, "a/..": false, "a/../b": false, "../a": false, "/a": false, "//a": false, "/": false, "": false, ".": false, "./": true, "d/": true, "d//": true, "/d/": false, "d/../": false,
		`a\b`: false, `..\a`: false, `\\host\share`: false, "C:a": false, "a:b": false, "c:/a": false, `C:\a`: false,
		"a\x00b": false, "a\nb": false, "a\x7fb": false, "a\u0085b": false, "\xff": false, "a\xc3": false, long + "x": false,
	} {
		err := judge(t, zipOf(t, item{name: name}, item{name: "other"}), contract)
		if (err == nil) != takes {
			t.Errorf("%.60q: %v", name, err)
		}
		if err != nil {
			wantRefusal(t, err)
		}
	}
}

func TestNamesThatDifferAreDifferentFiles(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	b := put(t, s, zipOf(t, item{name: "A", body: "1"}, item{name: "a", body: "2"}, item{name: "é", body: "3"}, item{name: "e\u0301", body: "4"}))
	tree := open(t, s, b.SHA256)
	defer tree.Release()
	for name, want := range map[string]string{"A": "1", "a": "2", "é": "3", "e\u0301": "4"} {
		if got, err := os.ReadFile(filepath.Join(tree.Dir(), name)); string(got) != want {
			t.Errorf("%q holds %q, %v", name, got, err)
		}
	}
}

func TestLinksAreFollowedOnNamesAlone(t *testing.T) {
	link := func(name, target string) item { return item{name, target, fs.ModeSymlink | 0o777} }
	chain := func(n int) (items []item) {
		for i := range n {
			items = append(items, link(fmt.Sprintf("l%03d", i), fmt.Sprintf("l%03d", i+1)))
		}
		return append(items, item{name: fmt.Sprintf("l%03d", n), body: "x"})
	}
	for _, c := range []struct {
		name  string
		items []item
		takes bool
	}{
		{"to a file", []item{{name: "d/f"}, link("l", "d/f")}, true},
		{"up and down again", []item{{name: "f"}, link("d/l", "../f")}, true},
		{"to nothing", []item{link("l", "nothing")}, true},
		{"to the top", []item{link("d/l", "..")}, true},
		{"through a link", []item{{name: "d/f"}, link("l", "d"), link("m", "l/f")}, true},
		{"as long as the system follows", chain(maxHops), true},
		{"longer than that", chain(maxHops + 1), false},
		{"out", []item{link("l", "..")}, false},
		{"out and in", []item{link("d/l", "../../d/f")}, false},
		{"out by a name that is not there", []item{link("l", "nothing/../../f")}, false},
		{"out by a link to the top", []item{link("d/top", ".."), link("l", "d/top/..")}, false},
		{"out by a link that comes later", []item{link("a", "z/.."), link("z", "d"), {name: "d/f"}}, true},
		{"out by a link that goes up", []item{link("a", "d/z/../.."), link("d/z", "../e"), {name: "e/f"}}, false},
		{"to itself", []item{link("l", "l")}, false},
		{"to itself by a directory", []item{link("d/l", "../d/l/x")}, false},
		{"absolute", []item{link("l", "/")}, false},
		{"to no name", []item{link("l", "")}, false},
		{"to a NUL", []item{link("l", "a\x00b")}, false},
		{"not UTF-8", []item{link("l", "\xff")}, false},
		{"with an entry below it", []item{link("l", "d"), {name: "l/f"}}, false},
		{"with an entry before it that is below it", []item{{name: "l/f"}, link("l", "d")}, false},
		{"over a directory", []item{{name: "l/", mode: fs.ModeDir}, link("l", "d")}, false},
		{"over a file", []item{{name: "l"}, link("l", "d")}, false},
		{"with a longer target than the system reads", []item{link("l", strings.Repeat("./", maxTarget/2)+"x")}, false},
	} {
		if err := judge(t, zipOf(t, c.items...), contract); (err == nil) != c.takes {
			t.Errorf("a link %s: %v", c.name, err)
		}
	}
}

// TestLinksDoNotKeepACoreBusy packs links of which each leads through
// thousands of others.
func TestLinksDoNotKeepACoreBusy(t *testing.T) {
	links := map[string]string{"a": "b", "b": "."}
	for i := range 9_000 {
		links[fmt.Sprintf("l%d", i)] = strings.Repeat("d/", 400) + strings.Repeat("x/../", 600) + "y"
	}
	begin := time.Now()
	err := checkLinks(links)
	wantRefusal(t, err)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v to refuse them", took)
	}
	honest := map[string]string{}
	for i := range MaxFiles {
		honest[fmt.Sprintf("node_modules/.bin/l%d", i)] = fmt.Sprintf("../some-package-%d/dist/bin/cli.js", i)
	}
	if err := checkLinks(honest); err != nil {
		t.Errorf("10,000 ordinary links: %v", err)
	}
}

func TestNamesThatImplyManyDirectories(t *testing.T) {
	var items []item
	for i := range 200 {
		items = append(items, item{name: fmt.Sprintf("%d", i) + strings.Repeat("/d", 500) + "/", mode: fs.ModeDir})
	}
	items = append(items, item{name: "f"})
	b := zipOf(t, items...)
	a := &archive{limits: contract, dirs: map[string]struct{}{}}
	zr, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range zr.File {
		if err := a.add(f); err != nil {
			t.Fatal(err)
		}
	}
	wantRefusal(t, a.checkTree())
	if len(a.dirs) > MaxFiles+maxPath/2 {
		t.Errorf("%d directories were noted before it was refused", len(a.dirs))
	}
}

func TestManyFilesAtTheLimit(t *testing.T) {
	for n, takes := range map[int]bool{MaxFiles: true, MaxFiles + 1: false, 2*MaxFiles + 1: false} {
		items := make([]item, n)
		for i := range items {
			items[i].name = fmt.Sprint(i)
		}
		if err := judge(t, zipOf(t, items...), contract); (err == nil) != takes {
			t.Errorf("%d files: %v", n, err)
		}
	}
}

// stored makes an archive of one file of zeros that is not compressed.
func stored(t *testing.T, size int64) (prefix, suffix []byte, zeros int64) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "f", Method: zip.Store, CompressedSize64: uint64(size), UncompressedSize64: uint64(size)}
	h.CRC32 = crcOfZeros(size)
	if _, err := z.CreateRaw(h); err != nil {
		t.Fatal(err)
	}
	if err := z.Flush(); err != nil {
		t.Fatal(err)
	}
	head := b.Len()
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	all := b.Bytes()
	end := bytes.LastIndex(all, endSignature)
	at := binary.LittleEndian.Uint32(all[end+16:])
	binary.LittleEndian.PutUint32(all[end+16:], at+uint32(size))
	return all[:head], all[head:], size
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestPackedSizeAtTheLimit(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	prefix, suffix, _ := stored(t, 0)
	room := int64(MaxPacked - len(prefix) - len(suffix))
	for over, takes := range map[int64]bool{0: true, 1: false} {
		prefix, suffix, zeros := stored(t, room+over)
		r := io.MultiReader(bytes.NewReader(prefix), io.LimitReader(zeroReader{}, zeros), bytes.NewReader(suffix))
		b, err := s.Put(t.Context(), r, 0)
		if (err == nil) != takes || takes && b.Size != MaxPacked || !takes && !fault.Is(err, fault.TooLarge) {
			t.Errorf("%d bytes over the limit: %+v, %v", over, b, err)
		}
	}
}

// TestUnpackedSizeAtTheLimit stores without compression, which is what takes
// the time.
func TestUnpackedSizeAtTheLimit(t *testing.T) {
	for over, takes := range map[int64]bool{0: true, 1: false} {
		prefix, suffix, zeros := stored(t, MaxUnpacked+over)
		b := slices.Concat(prefix, make([]byte, zeros), suffix)
		if err := judge(t, b, contract); (err == nil) != takes {
			t.Errorf("%d bytes over the limit: %v", over, err)
		}
	}
}

// lying is an archive whose central directory is changed.
func lying(t *testing.T, change func(record []byte)) []byte {
	t.Helper()
	b := zipOf(t, item{name: "a", body: strings.Repeat("x", 1000)})
	change(b[bytes.Index(b, recordSignature):])
	return b
}

func TestSizesThatLieAreNotBelieved(t *testing.T) {
	le := binary.LittleEndian
	for name, change := range map[string]func([]byte){
		"a smaller file":             func(r []byte) { le.PutUint32(r[24:], 10) },
		"a larger file":              func(r []byte) { le.PutUint32(r[24:], 2000) },
		"less data":                  func(r []byte) { le.PutUint32(r[20:], 3) },
		"more data":                  func(r []byte) { le.PutUint32(r[20:], 1<<30) },
		"data up to the end of all":  func(r []byte) { le.PutUint32(r[20:], 1<<32-2) },
		"a header beyond the end":    func(r []byte) { le.PutUint32(r[42:], 1<<31) },
		"another checksum":           func(r []byte) { r[16]++ },
		"another compression":        func(r []byte) { r[10] = 12 },
		"stored where it was packed": func(r []byte) { r[10] = 0 },
		"encryption":                 func(r []byte) { r[8] |= 1 },
		"strong encryption":          func(r []byte) { r[8] |= 1 << 6 },
		"a hidden header":            func(r []byte) { r[9] |= 1 << 5 },
		"a longer name":              func(r []byte) { le.PutUint16(r[28:], 60000) },
		"a longer comment":           func(r []byte) { le.PutUint16(r[32:], 60000) },
	} {
		if err := judge(t, lying(t, change), contract); err == nil {
			t.Errorf("%s is taken", name)
		} else {
			wantRefusal(t, err)
		}
	}
}

func TestEveryCutArchiveIsRefused(t *testing.T) {
	b := zipOf(t, item{name: "a/b", body: "hello"}, item{"l", "a/b", fs.ModeSymlink})
	for n := range len(b) {
		if err := judge(t, b[:n], contract); err == nil {
			t.Errorf("the first %d of %d bytes are taken", n, len(b))
		}
	}
}

// with64 puts ZIP64 records behind a directory, of which one may lie.
func with64(b []byte, size, offset, locator uint64) []byte {
	le := binary.LittleEndian
	end := bytes.LastIndex(b, endSignature)
	r := make([]byte, end64Size)
	copy(r, end64Signature)
	le.PutUint64(r[4:], 44)
	le.PutUint64(r[24:], 1)
	le.PutUint64(r[32:], 1)
	le.PutUint64(r[40:], size)
	le.PutUint64(r[48:], offset)
	copy(r[56:], locatorSignature)
	le.PutUint64(r[64:], locator)
	le.PutUint32(r[72:], 1)
	all := append(bytes.Clone(b[:end]), r...)
	return append(all, b[end:]...)
}

// TestTheDirectoryThatIsCheckedIsTheOneThatIsRead hides a second archive where
// ZIP64 records lead to.
func TestTheDirectoryThatIsCheckedIsTheOneThatIsRead(t *testing.T) {
	b := zipOf(t, item{name: "a", body: "hello"})
	dir, end := bytes.Index(b, recordSignature), bytes.LastIndex(b, endSignature)
	size, at := uint64(end-dir), uint64(dir)
	for name, c := range map[string]struct {
		b     []byte
		takes bool
	}{
		"the same":           {with64(b, size, at, uint64(end)), true},
		"another size":       {with64(b, size+1, at, uint64(end)), false},
		"another place":      {with64(b, size, at-1, uint64(end)), false},
		"records elsewhere":  {with64(b, size, at, 0), false},
		"an end without gap": {hidden(t), false},
	} {
		for _, count := range []uint16{1, 0xffff} {
			all := bytes.Clone(c.b)
			le := binary.LittleEndian
			last := bytes.LastIndex(all, endSignature)
			le.PutUint16(all[last+8:], count)
			le.PutUint16(all[last+10:], count)
			if err := judge(t, all, contract); (err == nil) != c.takes {
				t.Errorf("%s, %d files in the end record: %v", name, count, err)
			}
		}
	}
}

// hidden is an archive whose last comment is a locator of ZIP64 records that
// lie in a file: there is no gap, and yet the reader would go there.
func hidden(t *testing.T) []byte {
	t.Helper()
	inner := with64(zipOf(t, item{name: "../evil", body: "x"}), 0, 0, 0)
	records := inner[bytes.LastIndex(inner, end64Signature):]
	locator := make([]byte, locatorSize)
	copy(locator, locatorSignature)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "a", Method: zip.Store, Comment: string(locator)})
	if err != nil {
		t.Fatal(err)
	}
	w.Write(records)
	if err := z.Close(); err != nil { // a comment with zeros is one
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDeletingWhileUnpackingLeavesNoTree(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	b := put(t, s, zipOf(t, item{name: "a", body: "a"}))
	if err := s.Delete(t.Context(), b.SHA256); err != nil {
		t.Fatal(err)
	}
	// What an unpacking that began before the deletion comes to.
	dir, err := os.MkdirTemp(s.trees, unfinished)
	if err != nil {
		t.Fatal(err)
	}
	if s.cache.add(&unpacked{sha: b.SHA256, kind: KindZip, dir: dir, bytes: 1}, s.stored(b.SHA256)) {
		t.Error("the tree of a deleted bundle is kept")
	}
	if _, err := s.Open(t.Context(), b.SHA256); !fault.Is(err, fault.NotFound) {
		t.Errorf("opened after deletion: %v", err)
	}
}

// TestEvictionUnderLoad opens and reads many bundles while the cache is too
// small for two of them and all are deleted and stored again.
func TestEvictionUnderLoad(t *testing.T) {
	s := started(t, t.TempDir(), 1000)
	var codes [][]byte
	var shas []string
	for i := range 6 {
		codes = append(codes, zipOf(t, item{name: "d/f", body: strings.Repeat(fmt.Sprint(i), 600)}))
		shas = append(shas, put(t, s, codes[i]).SHA256)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 30 {
				k := (g*5 + i) % len(codes)
				switch tree, err := s.Open(context.Background(), shas[k]); {
				case err == nil:
					got, err := os.ReadFile(filepath.Join(tree.Dir(), "d/f"))
					if err != nil || string(got) != strings.Repeat(fmt.Sprint(k), 600) {
						t.Errorf("in use: %.20q, %v", got, err)
					}
					tree.Release()
				case !fault.Is(err, fault.NotFound):
					t.Error(err)
				}
				if i%10 == g {
					if err := s.Delete(context.Background(), shas[k]); err != nil {
						t.Error(err)
					}
					put(t, s, codes[k])
				}
			}
		})
	}
	wg.Wait()
	left, err := os.ReadDir(s.trees)
	if err != nil || len(left) != len(s.cache.trees) || s.cache.bytes > 1000 {
		t.Errorf("%d trees on disk, %d known, %d bytes of them idle: %v", len(left), len(s.cache.trees), s.cache.bytes, err)
	}
}

func TestUploadsThatCannotBeStored(t *testing.T) {
	dir := t.TempDir()
	s := started(t, dir, 0)
	code := zipOf(t, item{name: "a", body: "a"})
	sha := put(t, s, code).SHA256
	if err := s.Delete(t.Context(), sha); err != nil {
		t.Fatal(err)
	}
	// A file where the shard's directory must be: what is stored is nothing.
	shard := filepath.Dir(s.path(sha))
	if err := os.Remove(shard); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(shard, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), bytes.NewReader(code), 0); !fault.Is(err, fault.Internal) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(s.tmp); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
	if err := os.Remove(shard); err != nil {
		t.Fatal(err)
	}
	// A directory where the file must be: the rename fails.
	if err := os.MkdirAll(filepath.Join(s.path(sha), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), bytes.NewReader(code), 0); !fault.Is(err, fault.Internal) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(s.tmp); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
	if err := os.RemoveAll(s.path(sha)); err != nil {
		t.Fatal(err)
	}
	put(t, s, code)
	open(t, s, sha).Release()
}

type failing struct{ after io.Reader }

func (f failing) Read(p []byte) (int, error) {
	if n, err := f.after.Read(p); err == nil {
		return n, nil
	}
	return 0, io.ErrUnexpectedEOF
}

func TestUploadsThatBreakOffLeaveNothing(t *testing.T) {
	s := started(t, t.TempDir(), 0)
	code := zipOf(t, item{name: "a", body: "a"})
	if _, err := s.Put(t.Context(), failing{bytes.NewReader(code[:20])}, 0); err == nil || !strings.Contains(err.Error(), "read the upload") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, bytes.NewReader(code), 0); err == nil {
		t.Error("it was stored for nobody")
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("it left %v, %v", all, err)
	}
	if left, _ := os.ReadDir(s.tmp); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}

// crcOfZeros is the checksum of so many zeros.
func crcOfZeros(n int64) uint32 {
	h := crc32.NewIEEE()
	io.CopyN(h, zeroReader{}, n)
	return h.Sum32()
}
