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
	key, err := join(kindFunction, name)
	return load[function.Function](r.s, key, err)
}

func (r catalogReader) Version(name string, n function.Number) (*function.Version, error) {
	key, err := joinNumber(kindVersion, name, n)
	return load[function.Version](r.s, key, err)
}

func (r catalogReader) Alias(name, alias string) (*function.Alias, error) {
	key, err := join(kindAlias, name, alias)
	return load[function.Alias](r.s, key, err)
}

func (r catalogReader) EachFunction(fn func(*function.Function) error) error {
	return each(r.s, prefixOf(kindFunction), nil, fn)
}

func (r catalogReader) EachVersion(name string, fn func(*function.Version) error) error {
	prefix, err := scope(kindVersion, name)
	return each(r.s, prefix, err, fn)
}

func (r catalogReader) EachAlias(name string, fn func(*function.Alias) error) error {
	prefix, err := scope(kindAlias, name)
	return each(r.s, prefix, err, fn)
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
	key, err := join(kindFunction, name)
	if err != nil {
		return nil // what cannot be a name is not there
	}
	c.t.delete(key)
	return c.t.deleteAll(prefixOf(kindTotals, name))
}

func (c catalogTx) DeleteVersion(name string, n function.Number) error {
	key, err := joinNumber(kindVersion, name, n)
	if err != nil {
		return nil
	}
	c.t.delete(key)
	totals, err := joinNumber(kindTotals, name, n)
	return c.t.deleteAt(totals, err)
}

func (c catalogTx) DeleteAlias(name, alias string) error {
	key, err := join(kindAlias, name, alias)
	return c.t.deleteAt(key, err)
}
