package identity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/skiffhq/skiff/core/function"
)

// records is every user and token in memory. The values it holds are never
// changed, only replaced, so they may be read after the lock is gone.
type records struct {
	mu     sync.RWMutex
	users  map[string]*User
	tokens map[string]*Token
}

// change is one atomic change of the records.
type change struct {
	putUsers     []*User
	deleteUsers  []string
	putTokens    []*Token
	deleteTokens []string
}

// takesAway reports whether somebody may be worth less after the change. To
// give out a new token takes nothing from anybody.
func (c *change) takesAway() bool {
	if len(c.putUsers)+len(c.deleteUsers)+len(c.deleteTokens) > 0 {
		return true
	}
	for _, t := range c.putTokens {
		if !t.RevokedAt.IsZero() {
			return true
		}
	}
	return false
}

func (c *change) store(tx Tx) error {
	for _, u := range c.putUsers {
		if err := tx.PutUser(u); err != nil {
			return err
		}
	}
	for _, name := range c.deleteUsers {
		if err := tx.DeleteUser(name); err != nil {
			return err
		}
	}
	for _, t := range c.putTokens {
		if err := tx.PutToken(t); err != nil {
			return err
		}
	}
	for _, id := range c.deleteTokens {
		if err := tx.DeleteToken(id); err != nil {
			return err
		}
	}
	return nil
}

// commit makes a change durable, then visible, and only then voids the cached
// verdicts: a verdict made from the old records in between bears the old epoch.
// The caller holds s.write.
func (s *Service) commit(ctx context.Context, c change) error {
	if err := s.opts.Store.Update(ctx, c.store); err != nil {
		return fmt.Errorf("store users and tokens: %w", err)
	}
	s.records.apply(c)
	if c.takesAway() {
		s.epoch.Add(1)
	}
	return nil
}

func (r *records) apply(c change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range c.putUsers {
		r.users[u.Name] = u
	}
	for _, name := range c.deleteUsers {
		delete(r.users, name)
	}
	for _, t := range c.putTokens {
		r.tokens[t.ID] = t
	}
	for _, id := range c.deleteTokens {
		delete(r.tokens, id)
	}
}

func (r *records) load(ctx context.Context, store Store) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users, r.tokens = map[string]*User{}, map[string]*Token{}
	err := store.View(ctx, func(rd Reader) error {
		if err := rd.EachUser(func(u *User) error { r.users[u.Name] = u; return nil }); err != nil {
			return err
		}
		return rd.EachToken(func(t *Token) error { r.tokens[t.ID] = t; return nil })
	})
	if err != nil {
		return fmt.Errorf("load users and tokens: %w", err)
	}
	return nil
}

// user returns nil where there is none of that name.
func (r *records) user(name string) *User {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.users[name]
}

// token returns a token and its user, nil where there is no such token.
func (r *records) token(id string) (*Token, *User) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t := r.tokens[id]
	if t == nil {
		return nil, nil
	}
	return t, r.users[t.User]
}

// selectUsers and selectTokens return, in no order, the records that keep
// accepts. keep runs under the lock and may not block.
func (r *records) selectUsers(keep func(*User) bool) []*User {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return selectValues(r.users, keep)
}

func (r *records) selectTokens(keep func(*Token) bool) []*Token {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return selectValues(r.tokens, keep)
}

func selectValues[V any](m map[string]V, keep func(V) bool) []V {
	var found []V
	for _, v := range m {
		if keep(v) {
			found = append(found, v)
		}
	}
	return found
}

func (u *User) isAdmin() bool { return u.Role == function.RoleAdmin }

// live reports whether the token may still be used.
func (t *Token) live(now time.Time) bool {
	return t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt))
}
