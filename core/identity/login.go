package identity

import (
	"context"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// LoginResult is a credential given for a password.
type LoginResult struct {
	Token     string // the bearer token, shown once
	TokenID   string
	ExpiresAt time.Time
	User      *User // without the hash of the password
}

// Login checks a password and gives out a token with the user's role and teams,
// which lives for Options.TokenTTL. Faults: Unauthenticated (the same for an
// unknown user and a wrong password, and after the same work), Throttled with
// RetryAfter after too many failures of the user or, see WithRemote, of the
// remote address.
func (s *Service) Login(ctx context.Context, user, password string) (LoginResult, error) {
	u, err := s.checkLogin(ctx, user, password)
	if err != nil {
		return LoginResult{}, err
	}
	s.write.Lock()
	defer s.write.Unlock()
	// The password may have been changed while it was checked.
	if now := s.records.user(user); now == nil || now.PasswordHash != u.PasswordHash {
		return LoginResult{}, errBadLogin
	}
	return s.issueLogin(ctx, user)
}

// checkLogin returns the user whose name and password these are.
func (s *Service) checkLogin(ctx context.Context, user, password string) (*User, error) {
	if !userName.MatchString(user) || len(password) > 4*maxPassword {
		return nil, errBadLogin // depends on the request alone, so it tells nothing
	}
	remote := remoteOf(ctx)
	if err := s.beginLogin(user, remote); err != nil {
		return nil, err
	}
	u := s.records.user(user)
	hash := ""
	if u != nil {
		hash = u.PasswordHash
	}
	ok, err := s.hasher.verify(ctx, hash, password)
	if err != nil {
		s.undoLogin(user, remote)
		return nil, err
	}
	if !ok {
		s.log.Warn("login refused", "user", user, "remote", remote)
		return nil, errBadLogin
	}
	s.passLogin(user, remote)
	return u, nil
}

var errBadLogin = fault.New(fault.Unauthenticated, "bad_login", "log in: the user name or the password is wrong")

// issueLogin gives out a token. The oldest login makes room where the user has
// too many: a script that logs in for every call must not lock its user out.
// The caller holds s.write.
func (s *Service) issueLogin(ctx context.Context, user string) (LoginResult, error) {
	u := s.records.user(user)
	t := s.newToken(u.Name, u.Role, u.Teams, s.opts.TokenTTL)
	t.Name, t.Login = "login", true
	c := change{putTokens: []*Token{t}}
	if logins := s.tokenIDs(func(t *Token) bool { return t.User == user && t.Login }); len(logins) >= maxTokensPerUser {
		c.deleteTokens = logins[:len(logins)-maxTokensPerUser+1]
	}
	signed, err := s.sign(t)
	if err != nil {
		return LoginResult{}, err
	}
	if err := s.commit(ctx, c); err != nil {
		return LoginResult{}, err
	}
	return LoginResult{Token: signed, TokenID: t.ID, ExpiresAt: t.ExpiresAt, User: public(u)}, nil
}
