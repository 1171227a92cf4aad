package catalog

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// CreateAlias makes an alias. Faults: NotFound for the function, Conflict where
// the alias exists or the function has function.MaxAliases, Invalid with
// details, also for a version that does not exist.
func (s *Service) CreateAlias(ctx context.Context, name, alias string, spec function.AliasSpec) (*function.Alias, error) {
	var a *function.Alias
	err := s.change(func(o *outcome) error {
		e, err := s.entry(name)
		if err != nil {
			return err
		}
		if e.alias(alias) != nil {
			return fault.New(fault.Conflict, "alias_exists", "it exists already")
		}
		if err := e.allows(alias, spec); err != nil {
			return err
		}
		if len(e.aliases) >= function.MaxAliases {
			return fault.New(fault.Conflict, "too_many_aliases", "it has %d aliases, which is the most that it may have", len(e.aliases)).
				WithRemedy("delete one that nobody uses")
		}
		now := s.now()
		a = &function.Alias{FunctionName: e.fn.Name, Name: alias, CreatedAt: now, UpdatedAt: now, Revision: 1}
		return s.putAlias(ctx, e, a, spec, o)
	})
	if err != nil {
		return nil, failedAlias("create", name, alias, err)
	}
	return a, nil
}

// UpdateAlias points an alias elsewhere and counts its Revision up. Where
// ifMatch is given, the Revision must be that one. Faults: NotFound, Conflict
// with fault.ReasonPrecondition, Invalid with details.
func (s *Service) UpdateAlias(
	ctx context.Context, name, alias string, ifMatch *uint64, spec function.AliasSpec,
) (*function.Alias, error) {
	var a *function.Alias
	err := s.change(func(o *outcome) error {
		e, r, err := s.route(name, alias, ifMatch)
		if err != nil {
			return err
		}
		if err := e.allows(alias, spec); err != nil {
			return err
		}
		next := *r.alias
		next.Revision++
		next.UpdatedAt = s.now()
		a = &next
		return s.putAlias(ctx, e, a, spec, o)
	})
	if err != nil {
		return nil, failedAlias("update", name, alias, err)
	}
	return a, nil
}

// DeleteAlias removes an alias. Faults: NotFound, Conflict with
// fault.ReasonPrecondition.
func (s *Service) DeleteAlias(ctx context.Context, name, alias string, ifMatch *uint64) error {
	err := s.change(func(o *outcome) error {
		e, _, err := s.route(name, alias, ifMatch)
		if err != nil {
			return err
		}
		if err := s.write(ctx, func(tx Tx) error { return tx.DeleteAlias(name, alias) }); err != nil {
			return err
		}
		s.swap(e, e.withoutAlias(alias), o)
		return nil
	})
	return failedAlias("delete", name, alias, err)
}

// route finds an alias that is about to change.
func (s *Service) route(name, alias string, ifMatch *uint64) (*entry, *route, error) {
	e, err := s.entry(name)
	if err != nil {
		return nil, nil, err
	}
	r := e.alias(alias)
	if r == nil {
		return nil, nil, noAlias(name, alias)
	}
	return e, r, match(ifMatch, r.alias.Revision)
}

// allows checks what is said of an alias against the versions that there are.
func (e *entry) allows(alias string, spec function.AliasSpec) error {
	var faults fault.Collector
	function.CheckAliasName(alias, &faults)
	spec.Check(&faults)
	if n := spec.Version; n != 0 && e.version(n) == nil {
		faults.Add("version", "must exist, and the function has no version %s", n)
	}
	for _, n := range slices.Sorted(maps.Keys(spec.Routing)) {
		if e.version(n) == nil && !faults.Has("routingConfig") {
			faults.Add("routingConfig", "must name versions that exist, and the function has no version %s", n)
		}
	}
	return faults.Err("the alias is not valid")
}

func (s *Service) putAlias(ctx context.Context, e *entry, a *function.Alias, spec function.AliasSpec, o *outcome) error {
	spec.Apply(a)
	if err := s.write(ctx, func(tx Tx) error { return tx.PutAlias(a) }); err != nil {
		return err
	}
	s.swap(e, e.withAlias(a), o)
	return nil
}

func failedAlias(what, name, alias string, err error) error {
	return failed(what+" alias "+strconv.Quote(alias[:min(len(alias), 80)])+" of", name, err)
}
