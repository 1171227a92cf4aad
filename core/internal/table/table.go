// Package table maps keys to values that are read on every invocation and
// changed rarely: reading takes no lock and allocates nothing, which sync.Map
// cannot offer for keys that are not pointers.
package table

import (
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
)

// shards bounds what one change copies: with 10,000 keys about 160 entries.
const shards = 64

var seed = maphash.MakeSeed()

// Table maps keys to pointers. The zero value is empty and ready; it serves
// any number of goroutines and must not be copied.
type Table[K comparable, V any] struct {
	shards [shards]shard[K, V]
}

// shard holds a map that is never changed, only replaced.
type shard[K comparable, V any] struct {
	mu      sync.Mutex // held by those who replace the map
	entries atomic.Pointer[map[K]*V]
}

func (t *Table[K, V]) shard(key K) *shard[K, V] {
	return &t.shards[maphash.Comparable(seed, key)%shards]
}

func (s *shard[K, V]) load(key K) *V {
	if m := s.entries.Load(); m != nil {
		return (*m)[key]
	}
	return nil
}

// Load returns the key's value, or nil.
func (t *Table[K, V]) Load(key K) *V { return t.shard(key).load(key) }

// Update replaces the key's value by what fn makes of it, and returns that.
// fn gets nil where there is none and removes the entry by returning nil.
// Updates of one key are serialised; fn must not use the table.
func (t *Table[K, V]) Update(key K, fn func(old *V) *V) *V {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.load(key)
	v := fn(old)
	if v != old {
		s.replace(key, v)
	}
	return v
}

// Fill adds many entries at the cost of one change of each shard. It is for
// tables that nobody else changes meanwhile.
func (t *Table[K, V]) Fill(entries iter.Seq2[K, *V]) {
	var next [shards]map[K]*V
	for k, v := range entries {
		i := maphash.Comparable(seed, k) % shards
		if next[i] == nil {
			next[i] = t.shards[i].clone()
		}
		next[i][k] = v
	}
	for i, m := range next {
		if m != nil {
			t.shards[i].entries.Store(&m)
		}
	}
}

// clone returns a copy with room for one more.
func (s *shard[K, V]) clone() map[K]*V {
	m := s.entries.Load()
	if m == nil {
		return make(map[K]*V)
	}
	next := make(map[K]*V, len(*m)+1)
	for k, v := range *m {
		next[k] = v
	}
	return next
}

func (s *shard[K, V]) replace(key K, v *V) {
	next := s.clone()
	if next[key] = v; v == nil {
		delete(next, key)
	}
	s.entries.Store(&next)
}

// All goes through the entries in no order. Changes made meanwhile may or may
// not be seen.
func (t *Table[K, V]) All() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for i := range t.shards {
			m := t.shards[i].entries.Load()
			if m == nil {
				continue
			}
			for k, v := range *m {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}
