package identity

import (
	"context"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// InitAdmin makes the first Admin. It is for the administration socket alone:
// it asks for no principal. Faults: Invalid, Conflict where an Admin exists.
func (s *Service) InitAdmin(ctx context.Context, user, password string) error {
	in := NewUser{Name: user, Password: password, Role: function.RoleAdmin}
	if err := checkNewUser(in); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	s.write.Lock()
	defer s.write.Unlock()
	if !s.lastAdmin("") {
		return fault.New(fault.Conflict, "admin_exists", "create the first Admin: there is one already").
			WithRemedy("for a forgotten password run skiff admin reset-password")
	}
	_, err = s.addUser(ctx, in, hash)
	return err
}

// ResetPassword gives a user a new password and ends their logins, without the
// old one. It is for the administration socket alone. Faults: Invalid, NotFound.
func (s *Service) ResetPassword(ctx context.Context, user, password string) error {
	_, err := s.UpdateUser(ctx, user, UserChange{Password: &password})
	if err == nil {
		s.byUser.forget(user)
	}
	return err
}

const (
	devUser  = "admin"
	devToken = "skiff serve --dev"
)

// EnsureDevAdmin makes the user "admin", who has no password and so cannot log
// in, and returns a token of theirs that never ends. It is for development on
// loopback alone. Called again it returns the same token, unless that was
// revoked. Fault: Conflict where a user "admin" exists who is no Admin.
func (s *Service) EnsureDevAdmin(ctx context.Context) (string, error) {
	s.write.Lock()
	defer s.write.Unlock()
	u := s.records.user(devUser)
	if u == nil {
		var err error
		if u, err = s.addUser(ctx, NewUser{Name: devUser, Role: function.RoleAdmin}, ""); err != nil {
			return "", err
		}
	}
	if !u.isAdmin() {
		return "", fault.New(fault.Conflict, "user_exists", "make the development Admin: user %q exists with role %s", devUser, u.Role).
			WithRemedy("start without --dev, or with another data directory")
	}
	if made := s.records.selectTokens(isDevToken); len(made) > 0 {
		return s.sign(made[0])
	}
	t := s.newToken(devUser, function.RoleAdmin, u.Teams, 0)
	t.Name = devToken
	return s.addToken(ctx, t)
}

// isDevToken cannot be true of a token that CreateToken made: those end.
func isDevToken(t *Token) bool {
	return t.User == devUser && t.Name == devToken && t.ExpiresAt.IsZero() && t.RevokedAt.IsZero()
}
