package api

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/skiffhq/skiff/core/sandbox/sandboxtest"
)

// lambdaLoop returns a call of the fast path, on one connection in memory.
func lambdaLoop(t testing.TB, w *world) func() {
	w.makeFunction("hello")
	ln := fasthttputil.NewInmemoryListener()
	w.server.serving.Go(func() { _ = w.server.http.Serve(ln) }) // until Stop closes it
	c, err := ln.Dial()
	w.must(err)
	t.Cleanup(func() { c.Close() })
	return exchange(t, c, []byte(w.invocation(lambda+"hello/invocations")))
}

// exchange sends the same request again and again; it allocates nothing.
func exchange(t testing.TB, c net.Conn, request []byte) func() {
	r := bufio.NewReader(c)
	var head fasthttp.ResponseHeader
	var body [64]byte
	return func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if err := head.Read(r); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, body[:head.ContentLength()]); err != nil || head.StatusCode() != 200 || string(body[:2]) != "{}" {
			t.Fatalf("%d %s, %v", head.StatusCode(), body, err)
		}
	}
}

// BenchmarkLambda measures what is the API's and the invoker's.
func BenchmarkLambda(b *testing.B) {
	call := lambdaLoop(b, newWorld(b, nil))
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

// BenchmarkLambdaOnFakeHost adds the pool and a new instance for each call.
func BenchmarkLambdaOnFakeHost(b *testing.B) {
	w := newWorld(b, nil)
	w.useFake(map[string]sandboxtest.Function{"main.handle": echo})
	call := lambdaLoop(b, w)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

func echo(_ context.Context, c *sandboxtest.Call) ([]byte, error) { return c.Payload, nil }

// fastPathAllocations is what a call of the fast path may allocate: what the
// invoker and the fake instance do, which is seven, and ten of our own.
const fastPathAllocations = 17

func TestFastPathAllocatesLittle(t *testing.T) {
	call := lambdaLoop(t, newWorld(t, nil))
	call()
	if n := testing.AllocsPerRun(500, call); n > fastPathAllocations {
		t.Errorf("%.1f allocations a call, at most %d are meant", n, fastPathAllocations)
	}
}
