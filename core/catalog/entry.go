package catalog

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/function"
)

// entry is all that is alive of one function. It is never changed, only
// replaced; an entry shares what has not changed with the one before.
type entry struct {
	fn       *function.Function
	latest   *function.Unit // nil before the first version
	versions []*version     // by number
	aliases  []*route       // by name
}

// version is a record with its unit, in one piece because there are many.
type version struct {
	record function.Version
	unit   function.Unit
}

// route is an alias with what it leads to.
type route struct {
	alias   *function.Alias
	targets []target
}

type target struct {
	unit   *function.Unit
	weight int // per cent
}

func newVersion(v *function.Version, team string, key function.Key) *version {
	e := &version{record: *v, unit: v.Unit(team, key.Born)}
	e.unit.Revision = key.Revision
	return e
}

// versionAt returns the place of version n among the versions.
func (e *entry) versionAt(n function.Number) (int, bool) {
	return slices.BinarySearchFunc(e.versions, n, func(v *version, n function.Number) int {
		return cmp.Compare(v.record.Number, n)
	})
}

func (e *entry) version(n function.Number) *version {
	if i, ok := e.versionAt(n); ok {
		return e.versions[i]
	}
	return nil
}

// newest returns the version with the highest number, nil where there is none.
func (e *entry) newest() *version {
	if len(e.versions) == 0 {
		return nil
	}
	return e.versions[len(e.versions)-1]
}

func (e *entry) aliasAt(name string) (int, bool) {
	return slices.BinarySearchFunc(e.aliases, name, func(r *route, name string) int {
		return strings.Compare(r.alias.Name, name)
	})
}

func (e *entry) alias(name string) *route {
	if i, ok := e.aliasAt(name); ok {
		return e.aliases[i]
	}
	return nil
}

// draw picks a target by the weights.
func (r *route) draw() *function.Unit {
	if len(r.targets) == 1 {
		return r.targets[0].unit
	}
	n := rand.IntN(100)
	for _, t := range r.targets {
		if n -= t.weight; n < 0 {
			return t.unit
		}
	}
	return r.targets[len(r.targets)-1].unit
}

// withFunction returns the entry under another configuration of the function.
func (e *entry) withFunction(fn *function.Function) *entry {
	next := *e
	next.fn = fn
	if e.fn.Team != fn.Team {
		next.regroup()
	}
	next.refresh()
	return &next
}

// regroup makes units of the function's present team. They are other units
// than before, and their keys must say so.
func (e *entry) regroup() {
	versions := make([]*version, len(e.versions))
	for i, v := range e.versions {
		versions[i] = newVersion(&v.record, e.fn.Team, function.Key{Born: e.fn.Born(), Revision: e.fn.Revision})
	}
	e.versions = versions
	e.reroute()
}

// reroute leads every alias to the units that the versions have now.
func (e *entry) reroute() {
	routes := make([]*route, len(e.aliases))
	for i, r := range e.aliases {
		routes[i] = e.route(r.alias)
	}
	e.aliases = routes
}

// refresh makes the unit of $LATEST anew where it differs from what is there.
func (e *entry) refresh() {
	v := e.newest()
	if v == nil {
		e.latest = nil
		return
	}
	old := e.latest
	if old != nil && old.CodeSHA256 == v.record.CodeSHA256 && old.Team == e.fn.Team && old.Settings.Equal(&e.fn.Settings) {
		return
	}
	u := e.fn.Latest(v.record.CodeSHA256)
	e.latest = &u
}

// withVersion returns the entry with a version more, the newest.
func (e *entry) withVersion(fn *function.Function, v *function.Version) *entry {
	next := *e
	next.fn = fn
	next.versions = append(slices.Clip(e.versions), newVersion(v, fn.Team, function.Key{Born: fn.Born()}))
	next.refresh()
	return &next
}

func (e *entry) withoutVersion(n function.Number) *entry {
	next := *e
	next.versions = slices.DeleteFunc(slices.Clone(e.versions), func(v *version) bool { return v.record.Number == n })
	next.refresh()
	return &next
}

func (e *entry) withAlias(a *function.Alias) *entry {
	next := *e
	i, known := e.aliasAt(a.Name)
	next.aliases = slices.Clone(e.aliases)
	if known {
		next.aliases[i] = e.route(a)
	} else {
		next.aliases = slices.Insert(next.aliases, i, e.route(a))
	}
	return &next
}

func (e *entry) withoutAlias(name string) *entry {
	next := *e
	next.aliases = slices.DeleteFunc(slices.Clone(e.aliases), func(r *route) bool { return r.alias.Name == name })
	return &next
}

// route finds what an alias leads to. A version that is not there, which only
// a damaged store can say, gets nothing.
func (e *entry) route(a *function.Alias) *route {
	r := &route{alias: a}
	if len(a.Routing) == 0 {
		r.lead(e, a.Version, 100)
		return r
	}
	for _, n := range slices.Sorted(maps.Keys(a.Routing)) {
		r.lead(e, n, a.Routing[n])
	}
	return r
}

func (r *route) lead(e *entry, n function.Number, weight int) {
	if v := e.version(n); v != nil {
		r.targets = append(r.targets, target{unit: &v.unit, weight: weight})
	}
}

// retired lists the units of e that next has no more. A nil next has none.
func (e *entry) retired(next *entry) []function.Key {
	if next == nil {
		next = &entry{}
	}
	var gone []function.Key
	if e.latest != nil && e.latest != next.latest {
		gone = append(gone, e.latest.Key)
	}
	for _, v := range e.versions {
		if now := next.version(v.record.Number); now == nil || now.unit.Key != v.unit.Key {
			gone = append(gone, v.unit.Key)
		}
	}
	return gone
}
