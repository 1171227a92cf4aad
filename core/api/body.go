package api

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"github.com/skiffhq/skiff/core/api/strictjson"
	"github.com/skiffhq/skiff/core/fault"
)

// text looks at bytes as a string without a copy. It must not outlive them.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// A body or a download that is slow may take its time as long as it keeps this
// pace; a connection that is slower is cut off.
const (
	paceBytes = 256 << 10
	paceTime  = 30 * time.Second
)

// maxLeftover is the most of an unread body that is read and dropped for the
// sake of the connection, in bytes.
const maxLeftover = 64 << 10

// body reads the body of a request within its limit, as it comes in. Its
// errors are faults: TooLarge, Invalid for one that breaks off.
type body struct {
	http  *fasthttp.RequestCtx
	in    io.Reader // nil where there is no body
	limit int64
	read  int64
	paced int64 // read when the deadline was put off last
	err   error // what Read returned last
}

func (b *body) open(ctx *fasthttp.RequestCtx, limit int64) {
	*b = body{http: ctx, in: ctx.RequestBodyStream(), limit: limit}
}

// declared is the length that the client announced: -1 for a chunked body, 0
// or less than -1 for none.
func (b *body) declared() int { return b.http.Request.Header.ContentLength() }

// tooLarge refuses a body that is announced too large. Fault: TooLarge.
func (b *body) tooLarge() error {
	if int64(b.declared()) <= b.limit {
		return nil
	}
	return overLimit(b.limit)
}

func overLimit(limit int64) error {
	return fault.New(fault.TooLarge, "body_too_large", "read request: the body is over the limit of %d bytes", limit)
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.in == nil {
		b.err = io.EOF
		return 0, b.err
	}
	n, err := b.in.Read(p)
	b.read += int64(n)
	if b.read > b.limit {
		b.err = overLimit(b.limit)
		return 0, b.err
	}
	b.putOff()
	b.err = b.judge(err)
	return n, b.err
}

// judge tells the end of a body from one that broke off, which the stream
// below takes for the same where the length was announced.
func (b *body) judge(err error) error {
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, io.EOF):
		return brokenBody(err)
	case b.read < int64(b.declared()):
		return brokenBody(io.ErrUnexpectedEOF)
	}
	return io.EOF
}

// putOff moves the deadline of the connection while the body keeps its pace.
func (b *body) putOff() {
	if b.read-b.paced < paceBytes {
		return
	}
	b.paced = b.read
	// A connection that has no deadlines has none to move.
	_ = b.http.Conn().SetReadDeadline(time.Now().Add(paceTime))
}

func brokenBody(err error) error {
	var network net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return fault.Wrap(err, fault.Invalid, "slow_body", "read request: the body came too slowly")
	}
	return fault.Wrap(err, fault.Invalid, "broken_body", "read request: the body broke off or its chunks are malformed")
}

// leftover reports whether the connection holds more of the body than is worth
// reading to keep it.
func (b *body) leftover() bool {
	switch {
	case b.in == nil || errors.Is(b.err, io.EOF):
		return false
	case b.err != nil || b.declared() < 0:
		return true
	default:
		return int64(b.declared())-b.read > maxLeftover
	}
}

// firstBuffer is what a body gets at first, in bytes. What is announced is not
// believed before it comes: memory must not be had for a header.
const firstBuffer = 16 << 10

// bytes reads the whole body into the request's buffer: what it returns lives
// as long as the request. Faults: those of Read, Exhausted where many large
// bodies come at once.
func (r *request) bytes() ([]byte, error) {
	r.buffer = r.buffer[:0]
	for {
		if len(r.buffer) == cap(r.buffer) {
			if err := r.grow(); err != nil {
				return nil, err
			}
		}
		n, err := r.body.Read(r.buffer[len(r.buffer):cap(r.buffer)])
		r.buffer = r.buffer[:len(r.buffer)+n]
		if errors.Is(err, io.EOF) {
			return r.buffer, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// grow doubles the buffer. What it has beyond that which a request may keep is
// charged until the request is over.
func (r *request) grow() error {
	more := max(len(r.buffer), firstBuffer)
	if r.memory != nil && len(r.buffer)+more > maxKeptBuffer {
		if err := r.memory.Reserve(int64(more)); err != nil {
			return err
		}
		r.charged += int64(more)
	}
	r.buffer = slices.Grow(r.buffer, more)
	return nil
}

// spare gives the buffer up where an answer lies in it: a host may hand the
// payload back as it came, and the answer is sent after the request is gone.
func (r *request) spare(answer []byte) {
	whole := r.buffer[:cap(r.buffer)]
	if len(answer) == 0 || len(whole) == 0 {
		return
	}
	at, begin := uintptr(unsafe.Pointer(&answer[0])), uintptr(unsafe.Pointer(&whole[0]))
	if at >= begin && at < begin+uintptr(len(whole)) {
		r.buffer = nil
	}
}

// json reads the body strictly into the struct that to points to. Faults:
// Invalid with a detail for each field, TooLarge.
func (r *request) json(to any) error {
	var faults fault.Collector
	if err := r.decode(to, &faults); err != nil {
		return err
	}
	return misshapenBody(&faults)
}

// decode is json for those who have faults of their own to add: what is wrong
// with the shape is noted. Fault: TooLarge, Invalid for a body that breaks off.
func (r *request) decode(to any, faults *fault.Collector) error {
	data, err := r.bytes()
	if err == nil {
		strictjson.Decode(data, to, faults)
	}
	return err
}

// misshapenBody is the fault of a body, nil where nothing was noted.
func misshapenBody(faults *fault.Collector) error {
	return faults.Err("read request: the body is not as it should be")
}
