package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Bounds of what an answer may be, in bytes; more is malformed.
const (
	maxHead  = 64 << 10
	maxBody  = 8 << 20
	bufStart = 8 << 10
)

// errMalformed is wrapped by every complaint about an answer's form.
var errMalformed = errors.New("malformed answer")

// answer is one HTTP/1.1 answer.
type answer struct {
	status        int
	body          []byte // valid until the next answer is read
	functionError string // X-Amz-Function-Error
	closes        bool   // the server will close the connection
}

// head is what of an answer's head says how its body is read.
type head struct {
	answer
	length  int // -1: not said
	chunked bool
}

// answers reads the answers of one connection, one after another, into one
// buffer that it keeps. It understands what an HTTP/1.1 server sends to a
// client that never asks for more than a length or chunks; anything else is
// malformed rather than guessed at.
type answers struct {
	src        io.Reader
	buf        []byte
	start, end int // what was read and not yet consumed is buf[start:end]
	body       []byte
}

func newAnswers(src io.Reader) *answers {
	return &answers{src: src, buf: make([]byte, bufStart)}
}

// next reads one final answer; interim ones are skipped. io.EOF means that the
// connection ended between two answers.
func (r *answers) next() (answer, error) {
	for {
		h, err := r.head()
		if err != nil {
			return answer{}, err
		}
		if h.status < 200 {
			continue
		}
		h.body, err = r.readBody(h)
		return h.answer, err
	}
}

// head reads up to the empty line and parses it.
func (r *answers) head() (head, error) {
	seen := 0
	for {
		if i := bytes.Index(r.buf[r.start+seen:r.end], []byte("\r\n\r\n")); i >= 0 {
			raw := r.buf[r.start : r.start+seen+i+2]
			r.start += seen + i + 4
			return parseHead(raw)
		}
		seen = max(0, r.end-r.start-3)
		if r.end-r.start > maxHead {
			return head{}, fmt.Errorf("%w: head of more than %d bytes", errMalformed, maxHead)
		}
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) && r.end > r.start {
				err = io.ErrUnexpectedEOF
			}
			return head{}, err
		}
	}
}

// fill reads more, and makes room first where there is none.
func (r *answers) fill() error {
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) {
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// need sees to it that n bytes are there to be consumed.
func (r *answers) need(n int) error {
	for r.end-r.start < n {
		if err := r.fill(); err != nil {
			return unexpected(err)
		}
	}
	return nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *answers) take(n int) []byte {
	b := r.buf[r.start : r.start+n]
	r.start += n
	return b
}

func (r *answers) readBody(h head) ([]byte, error) {
	switch {
	case h.status == 204 || h.status == 304:
		return nil, nil
	case h.chunked:
		return r.readChunks()
	case h.length < 0:
		return nil, fmt.Errorf("%w: neither Content-Length nor chunks", errMalformed)
	}
	if err := r.need(h.length); err != nil {
		return nil, err
	}
	return r.take(h.length), nil
}

// readChunks joins a chunked body; trailers are skipped.
func (r *answers) readChunks() ([]byte, error) {
	r.body = r.body[:0]
	for {
		n, err := r.chunkSize()
		if err != nil || n == 0 {
			return r.body, err
		}
		if len(r.body)+n > maxBody {
			return nil, fmt.Errorf("%w: body of more than %d bytes", errMalformed, maxBody)
		}
		if err := r.need(n + 2); err != nil {
			return nil, err
		}
		r.body = append(r.body, r.take(n)...)
		if string(r.take(2)) != "\r\n" {
			return nil, fmt.Errorf("%w: chunk longer than it said", errMalformed)
		}
	}
}

// chunkSize reads a chunk's first line and, for the last chunk, all up to the
// end of the answer.
func (r *answers) chunkSize() (int, error) {
	line, err := r.line()
	if err != nil {
		return 0, err
	}
	digits, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseUint(string(bytes.TrimRight(digits, " \t")), 16, 31)
	if err != nil {
		return 0, fmt.Errorf("%w: chunk size %q", errMalformed, line)
	}
	if n > 0 {
		return int(n), nil
	}
	for {
		if line, err = r.line(); err != nil || len(line) == 0 {
			return 0, err
		}
	}
}

// line reads one line without its end.
func (r *answers) line() ([]byte, error) {
	for {
		if i := bytes.Index(r.buf[r.start:r.end], []byte("\r\n")); i >= 0 {
			return r.take(i + 2)[:i], nil
		}
		if r.end-r.start > maxHead {
			return nil, fmt.Errorf("%w: line of more than %d bytes", errMalformed, maxHead)
		}
		if err := r.fill(); err != nil {
			return nil, unexpected(err)
		}
	}
}
