package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// double is a server over pipes, for tests in a synctest bubble: it answers
// what reply says, when it says so. A zero time stands for now; io.EOF as the
// answer ends the connection.
type double struct {
	reply func(body []byte, at time.Time) (answer string, when time.Time)

	mu       sync.Mutex
	arrivals []time.Time
	conns    []net.Conn
	dials    int
	serving  sync.WaitGroup
}

func (d *double) dial(context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dials++
	d.conns = append(d.conns, far)
	asked := make(chan asked, 16)
	d.serving.Go(func() { d.listen(far, asked) })
	d.serving.Go(func() { d.speak(far, asked) })
	return near, nil
}

type asked struct {
	body []byte
	at   time.Time
}

// listen never stops reading, as a kernel would not.
func (d *double) listen(conn net.Conn, out chan<- asked) {
	defer close(out)
	r := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		now := time.Now()
		d.mu.Lock()
		d.arrivals = append(d.arrivals, now)
		d.mu.Unlock()
		out <- asked{body, now}
	}
}

func (d *double) speak(conn net.Conn, in <-chan asked) {
	defer conn.Close()
	for a := range in {
		text, when := d.reply(a.body, a.at)
		time.Sleep(time.Until(when))
		if _, err := io.WriteString(conn, text); err != nil || text == "" {
			return
		}
	}
}

// hangUp closes all connections from the server's side.
func (d *double) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		_ = c.Close()
	}
}

func ok(body []byte) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// echoAfter answers with the request's body after a while.
func echoAfter(d time.Duration) func([]byte, time.Time) (string, time.Time) {
	return func(body []byte, at time.Time) (string, time.Time) { return ok(body), at.Add(d) }
}

func requests(bodies ...string) []Request {
	var rs []Request
	for _, b := range bodies {
		wire := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
		rs = append(rs, Request{Wire: []byte(wire), Want: []byte(b)})
	}
	return rs
}

// plan is an open loop of 100 requests a second for 10 s over 4 connections.
func plan(t *testing.T, d *double) Plan {
	t.Cleanup(d.serving.Wait)
	return Plan{
		Dial: d.dial, Requests: requests("one", "two", "three"), Connections: 4, Rate: 100, Duration: 10 * time.Second,
		pause: func(t time.Time) { time.Sleep(time.Until(t)) },
	}
}

func run(t *testing.T, p Plan) *Result {
	t.Helper()
	r, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
