package skiff

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"testing"
)

// logged returns the lines that f logs in a call.
func logged(f func()) []Line {
	return Invoke(func(*Context, []byte) ([]byte, error) { f(); return nil, nil }, Meta{}, nil).Logs
}

func TestLevelsAreTheHostsFour(t *testing.T) {
	tests := []struct{ level, want slog.Level }{
		{slog.LevelDebug - 4, slog.LevelDebug}, {slog.LevelDebug, slog.LevelDebug}, {slog.LevelInfo - 1, slog.LevelDebug},
		{slog.LevelInfo, slog.LevelInfo}, {slog.LevelWarn - 1, slog.LevelInfo}, {slog.LevelWarn, slog.LevelWarn},
		{slog.LevelError - 1, slog.LevelWarn}, {slog.LevelError, slog.LevelError}, {slog.LevelError + 4, slog.LevelError},
	}
	for _, tt := range tests {
		got := logged(func() { Log(tt.level, "%s"); Logf(tt.level, "%d", 1) })
		if want := []Line{{tt.want, "%s"}, {tt.want, "1"}}; !reflect.DeepEqual(got, want) {
			t.Errorf("level %v: got %v, want %v", tt.level, got, want)
		}
	}
}

func TestSlogLines(t *testing.T) {
	tests := []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"a message", func(l *slog.Logger) { l.Info("made it") }, "made it"},
		{"attributes", func(l *slog.Logger) { l.Info("made", "n", 1, "s", "a b") }, `made n=1 s="a b"`},
		{"attributes of the logger", func(l *slog.Logger) { l.With("k", "v").Info("made", "n", 1) }, "made k=v n=1"},
		{"groups", func(l *slog.Logger) { l.WithGroup("g").Info("made", "n", 1) }, "made g.n=1"},
		{"names of built-in attributes", func(l *slog.Logger) { l.Info("made", "msg", "m", "level", "l", "time", "t") }, "made msg=m level=l time=t"},
		{"no message", func(l *slog.Logger) { l.Info("", "n", 1) }, " n=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := logged(func() { tt.log(slog.New(NewLogHandler(nil))) })
			if want := []Line{{slog.LevelInfo, tt.want}}; !reflect.DeepEqual(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestSlogOptionsCount(t *testing.T) {
	opts := &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "password" {
			return slog.String(a.Key, "***")
		}
		return a
	}}
	h := NewLogHandler(opts)
	if h.Enabled(context.Background(), slog.LevelInfo) || !h.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("the level of the options does not count")
	}
	got := logged(func() { slog.New(h).Warn("login", "password", "secret") })
	if want := []Line{{slog.LevelWarn, "login password=***"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGoroutinesLogWholeLines(t *testing.T) {
	const each, writers = 100, 8
	got := logged(func() {
		l := slog.New(NewLogHandler(nil))
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range each {
					l.With("a", 1).Info("line", "b", 2)
				}
			})
		}
		wg.Wait()
	})
	if len(got) != each*writers {
		t.Fatalf("%d lines, want %d", len(got), each*writers)
	}
	for _, line := range got {
		if line.Message != "line a=1 b=2" {
			t.Fatalf("a line reads %q", line.Message)
		}
	}
}

func TestCallsDoNotShareLines(t *testing.T) {
	first, second := logged(func() { Log(slog.LevelInfo, "one") }), logged(func() { Log(slog.LevelInfo, "two") })
	if len(first) != 1 || len(second) != 1 || second[0].Message != "two" {
		t.Errorf("got %v and %v", first, second)
	}
}
