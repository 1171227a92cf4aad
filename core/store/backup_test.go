package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// backedUp returns the backup of a store of n functions, and one large value.
func backedUp(t testing.TB, n int) []byte {
	t.Helper()
	s := New(Options{Dir: t.TempDir()})
	must(t, s.Start(context.Background()))
	defer stop(t, s)
	fill(t, s.Catalog(), n)
	must(t, s.update(context.Background(), put("zz-large", 2*valueThreshold)))
	var out bytes.Buffer
	must(t, s.Backup(context.Background(), &out))
	return out.Bytes()
}

func TestRestoreMakesTheSameStore(t *testing.T) {
	backup := backedUp(t, 1500)
	empty := t.TempDir()
	for _, dir := range []string{empty, filepath.Join(t.TempDir(), "not", "there", "yet")} {
		must(t, Restore(context.Background(), dir, bytes.NewReader(backup)))
		s := started(t, Options{Dir: dir})
		if v := get(t, s, append(prefixOf(kindFunction), "zz-large"...)); len(v) != 2*valueThreshold {
			t.Errorf("the large value has %d bytes", len(v))
		}
		var again bytes.Buffer
		must(t, s.Backup(context.Background(), &again))
		if !bytes.Equal(again.Bytes(), backup) {
			t.Error("a backup of the restored store differs")
		}
	}
	wantOnly(t, filepath.Dir(empty), filepath.Base(empty))
}

// wantOnly finds no left-overs of a restore beside a directory.
func wantOnly(t testing.TB, parent, name string) {
	t.Helper()
	files, err := os.ReadDir(parent)
	must(t, err)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "."+name+".restore-") {
			t.Errorf("%s was left behind", f.Name())
		}
	}
}

func TestBackupIsOneStateWhileWritingGoesOn(t *testing.T) {
	s := started(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(context.Background())
	count := func(tx catalog.Tx) error {
		left, err := tx.Function("left")
		if err != nil {
			return err
		}
		n := uint64(1)
		if left != nil {
			n = left.Revision + 1
		}
		return errors.Join(tx.PutFunction(&function.Function{Name: "left", Revision: n}),
			tx.PutFunction(&function.Function{Name: "right", Revision: n}))
	}
	must(t, s.Catalog().Update(ctx, count))
	fill(t, s.Catalog(), 500) // sorts between the two
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_ = s.Catalog().Update(ctx, count)
		}
	})
	for range 3 {
		var out bytes.Buffer
		must(t, s.Backup(context.Background(), &out))
		wantEqualPair(t, out.Bytes())
	}
	cancel()
	wg.Wait()
}

func wantEqualPair(t *testing.T, backup []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	must(t, Restore(context.Background(), dir, bytes.NewReader(backup)))
	s := New(Options{Dir: dir})
	must(t, s.Start(context.Background()))
	defer stop(t, s)
	must(t, s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		left, err := r.Function("left")
		right, err2 := r.Function("right")
		if left == nil || right == nil || left.Revision != right.Revision {
			t.Errorf("half an update in the backup: %+v, %+v", left, right)
		}
		return errors.Join(err, err2)
	}))
}

func TestRestoreRefusesAndLeavesNothing(t *testing.T) {
	backup := backedUp(t, 50)
	changed := func(at int, to byte) []byte {
		b := bytes.Clone(backup)
		b[at] = to
		return b
	}
	for name, tc := range map[string]struct {
		in     []byte
		reason string
	}{
		"nothing":            {nil, "backup_foreign"},
		"another file":       {[]byte("PK\x03\x04 a ZIP archive, no backup"), "backup_foreign"},
		"a newer format":     {changed(9, 2), "backup_format"},
		"a newer schema":     {changed(13, 200), "schema_newer"},
		"the header alone":   {backup[:14], "backup_damaged"},
		"half of it":         {backup[:len(backup)/2], "backup_damaged"},
		"all but a byte":     {backup[:len(backup)-1], "backup_damaged"},
		"a changed value":    {changed(len(backup)/2, backup[len(backup)/2]^1), "backup_damaged"},
		"a changed checksum": {changed(len(backup)-1, backup[len(backup)-1]^1), "backup_damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			wantFault(t, Restore(context.Background(), dir, bytes.NewReader(tc.in)), fault.Invalid, tc.reason)
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Error("something was made")
			}
			wantOnly(t, filepath.Dir(dir), "store")
		})
	}
}

func TestRestoreKeepsWhatIsThere(t *testing.T) {
	backup := backedUp(t, 1)
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	must(t, os.WriteFile(mine, []byte("x"), 0o600))
	wantFault(t, Restore(context.Background(), dir, bytes.NewReader(backup)), fault.Conflict, "restore_not_empty")
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	// A file that comes while the restore runs is kept, too.
	late := filepath.Join(t.TempDir(), "late")
	in := io.MultiReader(bytes.NewReader(backup[:20]), readerFunc(func() {
		must(t, os.MkdirAll(late, 0o700))
		must(t, os.WriteFile(filepath.Join(late, "mine"), nil, 0o600))
	}), bytes.NewReader(backup[20:]))
	wantFault(t, Restore(context.Background(), late, in), fault.Conflict, "restore_not_empty")
}

// readerFunc runs when it is read, and is empty.
type readerFunc func()

func (f readerFunc) Read([]byte) (int, error) { f(); return 0, io.EOF }

func TestBackupAndRestoreEndEarly(t *testing.T) {
	s := started(t, Options{Dir: t.TempDir()})
	fill(t, s.Catalog(), 2000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	full := errors.New("no space left on the stick")
	if err := s.Backup(ctx, writerFunc(func([]byte) error { return full })); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
	err := s.Backup(ctx, writerFunc(func([]byte) error { cancel(); return nil }))
	if !fault.Is(err, fault.Canceled) {
		t.Errorf("a cancelled backup: %v", err)
	}
	if err := Restore(ctx, filepath.Join(t.TempDir(), "d"), bytes.NewReader(backedUp(t, 1))); !fault.Is(err, fault.Canceled) {
		t.Errorf("a cancelled restore: %v", err)
	}
	stopped := make(chan error, 1)
	err = s.Backup(context.Background(), writerFunc(func([]byte) error {
		if !s.isStopping() {
			go func() { stopped <- s.Stop(context.Background()) }()
			<-s.stopping
		}
		return nil
	}))
	wantFault(t, err, fault.Unavailable, "store_not_running")
	must(t, <-stopped)
}

type writerFunc func([]byte) error

func (f writerFunc) Write(p []byte) (int, error) { return len(p), f(p) }

func FuzzBackupReader(f *testing.F) {
	var whole bytes.Buffer
	w := &backupWriter{}
	writeSample(w, &whole)
	f.Add(whole.Bytes())
	f.Add([]byte(backupMagic + "\x00\x01\x00\x00\x00\x01\xff\xff\xff\xff\x0f\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newBackupReader(bytes.NewReader(in))
		if _, err := r.header(); err != nil {
			return
		}
		for {
			key, _, err := r.next()
			if err != nil && !fault.Is(err, fault.Invalid) {
				t.Fatalf("got %v", err)
			}
			if err != nil || key == nil {
				return
			}
			if key[0] != layout {
				t.Fatalf("took the key %q", key)
			}
		}
	})
}

func writeSample(w *backupWriter, out *bytes.Buffer) {
	*w = *newBackupWriter(out)
	w.header(1)
	for i := range 3 {
		_ = w.record(fmt.Appendf(prefixOf(kindFunction), "f%d", i), []byte("\x01{}"))
	}
	_ = w.end(out)
}
