package pool

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

// State is what an instance does.
type State string

// The states of instances.
const (
	StateIdle     State = "idle"     // warm, without an invocation
	StateBusy     State = "busy"     // runs at least one invocation
	StateStarting State = "starting" // code being loaded, or the instance being made
	StateDraining State = "draining" // of a retired unit, or being stopped
)

// Stats counts instances by state, for skiff_pool_instances.
type Stats struct {
	Idle, Busy, Starting, Draining int
}

// Instance is a live instance as operators see it.
type Instance struct {
	ID        string
	Unit      *function.Unit
	Kind      sandbox.Kind
	State     State
	InFlight  int
	Memory    int64 // bytes
	StartedAt time.Time

	inst sandbox.Instance
}

// Stats counts the instances there are now. It looks at every unit, so it is
// for metrics and not for invocations.
func (p *Pool) Stats() Stats {
	s := Stats{Draining: int(p.stopping.Load())}
	for _, un := range p.units.All() {
		un.count(&s)
	}
	return s
}

func (un *unit) count(s *Stats) {
	un.mu.Lock()
	defer un.mu.Unlock()
	for _, m := range un.members {
		switch un.state(m) {
		case StateDraining:
			s.Draining++
		case StateBusy:
			s.Busy++
		default:
			s.Idle++
		}
	}
	s.Starting += un.pending
	if un.loading != nil {
		s.Starting++
	} else if un.oneShot {
		// Every user has an instance or makes one.
		s.Starting += max(int(un.users.Load())-len(un.members), 0)
	}
}

// state names what an instance does. mu is held.
func (un *unit) state(m *member) State {
	switch {
	case un.retired.Load():
		return StateDraining
	case m.inFlight > 0:
		return StateBusy
	default:
		return StateIdle
	}
}

// Instances lists the live instances by function, version and id.
func (p *Pool) Instances() []Instance {
	var all []Instance
	for _, un := range p.units.All() {
		from := len(all)
		all = un.describe(all)
		for i := range all[from:] { // outside the lock: the host may take its time
			in := &all[from+i]
			stats := in.inst.Stats()
			in.ID, in.Memory, in.StartedAt = in.inst.ID(), stats.Memory, stats.StartedAt
		}
	}
	slices.SortFunc(all, func(a, b Instance) int {
		return cmp.Or(strings.Compare(a.Unit.Function, b.Unit.Function),
			cmp.Compare(a.Unit.Version, b.Unit.Version), strings.Compare(a.ID, b.ID))
	})
	return all
}

// describe appends the unit's instances without what only they know.
func (un *unit) describe(all []Instance) []Instance {
	un.mu.Lock()
	defer un.mu.Unlock()
	for _, m := range un.members {
		all = append(all, Instance{inst: m.inst, Unit: un.u, Kind: un.host.Kind(), State: un.state(m), InFlight: m.inFlight})
	}
	return all
}
