package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore keeps entries in the order of Append.
type fakeStore struct {
	mu      sync.Mutex
	entries []Entry
	appends int
	trims   []int
	fail    error         // refuses Append
	block   chan struct{} // where set, Append waits until it is closed
	entered chan struct{} // where set, told when Append begins
}

func (f *fakeStore) Append(ctx context.Context, entries ...Entry) error {
	if f.entered != nil {
		f.entered <- struct{}{}
	}
	if f.block != nil {
		<-f.block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.appends++
	if err := errors.Join(f.fail, ctx.Err()); err != nil {
		return err
	}
	f.entries = append(f.entries, entries...)
	return nil
}

func (f *fakeStore) Each(_ context.Context, cursor string, fn func(Entry) error) error {
	f.mu.Lock()
	newest := slices.Clone(f.entries)
	f.mu.Unlock()
	slices.Reverse(newest)
	for _, e := range newest {
		if cursor != "" && e.ID >= cursor {
			continue
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeStore) Trim(_ context.Context, keep int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trims = append(f.trims, len(f.entries))
	f.entries = f.entries[max(len(f.entries)-keep, 0):]
	return nil
}

func newLog(store Store, keep int) *Log { return New(store, keep, slog.New(slog.DiscardHandler)) }

func record(t testing.TB, l *Log, e Entry) {
	t.Helper()
	if err := l.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func wantOrdered(t *testing.T, entries []Entry) {
	t.Helper()
	for i := 1; i < len(entries); i++ {
		if entries[i-1].ID >= entries[i].ID {
			t.Fatalf("id %s is not before %s", entries[i-1].ID, entries[i].ID)
		}
	}
}

func TestRecordGivesIDAndTime(t *testing.T) {
	store := &fakeStore{}
	record(t, newLog(store, 0), Entry{ID: "mine", Actor: "ada", Action: "function.create", Target: "function/x", Result: "ok"})
	e := store.entries[0]
	if e.ID == "mine" || e.Time.IsZero() || e.Time.Location() != time.UTC || e.Actor != "ada" || e.Target != "function/x" {
		t.Errorf("stored %+v", e)
	}
}

func TestIDsAreUniqueAndInOrderOfWritingUnderConcurrency(t *testing.T) {
	store := &fakeStore{}
	l := newLog(store, 0)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 50 {
				record(t, l, Entry{})
			}
		})
	}
	wg.Wait()
	if len(store.entries) != 1000 {
		t.Fatalf("%d entries", len(store.entries))
	}
	wantOrdered(t, store.entries)
}

func TestIDsGoOnWhenTheClockStandsOrStepsBack(t *testing.T) {
	store := &fakeStore{}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := newLog(store, 0)
	l.now = func() time.Time { return now }
	record(t, l, Entry{})
	record(t, l, Entry{})
	now = now.Add(-time.Hour)
	record(t, l, Entry{})
	restarted := newLog(store, 0)
	restarted.now = func() time.Time { return now.Add(-time.Hour) }
	record(t, restarted, Entry{})
	wantOrdered(t, store.entries)
	if !store.entries[2].Time.Equal(now) {
		t.Errorf("the time is %v, the clock said %v", store.entries[2].Time, now)
	}
}

func TestEntriesThatWaitAreWrittenTogether(t *testing.T) {
	store := &fakeStore{block: make(chan struct{}), entered: make(chan struct{}, 100)}
	l := newLog(store, 0)
	var wg sync.WaitGroup
	wg.Go(func() { record(t, l, Entry{}) })
	<-store.entered
	var queued []*batch
	for range 20 {
		queued = append(queued, l.enqueue(Entry{}))
	}
	wg.Go(func() { record(t, l, Entry{}) })
	close(store.block)
	wg.Wait()
	if store.appends != 2 || len(store.entries) != 22 {
		t.Errorf("%d writes of %d entries, want 2 of 22", store.appends, len(store.entries))
	}
	if !queued[19].written {
		t.Error("the batch does not know that it is written")
	}
}

func TestFailedWriteIsReturnedAndLogged(t *testing.T) {
	var out bytes.Buffer
	disk := errors.New("disk full")
	store := &fakeStore{fail: disk}
	l := New(store, 0, slog.New(slog.NewTextHandler(&out, nil)))
	err := l.Record(t.Context(), Entry{Actor: "ada", Action: "user.delete", Target: "user/bob", Result: "ok"})
	if !errors.Is(err, disk) {
		t.Errorf("returned %v", err)
	}
	for _, want := range []string{"level=ERROR", "ada", "user.delete", "user/bob", "disk full"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %q: %s", want, out.String())
		}
	}
	store.fail = nil
	record(t, l, Entry{})
	if len(store.entries) != 1 {
		t.Errorf("after the failure %d entries", len(store.entries))
	}
}

func TestCallerWhoGoesAwayIsNotedAllTheSame(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store := &fakeStore{}
	if err := newLog(store, 0).Record(ctx, Entry{}); err != nil || len(store.entries) != 1 {
		t.Errorf("%d entries, %v", len(store.entries), err)
	}
}

