package artifact

import (
	"container/list"
	"sync"
)

// unpacked is a tree on disk. Its mutable fields belong to the cache's lock.
type unpacked struct {
	sha    string
	kind   Kind
	dir    string
	bytes  int64
	leases int
	doomed bool          // deleted while in use: goes with the last lease
	idle   *list.Element // its place in the order of last use; nil while leased
}

// cache knows the unpacked trees and which of them may go. It touches no disk
// itself, but runs the short functions it is given under its lock, so that a
// deletion and an upload of the same bytes cannot cross.
type cache struct {
	mu    sync.Mutex
	max   int64
	bytes int64 // of idle trees
	trees map[string]*unpacked
	idle  *list.List // least recently used first
}

func newCache(maxBytes int64) cache {
	return cache{max: maxBytes, trees: map[string]*unpacked{}, idle: list.New()}
}

// add makes a tree known, idle and most recently used. It evicts nothing, so
// that whoever unpacked it finds it there. It is false where the bundle has a
// tree already, or was deleted while it was unpacked, as stored tells.
func (c *cache) add(t *unpacked, stored func() bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.trees[t.sha]; known || !stored() {
		return false
	}
	c.trees[t.sha] = t
	c.rest(t)
	return true
}

// lease returns the tree in use, or nil where it is not unpacked or deleted.
func (c *cache) lease(sha string) *unpacked {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trees[sha]
	if t == nil || t.doomed {
		return nil
	}
	if t.leases++; t.idle != nil {
		c.wake(t)
	}
	return t
}

// release ends one lease and returns the directories that must go now.
func (c *cache) release(t *unpacked) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.leases--; t.leases > 0 {
		return nil
	}
	if t.doomed {
		delete(c.trees, t.sha)
		return []string{t.dir}
	}
	c.rest(t)
	return c.evict()
}

func (c *cache) rest(t *unpacked) {
	t.idle = c.idle.PushBack(t)
	c.bytes += t.bytes
}

func (c *cache) wake(t *unpacked) {
	c.idle.Remove(t.idle)
	t.idle = nil
	c.bytes -= t.bytes
}

// evict drops idle trees, the least recently used first, until the rest fits.
func (c *cache) evict() []string {
	var dirs []string
	for c.bytes > c.max {
		t := c.idle.Front().Value.(*unpacked)
		c.wake(t)
		delete(c.trees, t.sha)
		dirs = append(dirs, t.dir)
	}
	return dirs
}

// gone is what a deletion leaves to be done.
type gone struct {
	dirs []string
	err  error
}

// discard runs remove, which deletes the packed bytes, and forgets the tree;
// one that is in use is doomed.
func (c *cache) discard(sha string, remove func() error) gone {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := remove(); err != nil {
		return gone{err: err}
	}
	t := c.trees[sha]
	switch {
	case t == nil:
		return gone{}
	case t.leases > 0:
		t.doomed = true
		return gone{}
	}
	c.wake(t)
	delete(c.trees, sha)
	return gone{dirs: []string{t.dir}}
}

// revive runs store, which puts the packed bytes in place, and takes back the
// doom of a tree whose bundle was deleted and has come again.
func (c *cache) revive(sha string, store func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := store(); err != nil {
		return err
	}
	if t := c.trees[sha]; t != nil {
		t.doomed = false
	}
	return nil
}
