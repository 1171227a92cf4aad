package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/skiffhq/skiff/core/function"
)

// batch bounds what one transaction deletes: a store takes some 10,000
// operations at once.
const batch = 2000

var errEnough = errors.New("enough")

// purge removes the versions and aliases of a function and calls last in the
// transaction that removes the rest of them, with the function's record, nil
// where there is none. Where they are too many for one transaction the
// function is marked as long deleted first, so that a sweep ends what is begun
// here. begun reports whether anything was made durable. mu is held.
func (s *Service) purge(
	ctx context.Context, name string, o *outcome, last func(Tx, *function.Function) error,
) (begun bool, err error) {
	for done := false; !done; begun = true {
		var unused []string
		err := s.write(ctx, func(tx Tx) error {
			unused, done = nil, false
			f, err := tx.Function(name)
			if err != nil {
				return err
			}
			var n int
			if unused, n, err = clearSome(tx, name); err != nil {
				return err
			}
			if done = n < batch; done {
				return last(tx, f)
			}
			return condemn(tx, f, s.now())
		})
		if err != nil {
			return begun, err
		}
		o.unused = append(o.unused, unused...)
	}
	return begun, nil
}

// condemn marks a function as deleted so long ago that the next sweep takes it.
func condemn(tx Tx, f *function.Function, now time.Time) error {
	if f == nil || !f.DeletedAt.IsZero() {
		return nil
	}
	f.DeletedAt = now.Add(-keepDeleted)
	return tx.PutFunction(f)
}

// clearSome deletes up to batch aliases and versions. It returns how many, and
// the code of the versions among them.
func clearSome(tx Tx, name string) (unused []string, n int, err error) {
	aliases, err := some(func(fn func(*function.Alias) error) error { return tx.EachAlias(name, fn) }, batch)
	if err != nil {
		return nil, 0, err
	}
	versions, err := some(func(fn func(*function.Version) error) error { return tx.EachVersion(name, fn) }, batch-len(aliases))
	if err != nil {
		return nil, 0, err
	}
	for _, a := range aliases {
		if err := tx.DeleteAlias(name, a.Name); err != nil {
			return nil, 0, err
		}
	}
	for _, v := range versions {
		if err := tx.DeleteVersion(name, v.Number); err != nil {
			return nil, 0, err
		}
		unused = append(unused, v.CodeSHA256)
	}
	return unused, len(aliases) + len(versions), nil
}

// some collects the first records, so that none is deleted while they are gone
// through.
func some[T any](each func(func(*T) error) error, limit int) ([]*T, error) {
	var list []*T
	err := each(func(v *T) error {
		if len(list) == limit {
			return errEnough
		}
		list = append(list, v)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return list, err
}

func (s *Service) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("sweeping the catalogue failed; the next sweep tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep removes what was deleted long enough ago, and code without a user.
func (s *Service) sweep(ctx context.Context) error {
	due, err := s.due(ctx)
	if err != nil {
		return err
	}
	for _, name := range due {
		if err := s.sweepFunction(ctx, name); err != nil {
			return err
		}
	}
	return s.bundles.sweep(ctx)
}

// due lists the functions that were deleted long enough ago.
func (s *Service) due(ctx context.Context) (names []string, err error) {
	before := s.now().Add(-keepDeleted)
	err = s.opts.Store.View(ctx, func(r Reader) error {
		names = nil
		return r.EachFunction(func(f *function.Function) error {
			if !f.DeletedAt.IsZero() && !f.DeletedAt.After(before) {
				names = append(names, f.Name)
			}
			return ctx.Err()
		})
	})
	return names, err
}

// sweepFunction removes a function unless its name has been taken meanwhile.
func (s *Service) sweepFunction(ctx context.Context, name string) error {
	return s.change(func(o *outcome) error {
		if s.index.load(name) != nil {
			return nil
		}
		_, err := s.purge(ctx, name, o, func(tx Tx, _ *function.Function) error { return tx.DeleteFunction(name) })
		if err == nil {
			s.log.Info("removed a function that was deleted", "function", name)
		}
		return err
	})
}
