package api

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/sandbox"
	"github.com/skiffhq/skiff/core/wire"
)

// impatient makes a server give stalled connections next to no time.
func impatient(s *Server) {
	s.http.ReadTimeout, s.http.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
}

func TestStalledRequestsAreCutOffAndChangeNothing(t *testing.T) {
	w := newWorld(t, nil, impatient)
	w.makeFunction("hello")
	bundles := w.bundles()
	changes := w.changes.count.Load()
	post := func(path, as, rest string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + w.tokens[as] + "\r\n" + rest
	}
	for name, tc := range map[string]struct{ sent, want string }{
		"nothing at all":            {"", "too slowly"},
		"half a request line":       {"GET /hea", "HTTP/1.1 400 "},
		"half a header":             {"GET /healthz HTTP/1.1\r\nHost: x\r\n", "too slowly"},
		"half a JSON body":          {post("/api/v1/functions", "admin", "Content-Length: 100\r\n\r\n{\"name\":"), "too slowly"},
		"half a chunk":              {post("/api/v1/functions", "admin", "Transfer-Encoding: chunked\r\n\r\n20\r\n{"), "too slowly"},
		"half a payload":            {post(lambda+"hello/invocations", "admin", "Content-Length: 100\r\n\r\n{"), "too slowly"},
		"half a module":             {post("/api/v1/functions/hello/versions", "admin", "Content-Type: application/wasm\r\nContent-Length: 100\r\n\r\n"+string(module)), "too slowly"},
		"half of base64":            {post("/api/v1/functions/hello/versions", "admin", "Content-Length: 100\r\n\r\n{\"code\":\"AGFz"), "too slowly"},
		"a body nobody waits for":   {post("/api/v1/functions", "nobody", "Content-Length: 100\r\n\r\n{"), "HTTP/1.1 401 "},
		"a large one of the same":   {post("/api/v1/functions", "nobody", "Content-Length: 1000000\r\n\r\n{"), "HTTP/1.1 401 "},
		"nothing, after an answer":  {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /", "HTTP/1.1 200 "},
		"the body that it asks for": {post(lambda+"hello/invocations", "admin", "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"), "too slowly"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			got, err := io.ReadAll(w.raw(tc.sent)) // ends when the server hangs up
			if err != nil || !strings.Contains(string(got), tc.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	w.t = t
	if n := w.bundles(); n != bundles {
		t.Errorf("%d bundles, %d were", n, bundles)
	}
	if v := read[wire.Versions](t, w.do(200, "admin", "GET", "functions/hello/versions")); v.Total != 1 {
		t.Errorf("%d versions", v.Total)
	}
	if n := w.changes.count.Load() - changes; n > 1 { // the module streams into the catalogue
		t.Errorf("%d changes reached the catalogue", n)
	}
}

func TestAnswerThatNobodyReadsIsGivenUp(t *testing.T) {
	w := newWorld(t, nil, impatient)
	w.makeFunction("hello")
	w.handler = func(context.Context, *sandbox.Invocation) (sandbox.Result, error) {
		return sandbox.Result{Payload: bytes.Repeat([]byte{'1'}, sandbox.MaxPayload)}, nil
	}
	c := w.raw(w.invocation(lambda + "hello/invocations"))
	w.must(c.(*net.TCPConn).SetReadBuffer(4 << 10))
	if _, err := io.ReadFull(c, make([]byte, 12)); err != nil {
		t.Fatal(err)
	}
	// Stop waits for the connection for as long as it takes.
	begin := time.Now()
	w.must(w.server.Stop(context.Background()))
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("given up after %v", took)
	}
}

// deadlines notes when a connection may be written until.
type deadlines struct {
	net.Conn
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestDownloadHasTimeWhileItKeepsThePace(t *testing.T) {
	conn := &deadlines{}
	in := &pacedStream{ReadCloser: io.NopCloser(bytes.NewReader(make([]byte, 3*paceBytes+1))), conn: conn}
	buf := make([]byte, 4<<10)
	for n := 0; ; {
		m, err := in.Read(buf)
		if n += m; len(conn.set) != n/paceBytes {
			t.Fatalf("put off %d times after %d bytes", len(conn.set), n)
		}
		if err != nil {
			break
		}
	}
	if left := time.Until(conn.set[2]); left <= 0 || left > paceTime {
		t.Errorf("the client has %v", left)
	}
}
