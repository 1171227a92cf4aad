package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// logger hands Badger's lines to slog, one level lower than Badger thinks: what
// it calls information is of use to nobody but its developers.
type logger struct {
	log    *slog.Logger
	health *health
}

func (l *logger) Errorf(format string, args ...any) {
	l.health.note(format)
	l.line(slog.LevelError, format, args)
}
func (l *logger) Warningf(format string, args ...any) { l.line(slog.LevelWarn, format, args) }
func (l *logger) Infof(format string, args ...any)    { l.line(slog.LevelDebug, format, args) }

// Debugf drops its line: there are several for each transaction.
func (l *logger) Debugf(string, ...any) {}

func (l *logger) line(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "badger says", "text", strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

// health remembers that Badger lost something and only logged it: it reports
// the sync of large values that failed to its logger and to nobody else. The
// line is written before the commit returns.
type health struct{ syncFailed atomic.Bool }

// failedSync begins the line; TestBadgerStillLogsAFailedSync holds it against
// Badger's source.
const failedSync = "Error while curlf sync"

var errSync = errors.New("sync of the value log failed")

func (h *health) note(format string) {
	if strings.HasPrefix(format, failedSync) {
		h.syncFailed.Store(true)
	}
}

func (h *health) lost() error {
	if h.syncFailed.Load() {
		return errSync
	}
	return nil
}
