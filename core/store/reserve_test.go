package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// disk is a file system whose free space the test sets, and a clock.
type disk struct {
	mu    sync.Mutex
	space int64
	err   error
	asked int
	time  time.Time
}

func (d *disk) free() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return d.space, d.err
}

func (d *disk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.time
}

// set changes the disk, and lets the time pass after which it is asked again.
func (d *disk) set(space int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.space, d.err, d.time = space, err, d.time.Add(2*freeMaxAge)
}

func newDisk(space int64) *disk { return &disk{space: space, time: time.Unix(1000, 0)} }

func TestWritesStopAtTheReserveAndGoOnByThemselves(t *testing.T) {
	d := newDisk(1 << 30)
	s := started(t, Options{Dir: t.TempDir(), Reserve: 100 << 20, free: d.free, Now: d.now})
	ctx := context.Background()
	must(t, s.update(ctx, put("a", 10)))
	d.set(99<<20, nil)
	before := s.Stats()
	wantFault(t, s.update(ctx, put("b", 10)), fault.Exhausted, fault.ReasonDiskReserve)
	wantFault(t, s.Ready(), fault.Exhausted, fault.ReasonDiskReserve)
	if after := s.Stats(); after.Commits != before.Commits || after.WritesReady {
		t.Errorf("figures %+v", after)
	}
	if get(t, s, append(prefixOf(kindFunction), 'a')) == "" || get(t, s, append(prefixOf(kindFunction), 'b')) != "" {
		t.Error("reading is wrong, or the refused request was written")
	}
	must(t, s.update(ctx, func(*tx) error { return nil })) // writes nothing
	d.set(101<<20, nil)
	must(t, s.update(ctx, put("b", 10)))
	must(t, s.Ready())
}

func TestDeletingMayUseHalfTheReserve(t *testing.T) {
	d := newDisk(1 << 30)
	s := started(t, Options{Dir: t.TempDir(), Reserve: 100 << 20, free: d.free, Now: d.now})
	ctx := context.Background()
	key := append(prefixOf(kindFunction), 'a')
	remove := func(t *tx) error { t.delete(key); return nil }
	must(t, s.update(ctx, put("a", 10)))
	d.set(49<<20, nil)
	wantFault(t, s.update(ctx, remove), fault.Exhausted, fault.ReasonDiskReserve)
	d.set(60<<20, nil)
	must(t, s.update(ctx, remove))
	if get(t, s, key) != "" {
		t.Error("it is still there")
	}
}

func TestAFullDiskIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	d := newDisk(10 << 20)
	s := New(Options{Dir: dir, free: d.free, Now: d.now})
	wantFault(t, s.Start(context.Background()), fault.Exhausted, fault.ReasonDiskReserve)
	d.set(1<<30, nil)
	must(t, s.Start(context.Background())) // a start that failed may be tried again
	stop(t, s)
}

func TestFreeSpaceIsNotAskedForEachRequest(t *testing.T) {
	d := newDisk(1 << 30)
	r := &reserve{want: 100 << 20, free: d.free, now: d.now, log: slog.New(slog.DiscardHandler)}
	for range 1000 {
		must(t, r.check(false))
		r.wrote(1 << 10)
	}
	if d.asked != 1 {
		t.Errorf("asked %d times within a second", d.asked)
	}
	if left := r.left(); left != 1<<30-1000<<10 {
		t.Errorf("%d left: what was written is not taken off", left)
	}
	for range 10 {
		r.wrote(freeMaxBytes)
		must(t, r.check(false))
	}
	if d.asked != 11 {
		t.Errorf("asked %d times after much was written", d.asked)
	}
}

func TestUnknownFreeSpaceStopsNobody(t *testing.T) {
	var lines bytes.Buffer
	d := newDisk(1 << 30)
	r := &reserve{want: 100 << 20, free: d.free, now: d.now, log: slog.New(slog.NewTextHandler(&lines, nil))}
	must(t, r.check(false))
	d.set(0, errors.New("no such device"))
	for range 3 {
		must(t, r.check(false))
		d.set(0, d.err)
	}
	if n := strings.Count(lines.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, lines.String())
	}
}

func TestTheReserveIsLoggedOnceEachWay(t *testing.T) {
	var lines bytes.Buffer
	d := newDisk(1 << 30)
	r := &reserve{want: 100 << 20, free: d.free, now: d.now, log: slog.New(slog.NewTextHandler(&lines, nil))}
	for _, space := range []int64{1 << 30, 1 << 20, 2 << 20, 1 << 30, 1 << 30} {
		d.set(space, nil)
		_ = r.check(false)
	}
	if n := strings.Count(lines.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, lines.String())
	}
}

func TestFreeSpaceOfThisDisk(t *testing.T) {
	if free, err := freeSpace(t.TempDir())(); err != nil || free <= 0 {
		t.Errorf("%d, %v", free, err)
	}
	if _, err := freeSpace("/nowhere/at/all")(); err == nil {
		t.Error("a directory that is not there has free space")
	}
	if DefaultReserve < 200<<20 || DefaultReserve > 400<<20 {
		t.Errorf("the default reserve is %d MiB", DefaultReserve>>20)
	}
}
