package store

import (
	"context"

	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/function"
)

// catalogStore implements catalog.Store.
type catalogStore struct{ s *Store }

func (c catalogStore) View(ctx context.Context, fn func(catalog.Reader) error) error {
	return c.s.view(ctx, func(st *state) error { return fn(catalogReader{st}) })
}

func (c catalogStore) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	return c.s.update(ctx, func(t *tx) error { return fn(catalogTx{catalogReader{&t.state}, t}) })
}

type catalogReader struct{ s *state }

func (r catalogReader) Function(name string) (*function.Function, error) {
	return load[function.Function](r.s, find(kindFunction, name))
}

func (r catalogReader) Version(name string, n function.Number) (*function.Version, error) {
	return load[function.Version](r.s, findNumber(kindVersion, name, n))
}

func (r catalogReader) Alias(name, alias string) (*function.Alias, error) {
	return load[function.Alias](r.s, find(kindAlias, name, alias))
}

func (r catalogReader) EachFunction(fn func(*function.Function) error) error {
	return each(r.s, prefixOf(kindFunction), fn)
}

func (r catalogReader) EachVersion(name string, fn func(*function.Version) error) error {
	return each(r.s, scope(kindVersion, name), fn)
}

func (r catalogReader) EachAlias(name string, fn func(*function.Alias) error) error {
	return each(r.s, scope(kindAlias, name), fn)
}

type catalogTx struct {
	catalogReader
	t *tx
}

func (c catalogTx) PutFunction(f *function.Function) error {
	key, err := join(kindFunction, f.Name)
	return c.t.putAt(key, err, f)
}

func (c catalogTx) PutVersion(v *function.Version) error {
	key, err := joinNumber(kindVersion, v.FunctionName, v.Number)
	return c.t.putAt(key, err, v)
}

func (c catalogTx) PutAlias(a *function.Alias) error {
	key, err := join(kindAlias, a.FunctionName, a.Name)
	return c.t.putAt(key, err, a)
}

// DeleteFunction deletes the function's counters too: nobody else knows when
// they are not needed any more.
func (c catalogTx) DeleteFunction(name string) error {
	key := find(kindFunction, name)
	if key == nil {
		return nil // else all counters of all functions would go
	}
	c.t.delete(key)
	return c.t.deleteAll(scope(kindTotals, name))
}

func (c catalogTx) DeleteVersion(name string, n function.Number) error {
	c.t.delete(findNumber(kindVersion, name, n))
	c.t.delete(findNumber(kindTotals, name, n))
	return nil
}

func (c catalogTx) DeleteAlias(name, alias string) error {
	c.t.delete(find(kindAlias, name, alias))
	return nil
}
