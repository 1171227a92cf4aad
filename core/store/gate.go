package store

import "sync"

// gate counts who uses the store, so that its files are not unmapped under
// anybody's eyes.
type gate struct {
	mu    sync.Mutex
	open  bool
	users int
	empty chan struct{} // closed when shut and no user is left; nil before shut
}

func (g *gate) unlock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
}

// enter reports whether the caller may use the store until it calls leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		g.users++
	}
	return g.open
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users--
	g.settle()
}

// shut lets nobody in any more and returns a channel that is closed when the
// last has left.
func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = false
	if g.empty == nil {
		g.empty = make(chan struct{})
		g.settle()
	}
	return g.empty
}

func (g *gate) settle() {
	if g.empty != nil && g.users == 0 {
		close(g.empty)
	}
}
