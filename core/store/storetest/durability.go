package storetest

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/invoke"
)

// storeOneOfEach stores a record of every kind.
func storeOneOfEach(t testing.TB, s Store) {
	t.Helper()
	ctx := context.Background()
	fillTricky(t, s)
	must(t, s.Identity().Update(ctx, func(tx identity.Tx) error { return tx.PutUser(&identity.User{Name: "ada"}) }))
	must(t, s.Identity().Update(ctx, func(tx identity.Tx) error { return tx.PutToken(&identity.Token{ID: "t1"}) }))
	must(t, s.Audit().Append(ctx, audit.Entry{ID: "01"}, audit.Entry{ID: "02"}))
	must(t, s.Totals().SaveTotals(ctx, []invoke.Totals{{Function: "a", Born: born, Invocations: 3}}))
}

func wantOneOfEach(t testing.TB, s Store) {
	t.Helper()
	sorted := slices.Sorted(slices.Values(tricky))
	must(t, s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		wantRecords(t, r, "", sorted)
		return nil
	}))
	users, tokens := identities(t, s)
	totals, err := s.Totals().LoadTotals(context.Background())
	must(t, err)
	if f, ids := functionNames(t, s), auditIDs(t, s, "", 0); !slices.Equal(f, sorted) || !slices.Equal(ids, []string{"02", "01"}) ||
		!slices.Equal(users, []string{"ada"}) || !slices.Equal(tokens, []string{"t1"}) || len(totals) != 1 || totals[0].Invocations != 3 {
		t.Errorf("functions %q, audit %q, users %q, tokens %q, totals %+v", f, ids, users, tokens, totals)
	}
}

func reopenKeepsEverything(t *testing.T, s Subject) {
	dir := t.TempDir()
	first := s.start(t, dir)
	storeOneOfEach(t, first)
	must(t, first.Stop(context.Background()))
	for range 3 {
		again := s.start(t, dir)
		wantOneOfEach(t, again)
		must(t, again.Stop(context.Background()))
	}
}

// crashKeepsWhatWasAnswered opens a copy of a store that was never closed, as a
// process finds it that comes after one that was killed.
func crashKeepsWhatWasAnswered(t *testing.T, s Subject) {
	dir, crashed := t.TempDir(), t.TempDir()
	first := s.start(t, dir)
	storeOneOfEach(t, first)
	copyDir(t, dir, crashed)
	second := s.start(t, crashed)
	wantOneOfEach(t, second)
	must(t, second.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		return tx.PutFunction(&function.Function{Name: "after"})
	}))
	if got := functionNames(t, second); len(got) != len(tricky)+1 {
		t.Errorf("after the crash: %q", got)
	}
}

// copyDir copies files and leaves holes where they hold zeros: logs of
// databases are long and almost empty.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	files, err := os.ReadDir(from)
	must(t, err)
	for _, f := range files {
		copySparse(t, filepath.Join(from, f.Name()), filepath.Join(to, f.Name()))
	}
}

func copySparse(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.Create(to)
	must(t, err)
	defer out.Close()
	buf, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	at := int64(0)
	for {
		n, err := io.ReadFull(in, buf)
		if n > 0 && !bytes.Equal(buf[:n], zeros[:n]) {
			_, werr := out.WriteAt(buf[:n], at)
			must(t, werr)
		}
		at += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		must(t, err)
	}
	must(t, out.Truncate(at))
}
