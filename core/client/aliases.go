package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/skiffhq/skiff/core/wire"
)

// CreateAlias creates the alias that the body names.
func (c *Client) CreateAlias(ctx context.Context, name string, body wire.PutAlias) (*wire.Alias, error) {
	out := new(wire.Alias)
	_, err := c.call(ctx, request{method: http.MethodPost, path: api("functions", name, "aliases"), body: body}, out)
	return orNil(out, err)
}

// Aliases returns one page of a function's aliases, by name.
func (c *Client) Aliases(ctx context.Context, name string, p Page) (*wire.Aliases, error) {
	out := new(wire.Aliases)
	_, err := c.call(ctx, request{method: http.MethodGet, path: api("functions", name, "aliases"), query: url.Values(p.params())}, out)
	return orNil(out, err)
}

// Alias returns an alias and the tag of its state.
func (c *Client) Alias(ctx context.Context, name, alias string) (*wire.Alias, ETag, error) {
	out := new(wire.Alias)
	h, err := c.call(ctx, request{method: http.MethodGet, path: api("functions", name, "aliases", alias)}, out)
	if err != nil {
		return nil, "", err
	}
	return out, etag(h), nil
}

// UpdateAlias points an alias elsewhere, if it is still in the state of
// ifMatch. The body's name is not sent.
func (c *Client) UpdateAlias(ctx context.Context, name, alias string, ifMatch ETag, body wire.PutAlias) (*wire.Alias, error) {
	body.AliasName = ""
	out := new(wire.Alias)
	r := request{method: http.MethodPut, path: api("functions", name, "aliases", alias), ifMatch: ifMatch, body: body}
	_, err := c.call(ctx, r, out)
	return orNil(out, err)
}

// DeleteAlias deletes an alias, if it is still in the state of ifMatch.
func (c *Client) DeleteAlias(ctx context.Context, name, alias string, ifMatch ETag) error {
	r := request{method: http.MethodDelete, path: api("functions", name, "aliases", alias), ifMatch: ifMatch}
	_, err := c.call(ctx, r, nil)
	return err
}
