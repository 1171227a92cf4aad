package catalog

import (
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// Resolve implements invoke.Resolver: it returns the function and the unit
// that name and qualifier mean now. A weighted alias draws once. It asks no
// store, takes no lock and allocates nothing; as long as a unit does not
// change it is the same pointer. Faults: NotFound, Invalid for a malformed
// qualifier, Conflict with fault.ReasonNoCode for $LATEST of a function
// without a version.
func (s *Service) Resolve(name, qualifier string) (*function.Function, *function.Unit, error) {
	q, err := function.ParseQualifier(qualifier)
	if err != nil {
		return nil, nil, err
	}
	e := s.index.load(name)
	if e == nil {
		return nil, nil, noFunction(name)
	}
	u, err := e.resolve(q)
	if err != nil {
		return nil, nil, err
	}
	return e.fn, u, nil
}

func (e *entry) resolve(q function.Qualifier) (*function.Unit, error) {
	switch {
	case q.Alias != "":
		if r := e.alias(q.Alias); r != nil && len(r.targets) > 0 {
			return r.draw(), nil
		}
		return nil, noAlias(e.fn.Name, q.Alias)
	case q.Version != 0:
		if v := e.version(q.Version); v != nil {
			return &v.unit, nil
		}
		return nil, noVersion(e.fn.Name, q.Version)
	case e.latest == nil:
		return nil, noCode(e.fn.Name)
	}
	return e.latest, nil
}

// entry returns what is alive under the name, or a NotFound fault.
func (s *Service) entry(name string) (*entry, error) {
	if e := s.index.load(name); e != nil {
		return e, nil
	}
	return nil, noFunction(name)
}

// Function returns a function. Fault: NotFound.
func (s *Service) Function(name string) (*function.Function, error) {
	e, err := s.entry(name)
	if err != nil {
		return nil, err
	}
	return e.fn, nil
}

// Version returns a version. Fault: NotFound.
func (s *Service) Version(name string, n function.Number) (*function.Version, error) {
	e, err := s.entry(name)
	if err != nil {
		return nil, err
	}
	v := e.version(n)
	if v == nil {
		return nil, noVersion(name, n)
	}
	return &v.record, nil
}

// Versions returns every version of a function, newest first. Fault: NotFound.
func (s *Service) Versions(name string) ([]*function.Version, error) {
	e, err := s.entry(name)
	if err != nil {
		return nil, err
	}
	list := make([]*function.Version, len(e.versions))
	for i, v := range e.versions {
		list[len(list)-1-i] = &v.record
	}
	return list, nil
}

// Alias returns an alias. Fault: NotFound.
func (s *Service) Alias(name, alias string) (*function.Alias, error) {
	e, err := s.entry(name)
	if err != nil {
		return nil, err
	}
	r := e.alias(alias)
	if r == nil {
		return nil, noAlias(name, alias)
	}
	return r.alias, nil
}

// Aliases returns every alias of a function, by name. Fault: NotFound.
func (s *Service) Aliases(name string) ([]*function.Alias, error) {
	e, err := s.entry(name)
	if err != nil {
		return nil, err
	}
	list := make([]*function.Alias, len(e.aliases))
	for i, r := range e.aliases {
		list[i] = r.alias
	}
	return list, nil
}

// Counts returns how many functions and versions are alive.
func (s *Service) Counts() (functions, versions int) {
	return int(s.index.functions.Load()), int(s.index.versions.Load())
}

func noFunction(name string) error {
	return fault.New(fault.NotFound, "function_not_found", "function %.80q does not exist", name)
}

func noVersion(name string, n function.Number) error {
	return fault.New(fault.NotFound, "version_not_found", "function %q has no version %s", name, n)
}

func noAlias(name, alias string) error {
	return fault.New(fault.NotFound, "alias_not_found", "function %q has no alias %.80q", name, alias)
}

func noCode(name string) error {
	return fault.New(fault.Conflict, fault.ReasonNoCode, "function %q has no code yet", name).
		WithRemedy("publish a version: skiff deploy PATH --function %s", name)
}
