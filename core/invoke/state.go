package invoke

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/core/function"
)

// state is what the invoker knows of one function. A function that is made
// again under an old name gets a new one.
type state struct {
	born   int64 // see function.Key
	gate   gate
	window atomic.Pointer[window] // made by the first invocation

	deleted  atomic.Bool // some versions are gone
	mu       sync.Mutex  // held by those who replace versions
	versions atomic.Pointer[map[function.Number]*version]
}

// version is what the invoker knows of one version of a function.
type version struct {
	tally
	gone   atomic.Bool // the version was deleted; see fold
	mu     sync.Mutex  // held by those who replace series
	series atomic.Pointer[[]series]
}

// series are the metrics of one unit and one trigger. Triggers are few, so a
// list is searched faster than a map.
type series struct {
	revision uint64 // of $LATEST, whose runtime may change
	trigger  string
	Series
}

// state returns the state of the function that was born then, or of a younger
// namesake: who asks for an older one looked at the catalogue before it was
// deleted.
func (v *Invoker) state(name string, born int64) *state {
	if s := v.functions.Load(name); s != nil && s.born >= born {
		return s
	}
	return v.functions.Update(name, func(old *state) *state {
		if old != nil && old.born >= born {
			return old
		}
		s := &state{born: born}
		s.versions.Store(&map[function.Number]*version{})
		return s
	})
}

// stateOf returns the function's state, or nil where it was never invoked.
func (v *Invoker) stateOf(f *function.Function) *state {
	if s := v.functions.Load(f.Name); s != nil && s.born == f.CreatedAt.UnixNano() {
		return s
	}
	return nil
}

// Forget drops what is known of a function that has been deleted for good. A
// namesake that was made since keeps its own.
func (v *Invoker) Forget(f *function.Function) {
	v.functions.Update(f.Name, func(old *state) *state {
		if old != nil && old.born == f.CreatedAt.UnixNano() {
			return nil
		}
		return old
	})
}

// ForgetVersion drops what is known of a version that has been deleted, by the
// key that its unit had, within ten seconds. What it was invoked stays in its
// function's total.
func (v *Invoker) ForgetVersion(key function.Key) {
	s := v.functions.Load(key.Function)
	if s == nil || s.born != key.Born || key.Version == 0 {
		return
	}
	if ver := (*s.versions.Load())[key.Version]; ver != nil {
		ver.gone.Store(true)
		s.deleted.Store(true)
	}
}

// fold adds the deleted versions' counters to those of Gone and drops the
// versions, all at once: each change copies the map. An invocation that still
// runs on one of them is not counted for life any more.
func (s *state) fold() {
	if !s.deleted.CompareAndSwap(true, false) {
		return
	}
	into := s.version(Gone)
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[function.Number]*version)
	for n, ver := range *s.versions.Load() {
		if ver.gone.Load() {
			into.take(&ver.tally)
		} else {
			next[n] = ver
		}
	}
	s.versions.Store(&next)
}

// Window sums up what the function did in the given time before now, to the
// minute where that is at most an hour, else to the quarter of an hour, and
// never further back than MaxWindow or the start of the process.
func (v *Invoker) Window(f *function.Function, length time.Duration, now time.Time) Summary {
	if s := v.stateOf(f); s != nil {
		if w := s.window.Load(); w != nil {
			return w.summary(length, now)
		}
	}
	return Summary{}
}

// recent returns the function's window, making it where this is the first
// invocation.
func (s *state) recent() *window {
	if w := s.window.Load(); w != nil {
		return w
	}
	s.window.CompareAndSwap(nil, new(window))
	return s.window.Load()
}

// version returns what is known of a version.
func (s *state) version(n function.Number) *version {
	if ver := (*s.versions.Load())[n]; ver != nil {
		return ver
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.versions.Load()
	if ver := old[n]; ver != nil {
		return ver
	}
	next := maps.Clone(old)
	ver := &version{}
	next[n] = ver
	s.versions.Store(&next)
	return ver
}

// metrics returns the series of a unit and a trigger.
func (ver *version) metrics(m Metrics, u *function.Unit, trigger string) Series {
	if m == nil {
		return noSeries{}
	}
	if s := ver.find(u, trigger); s != nil {
		return s
	}
	ver.mu.Lock()
	defer ver.mu.Unlock()
	if s := ver.find(u, trigger); s != nil {
		return s
	}
	made := m.Series(u, trigger)
	next := []series{{u.Revision, trigger, made}}
	if old := ver.series.Load(); old != nil {
		for _, s := range *old {
			if s.revision == u.Revision {
				next = append(next, s)
			}
		}
	}
	ver.series.Store(&next)
	return made
}

func (ver *version) find(u *function.Unit, trigger string) Series {
	if all := ver.series.Load(); all != nil {
		for i := range *all {
			if s := &(*all)[i]; s.revision == u.Revision && s.trigger == trigger {
				return s.Series
			}
		}
	}
	return nil
}

// noSeries counts nothing.
type noSeries struct{}

func (noSeries) Began()            {}
func (noSeries) Ended(Observation) {}
func (noSeries) Throttled()        {}
