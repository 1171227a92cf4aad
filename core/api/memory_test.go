package api

import (
	"strings"
	"testing"

	budget "github.com/skiffhq/skiff/core/memory"
)

func TestLargeBodiesAreChargedToTheBudget(t *testing.T) {
	account := budget.New(2 << 20).Account("requests")
	w := newWorld(t, func(o *Options) { o.Memory = account })
	w.makeFunction("hello")
	const path = "/2015-03-31/functions/hello/invocations"
	w.do(200, "viewer", "POST", path, strings.Repeat("x", 1<<20))
	a := w.do(503, "viewer", "POST", path, strings.Repeat("x", 4<<20))
	if !strings.Contains(string(a.body), "CAPACITY_EXCEEDED") || a.Header.Get("Retry-After") == "" {
		t.Errorf("%v %s", a.Header, a.body)
	}
	w.do(200, "viewer", "POST", path, strings.Repeat("x", 1<<20)) // what was refused has given all back
	w.must(w.server.Stop(t.Context()))
	if held := account.Held(); held != 0 {
		t.Errorf("%d bytes are charged after the last request", held)
	}
}
