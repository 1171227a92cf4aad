package api

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a connection that is closed with a request half read may still send:
// closing at once would reset it, and the client would lose the answer that
// says why.
const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20
)

// conn is an accepted connection. It knows the request that it serves, so
// that the watch can look whether anybody still waits for the answer.
type conn struct {
	net.Conn
	raw     syscall.RawConn // nil for a connection that is no socket
	table   *connTable
	current atomic.Pointer[requestContext] // the request being served
	used    atomic.Bool                    // something was read
	linger  atomic.Bool                    // there is an unread body
	closed  sync.Once

	watched *requestContext // the watch's own: what it saw last
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.used.Load() {
		c.used.Store(true)
	}
	return n, err
}

// Close implements net.Conn. It may take lingerTime.
func (c *conn) Close() error {
	c.closed.Do(func() { c.table.remove(c) })
	if c.linger.Swap(false) {
		c.drain()
	}
	return c.Conn.Close()
}

// drain ends our side and reads what is on its way.
func (c *conn) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes) // what comes of it is all the same
	}
}

// gone reports whether the client has closed the connection or at least its
// side of it: whoever hangs up after asking does not wait for the answer.
// Unread data of a next request does not hide it.
func (c *conn) gone() bool {
	if c.raw == nil {
		return false
	}
	gone := false
	err := c.raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(fds, 0)
		gone = err == nil && n > 0 && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone || err != nil
}

// connOf returns the accepted connection below c, nil where it is not one of
// ours.
func connOf(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	own, _ := c.(*conn)
	return own
}

// connTable knows every open connection.
type connTable struct {
	mu      sync.Mutex
	open    map[*conn]struct{}
	arrived chan struct{} // told when the first connection opens
}

func newConnTable() *connTable {
	return &connTable{open: map[*conn]struct{}{}, arrived: make(chan struct{}, 1)}
}

func (t *connTable) add(inner net.Conn) *conn {
	c := &conn{Conn: inner, table: t}
	if s, ok := inner.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[c] = struct{}{}
	select {
	case t.arrived <- struct{}{}:
	default:
	}
	return c
}

func (t *connTable) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
}

// pick returns the connections that match, and how many are open.
func (t *connTable) pick(match func(*conn) bool) (picked []*conn, open int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		if match(c) {
			picked = append(picked, c)
		}
	}
	return picked, len(t.open)
}

// closeUnused closes connections on which nothing was ever asked. A server
// that stops would wait for them.
func (t *connTable) closeUnused() {
	unused, _ := t.pick(func(c *conn) bool { return !c.used.Load() })
	for _, c := range unused {
		_ = c.Close() // it is thrown away
	}
}

// closeAll ends every request and closes every connection.
func (t *connTable) closeAll() {
	all, _ := t.pick(func(*conn) bool { return true })
	for _, c := range all {
		if r := c.current.Load(); r != nil {
			r.end(errStopping)
		}
		c.linger.Store(false)
		_ = c.Close() // it is thrown away
	}
}

// listener makes a conn of each connection.
type listener struct {
	net.Listener
	table *connTable

	once      sync.Once
	accepting chan struct{} // closed by the first Accept
}

func newListener(inner net.Listener, table *connTable) *listener {
	return &listener{Listener: inner, table: table, accepting: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	l.once.Do(func() { close(l.accepting) })
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.table.add(c), nil
}
