package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/invoke"
)

func (a numbered) compare(b numbered) int {
	return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.number, b.number))
}

func (a named) compare(b named) int {
	return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.alias, b.alias))
}

// each calls fn with the records whose key is wanted, in order, as they are at
// the beginning.
func each[V any, K comparable](t table[K], order func(a, b K) int, want func(K) bool, fn func(*V) error) error {
	t = maps.Clone(t)
	for _, key := range slices.SortedFunc(maps.Keys(t), order) {
		if !want(key) {
			continue
		}
		v, err := read[V](t, key)
		if err != nil {
			return err
		}
		if err := fn(v); err != nil {
			return err
		}
	}
	return nil
}

func all(string) bool { return true }

type catalogStore struct{ s *Store }

func (c catalogStore) View(ctx context.Context, fn func(catalog.Reader) error) error {
	st, err := c.s.view(ctx)
	if err != nil {
		return err
	}
	return fn(catalogTx{st})
}

func (c catalogStore) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	return c.s.update(ctx, func(st state) error { return fn(catalogTx{st}) })
}

type catalogTx struct{ state }

func (t catalogTx) Function(name string) (*function.Function, error) {
	return read[function.Function](t.functions, name)
}

func (t catalogTx) Version(name string, n function.Number) (*function.Version, error) {
	return read[function.Version](t.versions, numbered{name, n})
}

func (t catalogTx) Alias(name, alias string) (*function.Alias, error) {
	return read[function.Alias](t.aliases, named{name, alias})
}

func (t catalogTx) EachFunction(fn func(*function.Function) error) error {
	return each(t.functions, strings.Compare, all, fn)
}

func (t catalogTx) EachVersion(name string, fn func(*function.Version) error) error {
	return each(t.versions, numbered.compare, func(k numbered) bool { return name == "" || k.name == name }, fn)
}

func (t catalogTx) EachAlias(name string, fn func(*function.Alias) error) error {
	return each(t.aliases, named.compare, func(k named) bool { return name == "" || k.name == name }, fn)
}

func (t catalogTx) PutFunction(f *function.Function) error {
	return t.functions.put(f.Name, f, f.Name)
}

func (t catalogTx) PutVersion(v *function.Version) error {
	return t.versions.put(numbered{v.FunctionName, v.Number}, v, v.FunctionName)
}

func (t catalogTx) PutAlias(a *function.Alias) error {
	return t.aliases.put(named{a.FunctionName, a.Name}, a, a.FunctionName, a.Name)
}

func (t catalogTx) DeleteFunction(name string) error {
	delete(t.functions, name)
	maps.DeleteFunc(t.totals, func(k numbered, _ []byte) bool { return k.name == name })
	return nil
}

func (t catalogTx) DeleteVersion(name string, n function.Number) error {
	delete(t.versions, numbered{name, n})
	delete(t.totals, numbered{name, n})
	return nil
}

func (t catalogTx) DeleteAlias(name, alias string) error {
	delete(t.aliases, named{name, alias})
	return nil
}

type identityStore struct{ s *Store }

func (i identityStore) View(ctx context.Context, fn func(identity.Reader) error) error {
	st, err := i.s.view(ctx)
	if err != nil {
		return err
	}
	return fn(identityTx{st})
}

func (i identityStore) Update(ctx context.Context, fn func(identity.Tx) error) error {
	return i.s.update(ctx, func(st state) error { return fn(identityTx{st}) })
}

type identityTx struct{ state }

func (t identityTx) User(name string) (*identity.User, error) {
	return read[identity.User](t.users, name)
}
func (t identityTx) Token(id string) (*identity.Token, error) {
	return read[identity.Token](t.tokens, id)
}

func (t identityTx) EachUser(fn func(*identity.User) error) error {
	return each(t.users, strings.Compare, all, fn)
}

func (t identityTx) EachToken(fn func(*identity.Token) error) error {
	return each(t.tokens, strings.Compare, all, fn)
}

func (t identityTx) PutUser(u *identity.User) error {
	return t.users.put(u.Name, u, u.Name)
}
func (t identityTx) PutToken(k *identity.Token) error {
	return t.tokens.put(k.ID, k, k.ID)
}
func (t identityTx) DeleteUser(name string) error { delete(t.users, name); return nil }
func (t identityTx) DeleteToken(id string) error  { delete(t.tokens, id); return nil }

type auditStore struct{ s *Store }

func (a auditStore) Append(ctx context.Context, entries ...audit.Entry) error {
	return a.s.update(ctx, func(st state) error {
		for _, e := range entries {
			if err := st.audit.put(e.ID, e, e.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a auditStore) Each(ctx context.Context, cursor string, fn func(audit.Entry) error) error {
	st, err := a.s.view(ctx)
	if err != nil {
		return err
	}
	newestFirst := func(a, b string) int { return strings.Compare(b, a) }
	older := func(id string) bool { return cursor == "" || id < cursor }
	return each(st.audit, newestFirst, older, func(e *audit.Entry) error { return fn(*e) })
}

func (a auditStore) Trim(ctx context.Context, keep int) error {
	return a.s.update(ctx, func(st state) error {
		ids := slices.Sorted(maps.Keys(st.audit))
		for _, id := range ids[:max(len(ids)-keep, 0)] {
			delete(st.audit, id)
		}
		return nil
	})
}

type totalsStore struct{ s *Store }

func (t totalsStore) LoadTotals(ctx context.Context) (totals []invoke.Totals, err error) {
	st, err := t.s.view(ctx)
	if err != nil {
		return nil, err
	}
	err = each(st.totals, numbered.compare, func(numbered) bool { return true }, func(rec *invoke.Totals) error {
		totals = append(totals, *rec)
		return nil
	})
	return totals, err
}

func (t totalsStore) SaveTotals(ctx context.Context, totals []invoke.Totals) error {
	return t.s.update(ctx, func(st state) error {
		for _, rec := range totals {
			if there, err := st.counts(rec); err != nil {
				return err
			} else if !there {
				continue
			}
			if err := st.totals.put(numbered{rec.Function, rec.Version}, rec, rec.Function); err != nil {
				return err
			}
		}
		return nil
	})
}

// counts reports whether what the counters belong to is stored.
func (s state) counts(rec invoke.Totals) (bool, error) {
	f, err := read[function.Function](s.functions, rec.Function)
	if err != nil || f == nil || f.Born() != rec.Born {
		return false, err
	}
	_, stored := s.versions[numbered{rec.Function, rec.Version}]
	return stored || rec.Version == 0 || rec.Version == invoke.Gone, nil
}
