package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// DefaultKeep is the number of entries that stay where nothing else is said.
const DefaultKeep = 100_000

// Log records entries in order and bounds how many stay. It may be used by many
// goroutines.
//
// A change is noted after it was made, and it stands even if its note fails: to
// undo something that was made durable could fail as well, and would leave more
// in doubt than a missing line. The failure is returned and logged, with the
// entry in the log's record, so that the line is not lost altogether. A store
// that takes no writes refuses the change itself first.
//
// Locks: write is taken before mu.
type Log struct {
	store Store
	keep  int
	log   *slog.Logger
	now   func() time.Time

	mu   sync.Mutex
	next *batch // collects entries while another batch is written; nil if none wait

	write     sync.Mutex // one batch at a time; guards what follows
	last      int64      // newest id given out; 0 before the first
	sinceTrim int        // entries written since the last trim
	trimEvery int        // how many may be written before the next
}

// batch is entries that become durable together.
type batch struct {
	entries []Entry
	written bool // guarded by Log.write, like err
	err     error
}

// New returns a Log that keeps the newest entries, about keep of them (up to a
// tenth more); 0 means DefaultKeep. It does nothing until the first Record.
func New(store Store, keep int, log *slog.Logger) *Log {
	if keep <= 0 {
		keep = DefaultKeep
	}
	return &Log{store: store, keep: keep, log: log, now: time.Now, trimEvery: min(max(keep/10, 1), 1000)}
}

// Record gives the entry an id and a time and returns when it is durable. A
// caller who goes away does not stop it. Entries that come while others are
// written go into one write. Values are cut to a sane length. The error is for
// the caller to see; it has been logged.
func (l *Log) Record(ctx context.Context, e Entry) error {
	e = clip(e)
	b := l.enqueue(e)
	l.write.Lock()
	defer l.write.Unlock()
	if !b.written {
		l.flush(context.WithoutCancel(ctx), b)
	}
	if b.err != nil {
		l.log.Error("audit entry was not stored", "action", e.Action, "actor", e.Actor, "target", e.Target,
			"result", e.Result, "remote", e.Remote, "error", b.err)
		return fmt.Errorf("record %s of %s: %w", e.Action, e.Target, b.err)
	}
	return nil
}

// enqueue adds the entry to the batch that waits. Whoever gets the right to
// write first writes it for all.
func (l *Log) enqueue(e Entry) *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = &batch{}
	}
	l.next.entries = append(l.next.entries, e)
	return l.next
}

// flush writes the batch that waits, which is b. The caller holds l.write.
func (l *Log) flush(ctx context.Context, b *batch) {
	l.mu.Lock()
	l.next = nil
	l.mu.Unlock()
	b.written = true
	if b.err = l.stamp(ctx, b.entries); b.err != nil {
		return
	}
	if b.err = l.store.Append(ctx, b.entries...); b.err != nil {
		return
	}
	l.trim(ctx, len(b.entries))
}

// stamp gives ids and times. An id is the time in nanoseconds, or one more than
// the id before where the clock stands still or went back: ids are unique and
// their order is that of writing, also over a restart.
func (l *Log) stamp(ctx context.Context, entries []Entry) error {
	if err := l.resume(ctx); err != nil {
		return err
	}
	for i := range entries {
		now := l.now().UTC()
		l.last = max(l.last+1, now.UnixNano())
		entries[i].ID, entries[i].Time = formatID(l.last), now
	}
	return nil
}

var errEnough = errors.New("enough")

// resume finds the newest id of the run before, once.
func (l *Log) resume(ctx context.Context) error {
	if l.last != 0 {
		return nil
	}
	err := l.store.Each(ctx, "", func(e Entry) (err error) {
		if l.last, err = parseID(e.ID); err != nil {
			return fmt.Errorf("read the newest audit entry: %w", err)
		}
		return errEnough
	})
	l.sinceTrim = l.trimEvery // how many there are is not known, so trim soon
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// trim deletes old entries in batches, so that not every entry costs a second
// write. A failure harms nobody now, and the next entry tries again.
func (l *Log) trim(ctx context.Context, written int) {
	l.sinceTrim += written
	if l.sinceTrim < l.trimEvery {
		return
	}
	if err := l.store.Trim(ctx, l.keep); err != nil {
		l.log.Warn("old audit entries were not deleted", "error", err)
		return
	}
	l.sinceTrim = 0
}

// idDigits fits every positive int64 in hexadecimal, so that ids sort as text.
const idDigits = 16

func formatID(n int64) string { return fmt.Sprintf("%0*x", idDigits, n) }

func parseID(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 16, 64)
	if err != nil || len(s) != idDigits || n <= 0 || s != strings.ToLower(s) {
		return 0, fault.New(fault.Invalid, "audit_cursor", "%q is no id of an audit entry", s)
	}
	return n, nil
}

const (
	maxText    = 256 // bytes of one value
	maxDetails = 32
)

// clip bounds what callers from outside can put into an entry, e.g. as the user
// name of a refused login. An entry must not be refused for its length.
func clip(e Entry) Entry {
	for _, s := range []*string{&e.Actor, &e.Action, &e.Target, &e.Result, &e.Remote} {
		*s = clipText(*s)
	}
	if len(e.Details) == 0 {
		return e
	}
	details := make(map[string]string, min(len(e.Details), maxDetails))
	for k, v := range e.Details {
		if len(details) == maxDetails {
			break
		}
		details[clipText(k)] = clipText(v)
	}
	e.Details = details // the caller keeps their own
	return e
}

func clipText(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
