package api

import (
	"net/http"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/wire"
)

// listLimit is how long a page is where a list has nothing else said of it.
const listLimit = 100

// login answers POST /authentication/login.
func (s *Server) login(r *request) (response, error) {
	var in wire.Login
	if err := r.json(&in); err != nil {
		return response{}, err
	}
	var missing fault.Collector
	missing.Check(in.Username != "", "username", "must be given")
	missing.Check(in.Password != "", "password", "must be given")
	if err := missing.Err("log in"); err != nil {
		return response{}, err
	}
	r.actor, r.target = in.Username, "user/"+in.Username
	out, err := s.identity.Login(identity.WithRemote(r.ctx(), r.http.RemoteAddr().String()), in.Username, in.Password)
	if err != nil {
		return response{}, err
	}
	return response{json: wire.LoginResult{
		Token: out.Token, ExpiresAt: out.ExpiresAt,
		User: wire.LoginUser{Username: out.User.Name, Role: out.User.Role},
	}}, nil
}

func userShape(u *identity.User) wire.User {
	return wire.User{Username: u.Name, Role: u.Role, Teams: listOf(u.Teams), CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt}
}

// listOf makes an empty list of none, which JSON would write as null.
func listOf[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// listUsers answers GET /users.
func (s *Server) listUsers(r *request) (response, error) {
	limit, err := r.number("limit", listLimit, 1, listLimit)
	if err != nil {
		return response{}, err
	}
	users, next := s.identity.Users(r.query("cursor"), limit)
	out := wire.Users{Users: make([]wire.User, 0, len(users)), NextCursor: next}
	for _, u := range users {
		out.Users = append(out.Users, userShape(u))
	}
	return response{json: out}, nil
}

// createUser answers POST /users.
func (s *Server) createUser(r *request) (response, error) {
	var in wire.CreateUser
	if err := r.json(&in); err != nil {
		return response{}, err
	}
	r.target = "user/" + in.Username
	u, err := s.identity.CreateUser(r.ctx(), identity.NewUser{Name: in.Username, Password: in.Password, Role: in.Role, Teams: in.Teams})
	if err != nil {
		return response{}, err
	}
	r.note("role", string(u.Role))
	r.header("Location", base+"/users/"+u.Name)
	return response{status: http.StatusCreated, json: userShape(u)}, nil
}

// getUser answers GET /users/{name}.
func (s *Server) getUser(r *request) (response, error) {
	u, err := s.identity.User(r.param("name"))
	if err != nil {
		return response{}, err
	}
	return response{json: userShape(u)}, nil
}

// updateUser answers PUT /users/{name}. Whoever gives the old password changes
// their own; only an Admin changes anything else, and that without it.
func (s *Server) updateUser(r *request) (response, error) {
	var in wire.UpdateUser
	if err := r.json(&in); err != nil {
		return response{}, err
	}
	name := r.param("name")
	admin := r.principal.Role == function.RoleAdmin
	if !admin && (in.Role != nil || in.Teams != nil) {
		return response{}, fault.New(fault.Denied, "role", "change user %q: only an Admin changes roles and teams", name)
	}
	if name == r.principal.User && in.Password != nil && (!admin || in.OldPassword != "") {
		if in.Role != nil || in.Teams != nil { // two changes, of which the second could fail alone
			return response{}, invalid("oldPassword", "must not be given beside role and teams: an Admin needs none")
		}
		r.note("password", "changed")
		ctx := identity.WithRemote(r.ctx(), r.http.RemoteAddr().String())
		if err := s.identity.ChangePassword(ctx, r.principal, in.OldPassword, *in.Password); err != nil {
			return response{}, err
		}
		in.Password = nil
	}
	if !admin {
		return s.getUser(r)
	}
	return s.changeUser(r, name, in)
}

func (s *Server) changeUser(r *request, name string, in wire.UpdateUser) (response, error) {
	if in.Password != nil {
		r.note("password", "changed")
	}
	if in.Role != nil {
		r.note("role", string(*in.Role))
	}
	u, err := s.identity.UpdateUser(r.ctx(), name, identity.UserChange{Role: in.Role, Teams: in.Teams, Password: in.Password})
	if err != nil {
		return response{}, err
	}
	return response{json: userShape(u)}, nil
}

// deleteUser answers DELETE /users/{name}.
func (s *Server) deleteUser(r *request) (response, error) {
	return response{}, s.identity.DeleteUser(r.ctx(), r.param("name"))
}

func tokenShape(t *identity.Token, credential string) wire.Token {
	return wire.Token{
		TokenID: t.ID, Name: t.Name, User: t.User, Token: credential, Role: t.Role, Teams: listOf(t.Teams),
		CreatedAt: t.CreatedAt, ExpiresAt: timeOrNil(t.ExpiresAt), RevokedAt: timeOrNil(t.RevokedAt),
	}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// listTokens answers GET /tokens: one's own, for an Admin everybody's.
func (s *Server) listTokens(r *request) (response, error) {
	limit, err := r.number("limit", listLimit, 1, listLimit)
	if err != nil {
		return response{}, err
	}
	tokens, next := s.identity.Tokens(r.principal, r.query("cursor"), limit)
	out := wire.Tokens{Tokens: make([]wire.Token, 0, len(tokens)), NextCursor: next}
	for _, t := range tokens {
		out.Tokens = append(out.Tokens, tokenShape(t, ""))
	}
	return response{json: out}, nil
}

// createToken answers POST /tokens.
func (s *Server) createToken(r *request) (response, error) {
	var in wire.CreateToken
	if err := r.json(&in); err != nil {
		return response{}, err
	}
	want := identity.NewToken{Name: in.Name, Role: in.Role, Teams: in.Teams}
	if in.TTL != nil {
		if want.TTL = time.Duration(*in.TTL); want.TTL == 0 {
			return response{}, invalid("ttl", "must be one second to ten years")
		}
	}
	t, credential, err := s.identity.CreateToken(r.ctx(), r.principal, want)
	if err != nil {
		return response{}, err
	}
	r.target = "token/" + t.ID
	r.note("role", string(t.Role))
	return response{status: http.StatusCreated, json: tokenShape(t, credential)}, nil
}

// revokeToken answers DELETE /tokens/{id}.
func (s *Server) revokeToken(r *request) (response, error) {
	return response{}, s.identity.RevokeToken(r.ctx(), r.principal, r.param("id"))
}
