package wasmhost

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/skiffhq/skiff/core/sandbox"
)

// maxLogLines bounds the lines kept of one invocation: empty ones take no
// text, but memory.
const maxLogLines = 10_000

// logs collects the lines of one invocation.
type logs struct {
	lines []sandbox.Line
	bytes int
	lost  int
}

// add keeps a line, which is copied, or counts it as lost.
func (l *logs) add(level, stream string, line []byte) {
	room := sandbox.MaxLogBytes - l.bytes
	if len(l.lines) >= maxLogLines || min(len(line), sandbox.MaxLogLine) > room {
		l.lost++
		return
	}
	message := text(line, sandbox.MaxLogLine)
	if len(message) > room { // what is not UTF-8 takes more room than it had
		l.lost++
		return
	}
	l.bytes += len(message)
	l.lines = append(l.lines, sandbox.Line{Time: time.Now(), Level: level, Stream: stream, Message: message})
}

// text returns at most limit bytes as valid UTF-8, cut between characters.
func text(b []byte, limit int) string {
	b = cut(b, limit)
	if utf8.Valid(b) {
		return string(b)
	}
	return string(cut(bytes.ToValidUTF8(b, []byte("\uFFFD")), limit))
}

// cut returns at most limit bytes, without a part of a character at the end.
func cut(b []byte, limit int) []byte {
	if len(b) <= limit {
		return b
	}
	b = b[:limit]
	for i := 1; i <= utf8.UTFMax && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				b = b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// takeLogs ends the lines of an invocation and hands them out.
func (r *run) takeLogs() ([]sandbox.Line, int) {
	r.stdout.flush()
	r.stderr.flush()
	lines, lost := r.logs.lines, r.logs.lost
	r.logs = logs{}
	return lines, lost
}

// lastLine returns the last line that the guest wrote.
func (r *run) lastLine() string {
	r.stdout.flush()
	r.stderr.flush()
	if n := len(r.logs.lines); n > 0 {
		return text([]byte(r.logs.lines[n-1].Message), 1<<10)
	}
	return ""
}

// lineWriter cuts a stream into lines.
type lineWriter struct {
	logs    *logs
	stream  string
	partial []byte // a line that has not ended yet, up to one byte too long
}

// Write implements io.Writer. It never fails: what is too much is lost.
func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.keep(p)
			return n, nil
		}
		w.line(p[:i])
		p = p[i+1:]
	}
}

// line adds a line whose beginning may have come before.
func (w *lineWriter) line(end []byte) {
	whole := end
	if len(w.partial) > 0 {
		w.keep(end)
		whole = w.partial
	}
	w.logs.add("info", w.stream, bytes.TrimSuffix(whole, []byte("\r")))
	w.partial = w.partial[:0]
}

// keep keeps the beginning of a line. The byte beyond the limit tells add
// that the line was cut.
func (w *lineWriter) keep(p []byte) {
	room := sandbox.MaxLogLine + 1 - len(w.partial)
	w.partial = append(w.partial, p[:min(len(p), room)]...)
}

func (w *lineWriter) flush() {
	if len(w.partial) > 0 {
		w.line(nil)
	}
}

// reset forgets what another guest left.
func (w *lineWriter) reset() { w.partial = nil }
