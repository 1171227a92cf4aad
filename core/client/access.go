package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/skiffhq/skiff/core/wire"
)

// Login gives a password for a token. The client goes on with the token it was
// made with.
func (c *Client) Login(ctx context.Context, username, password string) (*wire.LoginResult, error) {
	out := new(wire.LoginResult)
	body := wire.Login{Username: username, Password: password}
	_, err := c.call(ctx, request{method: http.MethodPost, path: api("authentication", "login"), body: body}, out)
	return orNil(out, err)
}

// CreateUser creates a user.
func (c *Client) CreateUser(ctx context.Context, u wire.CreateUser) (*wire.User, error) {
	out := new(wire.User)
	_, err := c.call(ctx, request{method: http.MethodPost, path: api("users"), body: u}, out)
	return orNil(out, err)
}

// Users returns one page of users, by name.
func (c *Client) Users(ctx context.Context, p Page) (*wire.Users, error) {
	out := new(wire.Users)
	_, err := c.call(ctx, request{method: http.MethodGet, path: api("users"), query: url.Values(p.params())}, out)
	return orNil(out, err)
}

// User returns a user.
func (c *Client) User(ctx context.Context, name string) (*wire.User, error) {
	out := new(wire.User)
	_, err := c.call(ctx, request{method: http.MethodGet, path: api("users", name)}, out)
	return orNil(out, err)
}

// UpdateUser changes what is given of a user.
func (c *Client) UpdateUser(ctx context.Context, name string, u wire.UpdateUser) (*wire.User, error) {
	out := new(wire.User)
	_, err := c.call(ctx, request{method: http.MethodPut, path: api("users", name), body: u}, out)
	return orNil(out, err)
}

// DeleteUser deletes a user, whose tokens are refused from then on.
func (c *Client) DeleteUser(ctx context.Context, name string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: api("users", name)}, nil)
	return err
}

// CreateToken makes a token. Its credential is in this answer and nowhere else.
func (c *Client) CreateToken(ctx context.Context, t wire.CreateToken) (*wire.Token, error) {
	out := new(wire.Token)
	_, err := c.call(ctx, request{method: http.MethodPost, path: api("tokens"), body: t}, out)
	return orNil(out, err)
}

// Tokens returns one page of the caller's tokens, for an Admin everybody's, by
// age.
func (c *Client) Tokens(ctx context.Context, p Page) (*wire.Tokens, error) {
	out := new(wire.Tokens)
	_, err := c.call(ctx, request{method: http.MethodGet, path: api("tokens"), query: url.Values(p.params())}, out)
	return orNil(out, err)
}

// RevokeToken makes a token worthless at once.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: api("tokens", id)}, nil)
	return err
}

// AuditQuery selects entries of the audit log.
type AuditQuery struct {
	Since time.Time // zero means all
	Actor string    // empty means everybody's
	Page
}

// Audit returns one page of changes, newest first.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (*wire.Audit, error) {
	query := q.params().text("actor", q.Actor)
	if !q.Since.IsZero() {
		query.text("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	out := new(wire.Audit)
	_, err := c.call(ctx, request{method: http.MethodGet, path: api("audit"), query: url.Values(query)}, out)
	return orNil(out, err)
}
