package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// redialPause keeps a server that refuses connections from being stormed.
const redialPause = 10 * time.Millisecond

// caller is one connection and what its answers were. One goroutine reads
// answers and keeps the result; requests may be sent by another.
type caller struct {
	plan    *Plan
	result  *Result
	answers *answers

	mu     sync.Mutex // guards conn and closed
	conn   net.Conn
	closed bool
}

func newCaller(p *Plan, conn net.Conn) *caller {
	return &caller{plan: p, result: newPartial(), conn: conn, answers: newAnswers(conn)}
}

func (c *caller) current() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

// close ends the connection for good, and with it whatever waits on it.
func (c *caller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	_ = c.conn.Close()
}

// send writes the i-th request. A connection that cannot be written to is
// closed: whoever reads the answer finds out there.
func (c *caller) send(i int64) {
	conn := c.current()
	if _, err := conn.Write(c.plan.request(i).Wire); err != nil {
		_ = conn.Close()
	}
}

func (p *Plan) request(i int64) *Request { return &p.Requests[i%int64(len(p.Requests))] }

// judge notes an answer to the i-th request that took so long.
func (c *caller) judge(i int64, a answer, err error, took time.Duration) {
	if kind, text := verdict(c.plan.request(i), a, err); kind != "" {
		c.plan.Progress.failed.Add(1)
		c.result.wrong(kind, "%s", text)
		return
	}
	c.plan.Progress.right.Add(1)
	c.result.right(took)
}

// verdict returns the kind of the error and a text for people, or nothing
// where the answer is right.
func verdict(r *Request, a answer, err error) (kind, text string) {
	switch {
	case errors.Is(err, errMalformed):
		return KindMalformed, err.Error()
	case err != nil:
		return KindClosed, err.Error()
	case a.status != 200:
		return fmt.Sprint(KindStatus, a.status), excerpt(a.body)
	case a.functionError != "":
		return KindFunctionError, a.functionError + ": " + excerpt(a.body)
	case !bytes.Equal(a.body, r.Want):
		return KindBody, "got " + excerpt(a.body) + ", want " + excerpt(r.Want)
	default:
		return "", ""
	}
}

func excerpt(b []byte) string {
	const most = 200
	if len(b) > most {
		return fmt.Sprintf("%q… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}

// renew replaces a connection that ended. It tries until it succeeds, and
// reports false when the caller was closed or the context has ended.
func (c *caller) renew(ctx context.Context) bool {
	_ = c.current().Close()
	for ctx.Err() == nil {
		conn, err := c.plan.Dial(ctx)
		if err == nil {
			return c.adopt(conn)
		}
		c.plan.Progress.failed.Add(1)
		c.result.wrong(KindConnect, "%v", err)
		select {
		case <-time.After(redialPause):
		case <-ctx.Done():
		}
	}
	return false
}

func (c *caller) adopt(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close()
		return false
	}
	c.conn, c.answers = conn, newAnswers(conn)
	return true
}

// stale reports whether the connection cannot carry another request.
func stale(a answer, err error) bool { return err != nil || a.closes }
