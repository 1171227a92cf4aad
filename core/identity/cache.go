package identity

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

const (
	cacheShards  = 16  // a power of two
	shardEntries = 256 // 4096 tokens in all, about 2 MiB
)

// verdict is what a verified token is worth. It is never changed.
type verdict struct {
	principal *Principal
	epoch     uint64 // see Service.epoch
	until     int64  // nanoseconds since 1970
}

// cache remembers verdicts by the token itself. Readers take no lock: each
// shard is a map that is copied on change, and it changes only when a token is
// seen for the first time after something was taken away.
type cache struct {
	seed   maphash.Seed // random, so that nobody can aim at one shard
	shards [cacheShards]shard
}

type shard struct {
	entries atomic.Pointer[map[string]*verdict]
	mu      sync.Mutex // serialises changes
}

func (c *cache) init() {
	c.seed = maphash.MakeSeed()
	for i := range c.shards {
		c.shards[i].entries.Store(&map[string]*verdict{})
	}
}

func (c *cache) shard(token string) *shard {
	return &c.shards[maphash.String(c.seed, token)%cacheShards]
}

// load returns nil for a token that is not known. The caller compares epoch
// and time.
func (c *cache) load(token string) *verdict { return (*c.shard(token).entries.Load())[token] }

// store keeps token, which must not live in a shared buffer.
func (c *cache) store(token string, v *verdict, now time.Time) {
	s := c.shard(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.entries.Load())
	if len(next) >= shardEntries {
		makeRoom(next, v.epoch, now)
	}
	next[token] = v
	s.entries.Store(&next)
}

// makeRoom drops what is void, and one more where nothing was.
func makeRoom(entries map[string]*verdict, epoch uint64, now time.Time) {
	maps.DeleteFunc(entries, func(_ string, v *verdict) bool { return v.epoch != epoch || v.until <= now.UnixNano() })
	for token := range entries {
		if len(entries) < shardEntries {
			return
		}
		delete(entries, token)
	}
}

// drop forgets a token, so that one that was revoked does not stay in memory.
func (c *cache) drop(token string) {
	s := c.shard(token)
	if (*s.entries.Load())[token] == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.entries.Load())
	delete(next, token)
	s.entries.Store(&next)
}
