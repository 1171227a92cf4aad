package function

import (
	"maps"
	"slices"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// Apply sets in f what the patch gives. A value that f cannot hold is noted as
// a fault and left out; whether the others are allowed, Function.Check tells.
// f shares no map, list or pointer with the patch afterwards.
func (p *Patch) Apply(f *Function, runtimes *Catalogue, faults *fault.Collector) {
	set(&f.Description, p.Description)
	set(&f.Team, p.Team)
	f.Tags = cloneMap(f.Tags, p.Tags)
	if p.AllowedRoles != nil {
		f.AllowedRoles = append([]Role(nil), p.AllowedRoles...)
	}
	p.applySettings(&f.Settings, runtimes, faults)
	if r := p.ReservedConcurrency; r.Set {
		f.ReservedConcurrency = clonePointer(r.Value)
	}
	if p.Scaling != nil {
		p.Scaling.apply(&f.Scaling)
	}
	if p.Retry != nil {
		p.Retry.apply(&f.Retry)
	}
	set(&f.DeadLetter, p.DeadLetter)
}

func (p *Patch) applySettings(s *Settings, runtimes *Catalogue, faults *fault.Collector) {
	if p.Runtime != nil {
		r, err := runtimes.Parse(*p.Runtime)
		if err != nil {
			faults.Add("runtime", "%s", runtimeFault(*p.Runtime, err))
		} else {
			s.Runtime = r
		}
	}
	set(&s.Handler, p.Handler)
	if s.Handler == "" && s.Runtime == RuntimeWasm {
		s.Handler = DefaultWasmHandler
	}
	set(&s.MemoryMB, p.MemoryMB)
	if p.Timeout != nil {
		s.Timeout = seconds(*p.Timeout)
	}
	s.Environment = cloneMap(s.Environment, p.Environment)
	set(&s.Network, p.Network)
	set(&s.Isolation, p.Isolation)
	set(&s.InstanceConcurrency, p.InstanceConcurrency)
}

func (p *ScalingPatch) apply(s *Scaling) {
	set(&s.MinInstances, p.MinInstances)
	set(&s.MaxInstances, p.MaxInstances)
	set(&s.TargetConcurrency, p.TargetConcurrency)
	set(&s.ScaleUpCooldown, p.ScaleUpCooldown)
	set(&s.ScaleDownCooldown, p.ScaleDownCooldown)
	set(&s.PreProvisionedConcurrency, p.PreProvisionedConcurrency)
	set(&s.KeepWarmEnabled, p.KeepWarmEnabled)
	set(&s.KeepWarmInterval, p.KeepWarmInterval)
}

func (p *RetryPatch) apply(r *Retry) {
	set(&r.MaxAttempts, p.MaxAttempts)
	set(&r.MinDelay, p.MinDelay)
	set(&r.MaxDelay, p.MaxDelay)
	set(&r.MaxAge, p.MaxAge)
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// cloneMap returns a copy of what is given, nil for an empty one, else what is
// there.
func cloneMap(there, given map[string]string) map[string]string {
	switch {
	case given == nil:
		return there
	case len(given) == 0:
		return nil
	}
	return maps.Clone(given)
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// seconds keeps a number that a Duration cannot hold out of bounds, where
// multiplying would bring it back into them.
func seconds(n int) time.Duration {
	most := int(MaxTimeout/time.Second) + 1
	return time.Duration(min(max(n, -1), most)) * time.Second
}

// Clone returns a copy that shares nothing that can be changed with f.
func (f *Function) Clone() *Function {
	c := *f
	c.Tags = maps.Clone(f.Tags)
	c.AllowedRoles = slices.Clone(f.AllowedRoles)
	c.Environment = maps.Clone(f.Environment)
	c.ReservedConcurrency = clonePointer(f.ReservedConcurrency)
	return &c
}
