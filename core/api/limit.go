package api

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// RateLimits are requests per minute and user; 0 is no limit.
type RateLimits struct {
	Invoke int // invocations
	Write  int // changes of functions, versions, aliases, users and tokens
	Read   int

	// InvokeFunction bounds the invocations of one function by everybody.
	InvokeFunction int
}

// class is what a request counts as.
type class uint8

// The classes.
const (
	classNone class = iota // never limited
	classInvoke
	classWrite
	classRead
	numClasses
)

// limits holds the limiters of an appliance. A nil limiter limits nothing.
type limits struct {
	user     [numClasses]*limiter
	function *limiter
}

func newLimits(r RateLimits) *limits {
	l := &limits{function: newLimiter(r.InvokeFunction)}
	l.user[classInvoke] = newLimiter(r.Invoke)
	l.user[classWrite] = newLimiter(r.Write)
	l.user[classRead] = newLimiter(r.Read)
	return l
}

const (
	limitShards  = 16
	shardBuckets = 1024 // of one limiter 16,384 in all, some 2 MiB
	reapEvery    = time.Minute
)

// limiter is a token bucket for each key, which holds a minute's worth and
// fills evenly. A bucket that is full again is worth nothing and is dropped.
type limiter struct {
	perMinute float64
	seed      maphash.Seed
	shards    [limitShards]limitShard
}

type limitShard struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	reaped  time.Time
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(perMinute int) *limiter {
	if perMinute <= 0 {
		return nil
	}
	l := &limiter{perMinute: float64(perMinute), seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].buckets = map[string]*bucket{}
	}
	return l
}

// allowance is what a limiter says of a request.
type allowance struct {
	ok        bool
	limit     int
	remaining int
	full      time.Duration // until nothing counts any more
	wait      time.Duration // until the next would be let in; 0 where this one is
}

// take takes a token of the key's.
func (l *limiter) take(key string, now time.Time) allowance {
	s := &l.shards[maphash.String(l.seed, key)%limitShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[key]
	if b == nil {
		l.makeRoom(s, now)
		b = &bucket{tokens: l.perMinute, at: now}
		s.buckets[key] = b
	}
	l.fill(b, now)
	a := allowance{limit: int(l.perMinute), ok: b.tokens >= 1}
	if a.ok {
		b.tokens--
	} else {
		a.wait = l.timeFor(1 - b.tokens)
	}
	a.remaining = int(b.tokens)
	a.full = l.timeFor(l.perMinute - b.tokens)
	return a
}

// fill adds what has come in since. A clock that went back adds nothing.
func (l *limiter) fill(b *bucket, now time.Time) {
	b.tokens = min(b.tokens+max(now.Sub(b.at).Minutes(), 0)*l.perMinute, l.perMinute)
	b.at = now
}

func (l *limiter) timeFor(tokens float64) time.Duration {
	return time.Duration(tokens / l.perMinute * float64(time.Minute))
}

// makeRoom drops full buckets now and then, and where the shard is full of
// others the fullest. s.mu is held.
func (l *limiter) makeRoom(s *limitShard, now time.Time) {
	if len(s.buckets) < shardBuckets && now.Sub(s.reaped) < reapEvery {
		return
	}
	s.reaped = now
	var fullest string
	for key, b := range s.buckets {
		l.fill(b, now)
		if b.tokens >= l.perMinute {
			delete(s.buckets, key)
		} else if f := s.buckets[fullest]; f == nil || b.tokens > f.tokens {
			fullest = key
		}
	}
	if len(s.buckets) >= shardBuckets {
		delete(s.buckets, fullest)
	}
}

// limitUser counts a request against its user's limit. Fault: Throttled.
func (s *Server) limitUser(r *request) error {
	return s.count(r, s.limits.user[r.route.class], r.principal.User)
}

// limitFunction counts an invocation against its function's limit, whoever
// calls. Fault: Throttled.
func (s *Server) limitFunction(r *request) error {
	if r.route.class != classInvoke {
		return nil
	}
	return s.count(r, s.limits.function, r.function.Name)
}

// count tells the client of the limit that it is nearest to.
func (s *Server) count(r *request, by *limiter, key string) error {
	if by == nil {
		return nil
	}
	now := s.now()
	a := by.take(key, now)
	if !r.limited || a.remaining < r.remaining {
		r.limited, r.remaining = true, a.remaining
		r.tellLimit(a, now)
	}
	if a.ok {
		return nil
	}
	return fault.New(fault.Throttled, fault.ReasonRateLimit, "%s: more than %d requests of this kind a minute",
		r.attempt(), a.limit).WithRetryAfter(a.wait)
}
