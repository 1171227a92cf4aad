package catalog

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/skiffhq/skiff/core/internal/table"
)

// index finds entries by name. Reading takes no lock; those who change it hold
// Service.mu.
type index struct {
	slots  table.Table[string, slot]
	sorted atomic.Pointer[[]*slot] // by name; never changed, only replaced

	functions, versions atomic.Int64
}

// slot is the place of one name, so that a change of a function copies no
// table. An empty slot is that of a function that has gone.
type slot struct {
	name  string
	entry atomic.Pointer[entry]
}

func (x *index) load(name string) *entry {
	if s := x.slots.Load(name); s != nil {
		return s.entry.Load()
	}
	return nil
}

// list returns the slots by name.
func (x *index) list() []*slot {
	if p := x.sorted.Load(); p != nil {
		return *p
	}
	return nil
}

// fill makes the entries, which are in order of name, all that there is.
func (x *index) fill(entries []*entry) {
	all := make([]*slot, len(entries))
	x.functions.Store(0)
	x.versions.Store(0)
	for i, e := range entries {
		all[i] = &slot{name: e.fn.Name}
		all[i].entry.Store(e)
		x.count(e, 1)
	}
	x.slots.Fill(func(yield func(string, *slot) bool) {
		for _, s := range all {
			if !yield(s.name, s) {
				return
			}
		}
	})
	x.sorted.Store(&all)
}

// replace puts next in the place of old; either may be nil.
func (x *index) replace(old, next *entry) {
	switch {
	case old != nil && next != nil:
		x.slots.Load(old.fn.Name).entry.Store(next)
	case next != nil:
		x.add(next)
	case old != nil:
		x.remove(old.fn.Name)
	}
	if old != nil {
		x.count(old, -1)
	}
	if next != nil {
		x.count(next, 1)
	}
}

func (x *index) add(e *entry) {
	s := &slot{name: e.fn.Name}
	s.entry.Store(e)
	x.slots.Update(s.name, func(*slot) *slot { return s })
	i, _ := x.place(s.name)
	next := slices.Insert(slices.Clone(x.list()), i, s)
	x.sorted.Store(&next)
}

func (x *index) remove(name string) {
	s := x.slots.Load(name)
	x.slots.Update(name, func(*slot) *slot { return nil })
	i, _ := x.place(name)
	next := slices.Delete(slices.Clone(x.list()), i, i+1)
	x.sorted.Store(&next)
	s.entry.Store(nil) // for those who hold the slot still
}

func (x *index) place(name string) (int, bool) {
	return slices.BinarySearchFunc(x.list(), name, func(s *slot, name string) int { return strings.Compare(s.name, name) })
}

func (x *index) count(e *entry, sign int64) {
	x.functions.Add(sign)
	x.versions.Add(sign * int64(len(e.versions)))
}
