package identity

import (
	"cmp"
	"context"
	"regexp"
	"slices"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// NewUser describes a user to be made.
type NewUser struct {
	Name     string
	Password string
	Role     function.Role
	Teams    []string // empty means the default team
}

// UserChange says what to change of a user; nil leaves a setting as it is, and
// so does an empty list of teams, since nobody is without a team.
type UserChange struct {
	Role     *function.Role
	Teams    []string
	Password *string // set by an Admin, who need not know the old one
}

var (
	userName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	teamName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// maxTeams bounds the size of a token, which every request carries.
const maxTeams = 32

// CreateUser makes a user. Faults: Invalid, Conflict where the name is taken.
func (s *Service) CreateUser(ctx context.Context, in NewUser) (*User, error) {
	if err := checkNewUser(in); err != nil {
		return nil, err
	}
	hash, err := s.hasher.hash(ctx, in.Password)
	if err != nil {
		return nil, err
	}
	s.write.Lock()
	defer s.write.Unlock()
	return s.addUser(ctx, in, hash)
}

// addUser stores a checked user. The caller holds s.write.
func (s *Service) addUser(ctx context.Context, in NewUser, hash string) (*User, error) {
	if s.records.user(in.Name) != nil {
		return nil, fault.New(fault.Conflict, "user_exists", "create user: %q exists", in.Name)
	}
	now := s.now().UTC()
	u := &User{Name: in.Name, PasswordHash: hash, Role: in.Role, Teams: teamsOr(in.Teams, []string{function.DefaultTeam}), CreatedAt: now, UpdatedAt: now}
	if err := s.commit(ctx, change{putUsers: []*User{u}}); err != nil {
		return nil, err
	}
	return public(u), nil
}

func checkNewUser(in NewUser) error {
	var c fault.Collector
	c.Check(userName.MatchString(in.Name), "username", "must be 1 to 64 of a-z, 0-9, '.', '_', '-', the first a letter or a digit")
	checkPassword(&c, "password", in.Password)
	checkRole(&c, in.Role)
	checkTeams(&c, in.Teams)
	return c.Err("create user")
}

func checkRole(c *fault.Collector, r function.Role) {
	c.Check(slices.Contains(function.Roles(), r), "role", "must be one of %v", function.Roles())
}

func checkTeams(c *fault.Collector, teams []string) {
	c.Check(len(teams) <= maxTeams, "teams", "must be at most %d", maxTeams)
	for _, team := range teams {
		if !teamName.MatchString(team) {
			c.Add("teams", "each must be 1 to 64 of A-Z, a-z, 0-9, '-', '_'")
			return
		}
	}
}

// teamsOr returns the teams sorted and once each, or others where there are none.
func teamsOr(teams, others []string) []string {
	if len(teams) == 0 {
		teams = others
	}
	return slices.Compact(slices.Sorted(slices.Values(teams)))
}

// public returns a copy without the password's hash, which never leaves the
// package.
func public(u *User) *User {
	c := *u
	c.PasswordHash = ""
	c.Teams = slices.Clone(u.Teams)
	return &c
}

// User returns one user, without the hash of the password. Fault: NotFound.
func (s *Service) User(name string) (*User, error) {
	u := s.records.user(name)
	if u == nil {
		return nil, noUser(name)
	}
	return public(u), nil
}

func noUser(name string) error {
	return fault.New(fault.NotFound, "user_not_found", "no user %q", name)
}

// Users lists users by name, from the one after the cursor, at most limit of
// them, 0 meaning all; next is the cursor of the following page, "" at the end.
func (s *Service) Users(cursor string, limit int) (users []*User, next string) {
	users = s.records.selectUsers(func(u *User) bool { return u.Name > cursor })
	slices.SortFunc(users, func(a, b *User) int { return cmp.Compare(a.Name, b.Name) })
	if limit > 0 && len(users) > limit {
		users = users[:limit]
		next = users[limit-1].Name
	}
	for i, u := range users {
		users[i] = public(u)
	}
	return users, next
}

// UpdateUser changes a user. What it takes away counts at once for every token
// of the user, and a new password ends the user's logins. Faults: Invalid,
// NotFound, Conflict where no Admin would be left.
func (s *Service) UpdateUser(ctx context.Context, name string, in UserChange) (*User, error) {
	if err := checkUserChange(in); err != nil {
		return nil, err
	}
	var hash string
	if in.Password != nil {
		var err error
		if hash, err = s.hasher.hash(ctx, *in.Password); err != nil {
			return nil, err
		}
	}
	s.write.Lock()
	defer s.write.Unlock()
	return s.changeUser(ctx, name, in, hash)
}

func checkUserChange(in UserChange) error {
	var c fault.Collector
	if in.Role != nil {
		checkRole(&c, *in.Role)
	}
	checkTeams(&c, in.Teams)
	if in.Password != nil {
		checkPassword(&c, "password", *in.Password)
	}
	return c.Err("change user")
}

// changeUser stores a checked change; hash replaces the password's unless it is
// empty. The caller holds s.write.
func (s *Service) changeUser(ctx context.Context, name string, in UserChange, hash string) (*User, error) {
	old := s.records.user(name)
	if old == nil {
		return nil, noUser(name)
	}
	u := *old
	u.UpdatedAt = s.now().UTC()
	u.Teams = teamsOr(in.Teams, old.Teams)
	if in.Role != nil {
		u.Role = *in.Role
	}
	if old.isAdmin() && !u.isAdmin() && s.lastAdmin(name) {
		return nil, errLastAdmin("change", name)
	}
	c := change{putUsers: []*User{&u}}
	if hash != "" {
		u.PasswordHash = hash
		c.deleteTokens = s.tokenIDs(func(t *Token) bool { return t.User == name && t.Login })
	}
	if err := s.commit(ctx, c); err != nil {
		return nil, err
	}
	return public(&u), nil
}

// lastAdmin reports whether no user but name is an Admin.
func (s *Service) lastAdmin(name string) bool {
	return len(s.records.selectUsers(func(u *User) bool { return u.isAdmin() && u.Name != name })) == 0
}

func errLastAdmin(verb, name string) error {
	return fault.New(fault.Conflict, "last_admin", "%s user: %q is the last Admin", verb, name).
		WithRemedy("make another user an Admin first")
}

// DeleteUser removes a user and all their tokens. Faults: NotFound, Conflict
// for the last Admin.
func (s *Service) DeleteUser(ctx context.Context, name string) error {
	s.write.Lock()
	defer s.write.Unlock()
	u := s.records.user(name)
	if u == nil {
		return noUser(name)
	}
	if u.isAdmin() && s.lastAdmin(name) {
		return errLastAdmin("delete", name)
	}
	// The tokens go too, so that they do not come back to life with a namesake.
	tokens := s.tokenIDs(func(t *Token) bool { return t.User == name })
	return s.commit(ctx, change{deleteUsers: []string{name}, deleteTokens: tokens})
}

// ChangePassword lets a user change their own password and ends their other
// logins with it. Guesses at the old one are slowed like logins. Faults: Denied
// where the old one is wrong or the principal has none, Invalid, Throttled.
func (s *Service) ChangePassword(ctx context.Context, p *Principal, old, password string) error {
	var c fault.Collector
	checkPassword(&c, "newPassword", password)
	c.Check(password != old, "newPassword", "must differ from the old one")
	if err := c.Err("change password"); err != nil {
		return err
	}
	u, err := s.checkLogin(ctx, p.User, old)
	if fault.Is(err, fault.Unauthenticated) {
		return fault.New(fault.Denied, "wrong_password", "change password: the old password is wrong")
	}
	if err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	s.write.Lock()
	defer s.write.Unlock()
	return s.replacePassword(ctx, u, p.TokenID, hash)
}

// replacePassword stores a new hash unless the user changed since u was read.
// The caller's own token, keep, lives on.
func (s *Service) replacePassword(ctx context.Context, u *User, keep, hash string) error {
	now := s.records.user(u.Name)
	if now == nil || now.PasswordHash != u.PasswordHash {
		return fault.New(fault.Conflict, "user_changed", "change password: user %q was changed meanwhile", u.Name)
	}
	changed := *now
	changed.PasswordHash = hash
	changed.UpdatedAt = s.now().UTC()
	ended := s.tokenIDs(func(t *Token) bool { return t.User == u.Name && t.Login && t.ID != keep })
	return s.commit(ctx, change{putUsers: []*User{&changed}, deleteTokens: ended})
}
