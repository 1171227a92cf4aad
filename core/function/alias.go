package function

import (
	"maps"
	"slices"

	"github.com/skiffhq/skiff/core/fault"
)

// Check notes every fault of what a caller says of an alias. Whether the
// versions exist is core/catalog's to know.
func (s *AliasSpec) Check(faults *fault.Collector) {
	c := checker{faults}
	if s.Description != nil {
		c.text("description", *s.Description, MaxDescription)
	}
	c.check(s.Version != 0 || len(s.Routing) > 0, "version", "is required where routingConfig is not given")
	sum := 0
	for _, n := range slices.Sorted(maps.Keys(s.Routing)) {
		w := s.Routing[n]
		c.check(n != 0, "routingConfig", "must name versions by their numbers, from 1")
		c.check(w > 0 && w <= 100, "routingConfig", "must give each version 1 to 100 per cent, and gives %s %d", n, w)
		sum += w
	}
	c.check(len(s.Routing) == 0 || sum == 100, "routingConfig", "must sum to 100 per cent, and sums to %d", sum)
}

// CheckAliasName notes the fault of an alias's name, if it has one.
func CheckAliasName(name string, faults *fault.Collector) {
	checker{faults}.check(ValidAliasName(name), "aliasName",
		"must be 1 to %d letters, digits, hyphens and underscores, and not look like a version", maxName)
}

// Apply sets in a what the spec says. An alias with weights and no version
// shows the one with the largest share, the newest of equals.
func (s *AliasSpec) Apply(a *Alias) {
	set(&a.Description, s.Description)
	a.Version, a.Routing = s.Version, nil
	if len(s.Routing) == 0 {
		return
	}
	a.Routing = maps.Clone(s.Routing)
	if a.Version != 0 {
		return
	}
	for n, w := range a.Routing {
		if best := a.Routing[a.Version]; w > best || w == best && n > a.Version {
			a.Version = n
		}
	}
}

// Versions lists every version that the alias names, in ascending order.
func (a *Alias) Versions() []Number {
	all := append(slices.Collect(maps.Keys(a.Routing)), a.Version)
	slices.Sort(all)
	return slices.Compact(all)
}
