package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/skiffhq/skiff/core/identity"
)

func identityKeepsEveryField(t *testing.T, s Store) {
	ctx := context.Background()
	u, k := filled[identity.User](), filled[identity.Token]()
	must(t, s.Identity().Update(ctx, func(tx identity.Tx) error { return errors.Join(tx.PutUser(u), tx.PutToken(k)) }))
	must(t, s.Identity().View(ctx, func(r identity.Reader) error {
		gotU, err1 := r.User(u.Name)
		gotK, err2 := r.Token(k.ID)
		wantSame(t, gotU, u)
		wantSame(t, gotK, k)
		none, err3 := r.User("nobody")
		noToken, err4 := r.Token("nothing")
		if none != nil || noToken != nil {
			t.Errorf("what is not there: %v, %v", none, noToken)
		}
		return errors.Join(err1, err2, err3, err4)
	}))
	must(t, s.Identity().Update(ctx, func(tx identity.Tx) error {
		return errors.Join(tx.DeleteUser(u.Name), tx.DeleteToken(k.ID), tx.DeleteUser("nobody"), tx.DeleteToken("nothing"))
	}))
	if users, tokens := identities(t, s); len(users)+len(tokens) != 0 {
		t.Errorf("left: %q, %q", users, tokens)
	}
}

func identityGoesInOrder(t *testing.T, s Store) {
	names := []string{"zoe", "ada", "ada.l", "ada-l", "a", "ada@site", "Bob"}
	must(t, s.Identity().Update(context.Background(), func(tx identity.Tx) error {
		var errs []error
		for _, name := range names {
			errs = append(errs, tx.PutUser(&identity.User{Name: name}), tx.PutToken(&identity.Token{ID: "t-" + name}))
		}
		return errors.Join(errs...)
	}))
	users, tokens := identities(t, s)
	slices.Sort(names)
	if !slices.Equal(users, names) || len(tokens) != len(names) || !slices.IsSorted(tokens) {
		t.Errorf("users %q, tokens %q", users, tokens)
	}
}

func identities(t testing.TB, s Store) (users, tokens []string) {
	t.Helper()
	must(t, s.Identity().View(context.Background(), func(r identity.Reader) error {
		return errors.Join(
			r.EachUser(func(u *identity.User) error { users = append(users, u.Name); return nil }),
			r.EachToken(func(k *identity.Token) error { tokens = append(tokens, k.ID); return nil }))
	}))
	return users, tokens
}
