package skiff

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// Levels of the host's log call; part of the guest ABI, never renumbered.
const (
	logDebug = iota
	logInfo
	logWarn
	logError
)

// Log writes one line to the log of the invocation. What is written to
// standard output and error becomes log lines too, without a level.
func Log(level slog.Level, message string) { writeLine(hostLevel(level), message) }

// Logf is Log with a message formatted like fmt.Sprintf.
func Logf(level slog.Level, format string, args ...any) {
	writeLine(hostLevel(level), fmt.Sprintf(format, args...))
}

func writeLine(level int32, text string) {
	if !lines.keep(level, text) {
		hostLog(level, text)
	}
}

// hostLevel maps the open scale of slog to the host's four levels: each level
// takes in what lies between it and the next one.
func hostLevel(l slog.Level) int32 {
	switch {
	case l >= slog.LevelError:
		return logError
	case l >= slog.LevelWarn:
		return logWarn
	case l >= slog.LevelInfo:
		return logInfo
	}
	return logDebug
}

// slogLevel is the inverse: slog's levels are four apart, with info at zero.
func slogLevel(level int32) slog.Level { return slog.Level(level-logInfo) * slog.LevelWarn }

// NewLogHandler returns a handler for log/slog that writes to the log of the
// invocation: the message, then the attributes as key=value. The host adds
// time and level. Options may be nil, which means from info upwards.
//
//	func init() { slog.SetDefault(slog.New(skiff.NewLogHandler(nil))) }
func NewLogHandler(opts *slog.HandlerOptions) slog.Handler {
	o := slog.HandlerOptions{}
	if opts != nil {
		o = *opts
	}
	o.ReplaceAttr = withoutBuiltins(o.ReplaceAttr)
	s := &lineState{}
	return &logHandler{state: s, text: slog.NewTextHandler(&s.line, &o)}
}

// withoutBuiltins drops the level and the message, which logHandler and the
// host write themselves, and leaves the rest to next.
func withoutBuiltins(next func([]string, slog.Attr) slog.Attr) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && isBuiltin(a) {
			return slog.Attr{}
		}
		if next == nil {
			return a
		}
		return next(groups, a)
	}
}

func isBuiltin(a slog.Attr) bool {
	if a.Key == slog.MessageKey {
		return a.Value.Kind() == slog.KindString && a.Value.String() == ""
	}
	_, isLevel := a.Value.Any().(slog.Level)
	return isLevel && a.Key == slog.LevelKey
}

// lineState is the line in the making, shared by a handler and all that were
// made from it.
type lineState struct {
	mu   sync.Mutex
	line bytes.Buffer
}

// logHandler lets slog's own text handler write the attributes.
type logHandler struct {
	state *lineState
	text  slog.Handler
}

func (h *logHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.text.Enabled(ctx, l) }

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{state: h.state, text: h.text.WithAttrs(attrs)}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{state: h.state, text: h.text.WithGroup(name)}
}

// Handle writes one record. The record goes on without time and message, for
// the text handler leaves out a zero time and withoutBuiltins an empty message.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs := slog.Record{Level: r.Level, PC: r.PC}
	r.Attrs(func(a slog.Attr) bool {
		attrs.AddAttrs(a)
		return true
	})
	h.state.mu.Lock()
	defer h.state.mu.Unlock()
	line := &h.state.line
	line.Reset()
	line.WriteString(r.Message + " ")
	if err := h.text.Handle(ctx, attrs); err != nil {
		return err
	}
	writeLine(hostLevel(r.Level), string(bytes.TrimRight(line.Bytes(), " \n")))
	return nil
}
