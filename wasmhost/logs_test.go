package wasmhost

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/skiffhq/skiff/core/sandbox"
)

func messages(l *logs) (all []string) {
	for _, line := range l.lines {
		all = append(all, line.Message)
	}
	return all
}

func TestStreamsAreCutIntoLines(t *testing.T) {
	for _, c := range []struct {
		writes []string
		want   []string
	}{
		{[]string{"a\nb\n"}, []string{"a", "b"}},
		{[]string{"a", "b", "\nc"}, []string{"ab", "c"}},
		{[]string{"a\r\n\nb"}, []string{"a", "", "b"}},
		{[]string{"\xff\n"}, []string{"\uFFFD"}},
		{[]string{""}, nil},
	} {
		l := &logs{}
		w := &lineWriter{logs: l, stream: "stderr"}
		for _, text := range c.writes {
			if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
		}
		w.flush()
		if got := messages(l); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
			t.Errorf("%q became %q, want %q", c.writes, got, c.want)
		}
	}
}

func TestLongLinesAreCutBetweenCharacters(t *testing.T) {
	for _, unit := range []string{"x", "é", "€", "😀"} {
		for shift := range 4 {
			line := strings.Repeat("-", shift) + strings.Repeat(unit, sandbox.MaxLogLine)
			l := &logs{}
			w := &lineWriter{logs: l}
			for i := 0; i < len(line); i += 1000 {
				w.Write([]byte(line[i:min(i+1000, len(line))]))
			}
			w.Write([]byte("\nnext\n"))
			got := messages(l)
			if len(got) != 2 || got[1] != "next" {
				t.Fatalf("%d lines", len(got))
			}
			if n := len(got[0]); n > sandbox.MaxLogLine || n <= sandbox.MaxLogLine-len(unit) || !strings.HasPrefix(line, got[0]) {
				t.Errorf("a line of %q was cut to %d bytes", unit, n)
			}
			if cap(w.partial) > 2*sandbox.MaxLogLine {
				t.Errorf("%d bytes were kept of one line", cap(w.partial))
			}
		}
	}
}

func TestLinesBeyondTheLimitsAreCounted(t *testing.T) {
	l := &logs{}
	for range maxLogLines + 5 {
		l.add("info", "log", nil)
	}
	if len(l.lines) != maxLogLines || l.lost != 5 {
		t.Errorf("%d lines, %d lost", len(l.lines), l.lost)
	}
	l = &logs{}
	long := make([]byte, sandbox.MaxLogLine)
	for range 20 {
		l.add("info", "log", long)
	}
	if len(l.lines) != sandbox.MaxLogBytes/sandbox.MaxLogLine || l.lost != 4 || l.bytes > sandbox.MaxLogBytes {
		t.Errorf("%d lines of %d bytes, %d lost", len(l.lines), l.bytes, l.lost)
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("a€"), 2)
	f.Add([]byte("\xff\xff"), 5)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		limit = max(0, limit%100)
		got := text(b, limit)
		if len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("%q within %d became %q", b, limit, got)
		}
		if utf8.Valid(b) && !strings.HasPrefix(string(b), got) {
			t.Errorf("%q became %q", b, got)
		}
	})
}
