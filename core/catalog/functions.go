package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// Create makes a function of the defaults and the patch, owned by the actor.
// A soft-deleted function of that name is replaced wholly: the new one begins
// at version 1 and shares nothing with it. Faults: Conflict where a function
// of that name is alive, Invalid with details.
func (s *Service) Create(ctx context.Context, actor, name string, p *function.Patch) (*function.Function, error) {
	f := function.Default()
	f.Name, f.OwnerID, f.Revision = name, actor, 1
	if err := s.apply(&f, p); err != nil {
		return nil, failed("create", name, err)
	}
	err := s.change(func(o *outcome) error {
		if s.index.load(name) != nil {
			return fault.New(fault.Conflict, "function_exists", "it exists already")
		}
		f.CreatedAt = s.born()
		f.UpdatedAt = f.CreatedAt
		_, err := s.purge(ctx, name, o, func(tx Tx, old *function.Function) error {
			if old != nil { // its counters must go too
				if err := tx.DeleteFunction(name); err != nil {
					return err
				}
			}
			return tx.PutFunction(&f)
		})
		if err == nil {
			s.index.replace(nil, &entry{fn: &f})
		}
		return err
	})
	if err != nil {
		return nil, failed("create", name, err)
	}
	return &f, nil
}

// born returns the time of a birth, later than any before: it tells a function
// from its deleted namesakes even where the clock stood still or went back.
// mu is held.
func (s *Service) born() time.Time {
	now := s.now()
	if !now.After(s.lastBorn) {
		now = s.lastBorn.Add(1)
	}
	s.lastBorn = now
	return now
}

// apply sets what the patch says and checks the whole.
func (s *Service) apply(f *function.Function, p *function.Patch) error {
	var faults fault.Collector
	p.Apply(f, s.opts.Runtimes, &faults)
	f.Check(s.opts.Runtimes, &faults)
	return faults.Err("the configuration is not valid")
}

// Update sets what the patch says and counts the function's Revision up. Where
// ifMatch is given, the Revision must be that one. Faults: NotFound, Invalid
// with details, Conflict with fault.ReasonPrecondition.
func (s *Service) Update(ctx context.Context, name string, ifMatch *uint64, p *function.Patch) (*function.Function, error) {
	var f *function.Function
	err := s.change(func(o *outcome) error {
		e, err := s.entry(name)
		if err != nil {
			return err
		}
		err = s.write(ctx, func(tx Tx) error {
			if f, err = alive(tx, name); err != nil {
				return err
			}
			if err := match(ifMatch, f.Revision); err != nil {
				return err
			}
			if err := s.apply(f, p); err != nil {
				return err
			}
			f.Revision++
			f.UpdatedAt = s.now()
			return tx.PutFunction(f)
		})
		if err == nil {
			s.swap(e, e.withFunction(f), o)
		}
		return err
	})
	if err != nil {
		return nil, failed("update", name, err)
	}
	return f, nil
}

// swap makes a change seen that is durable. mu is held.
func (s *Service) swap(old, next *entry, o *outcome) {
	if s.index.replace(old, next); next == nil {
		o.removed = old.fn
	}
	o.retired = append(o.retired, old.retired(next)...)
}

// Delete makes a function invisible at once. What it consists of is kept for
// seven days and then swept, or with force removed before Delete returns.
// Faults: NotFound, Conflict where the function may not be deleted now.
func (s *Service) Delete(ctx context.Context, name string, force bool) error {
	err := s.change(func(o *outcome) error {
		e, err := s.entry(name)
		if err != nil {
			return err
		}
		if err := e.needed(0); err != nil {
			return err
		}
		var gone bool
		if force {
			gone, err = s.purge(ctx, name, o, func(tx Tx, _ *function.Function) error { return tx.DeleteFunction(name) })
		} else {
			err = s.bury(ctx, name)
			gone = err == nil
		}
		if gone {
			s.swap(e, nil, o)
		}
		return err
	})
	return failed("delete", name, err)
}

func (s *Service) bury(ctx context.Context, name string) error {
	return s.write(ctx, func(tx Tx) error {
		f, err := alive(tx, name)
		if err != nil {
			return err
		}
		f.DeletedAt = s.now()
		return tx.PutFunction(f)
	})
}

// needed returns a Conflict where version n, or for 0 the function as a whole,
// may not be deleted because something lives on it. Whatever comes to need
// versions has its say here.
func (e *entry) needed(n function.Number) error {
	if n == 0 {
		return nil // a function goes with its aliases
	}
	for _, r := range e.aliases {
		for _, used := range r.alias.Versions() {
			if used == n {
				return fault.New(fault.Conflict, "version_in_use", "version %s is used by the alias %q", n, r.alias.Name).
					WithRemedy("point the alias to another version first")
			}
		}
	}
	if v := e.newest(); v != nil && v.record.Number == n {
		return fault.New(fault.Conflict, "version_in_use", "version %s is the newest, whose code %s runs", n, function.Latest).
			WithRemedy("publish another version first, or delete the function")
	}
	return nil
}

// alive reads the record of a function that is not deleted.
func alive(r Reader, name string) (*function.Function, error) {
	f, err := r.Function(name)
	if err == nil && (f == nil || !f.DeletedAt.IsZero()) {
		err = noFunction(name)
	}
	return f, err
}

// match checks an If-Match against the revision there is.
func match(want *uint64, have uint64) error {
	if want == nil || *want == have {
		return nil
	}
	return fault.New(fault.Conflict, fault.ReasonPrecondition, "it was changed meanwhile: its revision is %d, not %d", have, *want).
		WithRemedy("read it again and repeat the change")
}

// failed says what was attempted, on which function. A fault stays of its kind
// and keeps its details; nil stays nil.
func failed(what, name string, err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if !errors.As(err, &known) {
		return fmt.Errorf("%s function %.80q: %w", what, name, err)
	}
	e := *known
	e.Message = fmt.Sprintf("%s function %.80q: %s", what, name, known.Message)
	return &e
}
