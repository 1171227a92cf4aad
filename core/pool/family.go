package pool

import (
	"sync"
	"sync/atomic"

	"github.com/skiffhq/skiff/core/function"
)

// family is the units of one function, which share its bound on instances.
type family struct {
	live  atomic.Int64 // instances that run or are being started
	units map[*unit]struct{}
}

// take counts an instance that is about to be started, unless the function
// has as many as it may already; 0 is no bound.
func (f *family) take(bound int) bool {
	for {
		n := f.live.Load()
		if bound > 0 && n >= int64(bound) {
			return false
		}
		if f.live.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (f *family) release() { f.live.Add(-1) }

// familyKey names a function; see function.Key about Born.
type familyKey struct {
	name string
	born int64
}

func keyOf(u *function.Unit) familyKey { return familyKey{u.Function, u.Born} }

// families keeps the families that have units. Its mutex is taken when units
// come and go, not by invocations.
type families struct {
	mu    sync.Mutex
	byKey map[familyKey]*family
}

func (fs *families) join(un *unit) *family {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	key := keyOf(un.u)
	f := fs.byKey[key]
	if f == nil {
		f = &family{units: map[*unit]struct{}{}}
		if fs.byKey == nil {
			fs.byKey = map[familyKey]*family{}
		}
		fs.byKey[key] = f
	}
	f.units[un] = struct{}{}
	return f
}

func (fs *families) leave(un *unit) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if delete(un.family.units, un); len(un.family.units) == 0 {
		delete(fs.byKey, keyOf(un.u))
	}
}

// siblings returns the other units of un's function.
func (fs *families) siblings(un *unit) []*unit {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var others []*unit
	for o := range un.family.units {
		if o != un {
			others = append(others, o)
		}
	}
	return others
}
