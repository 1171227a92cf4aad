// Package audit keeps who changed what, when, and from where.
//
// It records changes and attempts to change that were refused; reads and
// invocations do not belong here.
package audit

import (
	"context"
	"time"
)

// Entry is one change.
type Entry struct {
	ID      string            `json:"id"` // sortable by time
	Time    time.Time         `json:"timestamp"`
	Actor   string            `json:"actor"`  // user name, or "system"
	Action  string            `json:"action"` // e.g. "function.create"
	Target  string            `json:"target"` // e.g. "function/hello", "user/ada"
	Result  string            `json:"result"` // "ok" or the class of the fault
	Remote  string            `json:"remote,omitempty"`
	Details map[string]string `json:"details,omitempty"` // never secrets, never environment values
}

// Store keeps entries in order.
type Store interface {
	// Append makes the entries durable before it returns.
	Append(ctx context.Context, entries ...Entry) error
	// Each calls fn newest first, from the entry before the id cursor ("" is
	// the newest), until fn returns an error.
	Each(ctx context.Context, cursor string, fn func(Entry) error) error
	// Trim deletes the oldest entries until at most keep are left.
	Trim(ctx context.Context, keep int) error
}