func TestTrimKeepsTheNewestInBatches(t *testing.T) {
	store := &fakeStore{}
	l := newLog(store, 100)
	for i := range 350 {
		record(t, l, Entry{Actor: fmt.Sprint(i)})
		if len(store.entries) > 110 {
			t.Fatalf("%d entries are kept", len(store.entries))
		}
	}
	if n := len(store.trims); n < 30 || n > 40 {
		t.Errorf("%d trims for 350 entries", n)
	}
	if last := store.entries[len(store.entries)-1].Actor; last != "349" {
		t.Errorf("the newest is %s", last)
	}
}

func TestFirstRecordTrimsWhatAnEarlierRunLeft(t *testing.T) {
	store := &fakeStore{}
	before := newLog(store, 1000)
	for range 500 {
		record(t, before, Entry{})
	}
	record(t, newLog(store, 10), Entry{})
	if len(store.entries) != 10 {
		t.Errorf("%d entries are left", len(store.entries))
	}
}

func TestDamagedNewestIDIsReported(t *testing.T) {
	store := &fakeStore{entries: []Entry{{ID: "zzz"}}}
	if err := newLog(store, 0).Record(t.Context(), Entry{}); err == nil {
		t.Error("ids would start anywhere")
	}
}

func TestLongValuesAreCut(t *testing.T) {
	store := &fakeStore{}
	details := map[string]string{"note": strings.Repeat("é", maxText)}
	for i := range 2 * maxDetails {
		details[fmt.Sprint(i)] = ""
	}
	long := strings.Repeat("é", maxText)
	record(t, newLog(store, 0), Entry{Actor: "x" + long, Target: "\xff", Details: details})
	e := store.entries[0]
	if len(e.Actor) > maxText+8 || !utf8.ValidString(e.Actor) || !utf8.ValidString(e.Target) || len(e.Details) != maxDetails {
		t.Errorf("stored %+v", e)
	}
	if details["note"] != long {
		t.Error("the caller's map was changed")
	}
}

func TestListFiltersAndPages(t *testing.T) {
	store := &fakeStore{}
	base := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := newLog(store, 0)
	for i := range 6 {
		l.now = func() time.Time { return base.Add(time.Duration(i) * time.Minute) }
		record(t, l, Entry{Actor: []string{"ada", "bob"}[i%2], Target: fmt.Sprint(i)})
	}
	for name, tc := range map[string]struct {
		query Query
		pages []string // targets of each page
	}{
		"all":            {Query{}, []string{"543210"}},
		"pages":          {Query{Limit: 4}, []string{"5432", "10"}},
		"exact page":     {Query{Limit: 3}, []string{"543", "210"}},
		"actor":          {Query{Actor: "ada", Limit: 2}, []string{"42", "0"}},
		"unknown actor":  {Query{Actor: "eve"}, []string{""}},
		"since":          {Query{Since: base.Add(4 * time.Minute)}, []string{"54"}},
		"since, paged":   {Query{Since: base.Add(3 * time.Minute), Limit: 2}, []string{"54", "3"}},
		"since tomorrow": {Query{Since: base.AddDate(0, 0, 1)}, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			var pages []string
			for q, more := tc.query, true; more; more = q.Cursor != "" {
				entries, next, err := l.List(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				page := ""
				for _, e := range entries {
					page += e.Target
				}
				pages = append(pages, page)
				q.Cursor = next
			}
			if !slices.Equal(pages, tc.pages) {
				t.Errorf("pages %q, want %q", pages, tc.pages)
			}
		})
	}
}

func TestListBoundsItsWork(t *testing.T) {
	store := &fakeStore{}
	for i := range maxScan + 5 {
		store.entries = append(store.entries, Entry{ID: formatID(int64(i + 1)), Actor: "bob"})
	}
	store.entries[0].Actor = "ada"
	l := newLog(store, 0)
	entries, next, err := l.List(t.Context(), Query{Actor: "ada"})
	if err != nil || len(entries) != 0 || next == "" {
		t.Fatalf("first page %v, next %q, %v", entries, next, err)
	}
	entries, next, err = l.List(t.Context(), Query{Actor: "ada", Cursor: next})
	if err != nil || len(entries) != 1 || next != "" {
		t.Fatalf("second page %v, next %q, %v", entries, next, err)
	}
	all, _, err := l.List(t.Context(), Query{Limit: 10 * maxLimit})
	if err != nil || len(all) != maxLimit {
		t.Errorf("%d entries in a page, %v", len(all), err)
	}
}

func TestListRefusesBadCursors(t *testing.T) {
	for _, cursor := range []string{"x", "1", strings.Repeat("f", 16), strings.Repeat("0", 16), "00000000000000AB", "-000000000000001"} {
		if _, _, err := newLog(&fakeStore{}, 0).List(t.Context(), Query{Cursor: cursor}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}
