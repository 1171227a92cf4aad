package audit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	defaultLimit = 50
	maxLimit     = 500
	// maxScan bounds the work of one page: a filter may match next to nothing.
	maxScan = 10_000
)

// Query selects entries. The zero value means the newest 50.
type Query struct {
	Since  time.Time // only entries from then on; zero means all
	Actor  string    // only this actor's; empty means everybody's
	Limit  int       // at most so many, 0 means 50, more than 500 means 500
	Cursor string    // from the List before; empty starts with the newest
}

// List returns entries, newest first, and the cursor of the following page, ""
// where there is none. A page may hold fewer entries than the limit, even none,
// and still have a following one. Fault: Invalid for a malformed cursor.
func (l *Log) List(ctx context.Context, q Query) (entries []Entry, next string, err error) {
	if q.Cursor != "" {
		if _, err := parseID(q.Cursor); err != nil {
			return nil, "", err
		}
	}
	p := page{query: q, limit: defaultLimit}
	if q.Limit > 0 {
		p.limit = min(q.Limit, maxLimit)
	}
	err = l.store.Each(ctx, q.Cursor, p.take)
	switch {
	case errors.Is(err, errEnough):
		return p.entries, p.next, nil
	case err != nil:
		return nil, "", fmt.Errorf("list audit entries: %w", err)
	default:
		return p.entries, "", nil
	}
}

// page collects the entries of one List.
type page struct {
	query   Query
	limit   int
	scanned int
	last    string // id seen last
	entries []Entry
	next    string
}

// take sees one entry after the other, newest first. It stops at the one after
// the page, so that a last page is known to be the last.
func (p *page) take(e Entry) error {
	if len(p.entries) == p.limit || p.scanned == maxScan {
		p.next = p.last
		return errEnough
	}
	// The id never runs behind the time, even where the clock went back, so
	// nothing older can follow.
	if !p.query.Since.IsZero() && e.ID < formatID(max(p.query.Since.UnixNano(), 0)) {
		return errEnough
	}
	p.scanned++
	p.last = e.ID
	if !e.Time.Before(p.query.Since) && (p.query.Actor == "" || e.Actor == p.query.Actor) {
		p.entries = append(p.entries, e)
	}
	return nil
}
