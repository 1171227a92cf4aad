package api

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

func TestLimiterFillsEvenly(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLimiter(60)
	for i := range 60 {
		if a := l.take("ada", now); !a.ok || a.remaining != 59-i || a.limit != 60 {
			t.Fatalf("%d: %+v", i, a)
		}
	}
	if a := l.take("ada", now); a.ok || a.wait != time.Second || a.full != time.Minute {
		t.Fatalf("the 61st: %+v", a)
	}
	if a := l.take("bob", now); !a.ok {
		t.Fatal("one user pays for another")
	}
	if a := l.take("ada", now.Add(time.Second)); !a.ok || a.remaining != 0 {
		t.Fatalf("a second later: %+v", a)
	}
	if a := l.take("ada", now.Add(-time.Hour)); a.ok {
		t.Fatal("a clock that went back gave tokens")
	}
}

func TestLimiterKeepsFewBuckets(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLimiter(10)
	for range 10 {
		l.take("target", now)
	}
	for i := range 3 * limitShards * shardBuckets {
		l.take(fmt.Sprint(i), now)
	}
	count := 0
	for i := range l.shards {
		count += len(l.shards[i].buckets)
	}
	if count > limitShards*shardBuckets {
		t.Errorf("%d buckets", count)
	}
	if a := l.take("target", now); a.ok {
		t.Error("a flood of names washed out the one over its limit")
	}
	for i := range 1000 {
		l.take(fmt.Sprint("late", i), now.Add(2*time.Hour))
	}
	count = 0
	for i := range l.shards {
		count += len(l.shards[i].buckets)
	}
	if count > 2000 {
		t.Errorf("%d buckets are left of two hours ago", count)
	}
}

func TestRequestsOverALimitAreRefused(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(o *Options) {
		o.RateLimits = RateLimits{Write: 2, Read: 3, InvokeFunction: 1}
		o.Now = func() time.Time { return now }
	})
	a := w.do(201, "developer", "POST", "functions", `{"name":"hello","runtime":"wasm"}`)
	if a.Header.Get("X-RateLimit-Limit") != "2" || a.Header.Get("X-RateLimit-Remaining") != "1" {
		t.Errorf("%v", a.Header)
	}
	if reset, err := strconv.ParseInt(a.Header.Get("X-RateLimit-Reset"), 10, 64); err != nil || reset < now.Unix() || reset > now.Add(time.Minute).Unix() {
		t.Errorf("reset %d, %v", reset, err)
	}
	w.do(201, "developer", "POST", "functions/hello/versions", string(module), "Content-Type: application/wasm")
	a = w.do(429, "developer", "PUT", "functions/hello", `{"timeout":5}`)
	if a.code() != "RATE_LIMIT_EXCEEDED" || a.Header.Get("Retry-After") != "30" || a.Header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("%s %v", a.body, a.Header)
	}
	w.do(200, "admin", "PUT", "functions/hello", `{"timeout":5}`)
	w.do(200, "developer", "GET", "functions/hello")
	w.do(200, "viewer", "POST", "functions/hello/invoke", `{}`)
	if a := w.do(429, "admin", "POST", lambda+"hello/invocations", `{}`); a.Header.Get("X-Amzn-Errortype") != "TooManyRequestsException" {
		t.Errorf("%v", a.Header)
	}
	now = now.Add(time.Minute)
	w.do(200, "admin", "POST", lambda+"hello/invocations", `{}`)
	w.do(200, "developer", "PUT", "functions/hello", `{"timeout":5}`)
}

func TestDevelopmentHasNoLimits(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.RateLimits, o.Dev = RateLimits{Read: 1}, true })
	for range 3 {
		if a := w.do(200, "viewer", "GET", "functions"); a.Header.Get("X-RateLimit-Limit") != "" {
			t.Errorf("%v", a.Header)
		}
	}
}
