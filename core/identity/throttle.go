package identity

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// Failures that cost nothing yet, and the longest wait after more. A user's
// limit is short: else anybody could lock a user out by guessing badly. An
// address may stand for a whole site behind one router, so it gets more tries.
const (
	freeTriesPerUser = 5
	maxUserDelay     = time.Minute
	freeTriesPerHost = 20
	maxHostDelay     = 5 * time.Minute

	maxTracked  = 4096             // keys of each kind
	forgetAfter = 15 * time.Minute // without a failure
)

// slowdown makes whoever fails wait, twice as long each time.
type slowdown struct {
	free int           // failures without a wait
	max  time.Duration // longest wait

	mu   sync.Mutex
	seen map[string]*failures
}

type failures struct {
	count int
	last  time.Time
	until time.Time // no try before
}

func newSlowdown(free int, longest time.Duration) *slowdown {
	return &slowdown{free: free, max: longest, seen: map[string]*failures{}}
}

// begin counts a try as failed before it is known how it ends, so that many at
// once gain nothing. It returns how long the caller must wait, and then has
// counted nothing.
func (s *slowdown) begin(key string, now time.Time) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.seen[key]
	if f != nil && now.Sub(f.last) >= forgetAfter {
		delete(s.seen, key)
		f = nil
	}
	if f == nil {
		s.makeRoom(now)
		f = &failures{}
		s.seen[key] = f
	}
	if wait := f.until.Sub(now); wait > 0 {
		return min(wait, s.max) // a clock that stepped back must not lock out
	}
	f.count++
	f.last = now
	f.until = now.Add(s.delay(f.count))
	return 0
}

func (s *slowdown) delay(count int) time.Duration {
	over := count - s.free
	if over <= 0 {
		return 0
	}
	return min(time.Second<<min(over-1, 20), s.max)
}

// undo takes one try back: it did not fail, or nothing is known of it.
func (s *slowdown) undo(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.seen[key]
	if f == nil {
		return
	}
	f.count--
	f.until = time.Time{}
	if f.count <= 0 {
		delete(s.seen, key)
	}
}

// forget clears a key that proved itself.
func (s *slowdown) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, key)
}

// makeRoom bounds the memory. Among the fresh it drops the one with the fewest
// failures, so that a flood of invented names cannot wash out a real target.
func (s *slowdown) makeRoom(now time.Time) {
	if len(s.seen) < maxTracked {
		return
	}
	var least string
	for key, f := range s.seen {
		if now.Sub(f.last) >= forgetAfter {
			delete(s.seen, key)
		} else if g := s.seen[least]; g == nil || f.count < g.count {
			least = key
		}
	}
	if len(s.seen) >= maxTracked {
		delete(s.seen, least)
	}
}

type remoteKey struct{}

// WithRemote tells Login where the request comes from, as "host:port" or a bare
// address. Without it only the user's name is slowed down.
func WithRemote(ctx context.Context, addr string) context.Context {
	return context.WithValue(ctx, remoteKey{}, addr)
}

// remoteOf returns the key of the caller's network, "" if unknown. Whoever has
// one IPv6 address has its /64, so that counts as one.
func remoteOf(ctx context.Context) string {
	addr, _ := ctx.Value(remoteKey{}).(string)
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, _ := ip.Prefix(64) // 64 bits are always possible for IPv6
	return prefix.String()
}

// beginLogin counts a try against the user and the remote. Faults: Throttled.
func (s *Service) beginLogin(user, remote string) error {
	now := s.now()
	if wait := s.byUser.begin(user, now); wait > 0 {
		return tooManyFailures(wait)
	}
	if remote == "" {
		return nil
	}
	if wait := s.byHost.begin(remote, now); wait > 0 {
		s.byUser.undo(user)
		return tooManyFailures(wait)
	}
	return nil
}

// undoLogin takes a try back that ended without a verdict.
func (s *Service) undoLogin(user, remote string) {
	s.byUser.undo(user)
	s.byHost.undo(remote)
}

// passLogin clears the user's failures. Of the remote's it takes back this try
// only: a login of one's own must not pay for guesses at others.
func (s *Service) passLogin(user, remote string) {
	s.byUser.forget(user)
	s.byHost.undo(remote)
}

func tooManyFailures(wait time.Duration) error {
	return fault.New(fault.Throttled, fault.ReasonRateLimit, "log in: too many failures").WithRetryAfter(wait)
}
