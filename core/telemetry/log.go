// Package telemetry is what the appliance tells about itself: its own log and
// its metrics.
//
// What functions write does not belong here, nor does the decision what is
// worth telling: those who do the work decide that.
package telemetry

import (
	"io"
	"log/slog"
)

// Keys of the attributes that more than one package logs.
const (
	KeyComponent = "component"
	KeyFunction  = "function"
	KeyVersion   = "version"
	KeyRequestID = "request_id"
	KeyError     = "error"
)

// NewLog returns a logger that writes records of at least the level ("debug",
// "info", "warn", "error") as "text" or "json". Other values mean info and text.
func NewLog(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(level)) != nil {
		l = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
