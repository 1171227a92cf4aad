package api

import (
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/skiffhq/skiff/core/fault"
)

// download sends a stream that may take its time, as long as the client keeps
// the pace.
func (r *request) download(a response) (response, error) {
	// Told to fasthttp first, so that it does not set a deadline of its own.
	if err := r.http.SetWriteDeadline(time.Now().Add(paceTime)); err != nil {
		a.stream.Close()
		return response{}, fault.Wrap(err, fault.Canceled, "connection_lost", "answer %s: the connection is lost", r.attempt())
	}
	a.stream = &pacedStream{ReadCloser: a.stream, conn: r.http.Conn()}
	r.header(fasthttp.HeaderContentDisposition, "attachment")
	return a, nil
}

// pacedStream is an answer on its way. That it is read tells that what was
// read before has gone out, but for what the sockets hold: so it puts the
// deadline of the connection off.
type pacedStream struct {
	io.ReadCloser
	conn  net.Conn
	paced int // bytes read since the deadline was put off
}

// Read implements io.Reader.
func (p *pacedStream) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if p.paced += n; p.paced >= paceBytes {
		p.paced = 0
		// A connection that has no deadlines has none to move.
		_ = p.conn.SetWriteDeadline(time.Now().Add(paceTime))
	}
	return n, err
}
