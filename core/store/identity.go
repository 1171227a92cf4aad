package store

import (
	"context"

	"github.com/skiffhq/skiff/core/identity"
)

// identityStore implements identity.Store.
type identityStore struct{ s *Store }

func (i identityStore) View(ctx context.Context, fn func(identity.Reader) error) error {
	return i.s.view(ctx, func(st *state) error { return fn(identityReader{st}) })
}

func (i identityStore) Update(ctx context.Context, fn func(identity.Tx) error) error {
	return i.s.update(ctx, func(t *tx) error { return fn(identityTx{identityReader{&t.state}, t}) })
}

type identityReader struct{ s *state }

func (r identityReader) User(name string) (*identity.User, error) {
	return load[identity.User](r.s, find(kindUser, name))
}

func (r identityReader) Token(id string) (*identity.Token, error) {
	return load[identity.Token](r.s, find(kindToken, id))
}

func (r identityReader) EachUser(fn func(*identity.User) error) error {
	return each(r.s, prefixOf(kindUser), fn)
}

func (r identityReader) EachToken(fn func(*identity.Token) error) error {
	return each(r.s, prefixOf(kindToken), fn)
}

type identityTx struct {
	identityReader
	t *tx
}

func (i identityTx) PutUser(u *identity.User) error {
	key, err := join(kindUser, u.Name)
	return i.t.putAt(key, err, u)
}

func (i identityTx) PutToken(t *identity.Token) error {
	key, err := join(kindToken, t.ID)
	return i.t.putAt(key, err, t)
}

func (i identityTx) DeleteUser(name string) error {
	i.t.delete(find(kindUser, name))
	return nil
}

func (i identityTx) DeleteToken(id string) error {
	i.t.delete(find(kindToken, id))
	return nil
}
