package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// FunctionQuery selects functions. The zero value means the first page of all.
type FunctionQuery struct {
	Runtime string
	Tag     string // "key" or "key=value"
	Prefix  string // of the name
	Limit   int    // of one page, 1 to 100; 0 lets the server choose
	Offset  int
	Cursor  string // from the page before; wins over Offset
}

func (q FunctionQuery) params() url.Values {
	return url.Values(params{}.text("runtime", q.Runtime).text("tag", q.Tag).text("prefix", q.Prefix).
		number("limit", q.Limit).number("offset", q.Offset).text("cursor", q.Cursor))
}

// CreateFunction creates a function.
func (c *Client) CreateFunction(ctx context.Context, f wire.CreateFunction) (*wire.Function, error) {
	out := new(wire.Function)
	_, err := c.call(ctx, request{method: http.MethodPost, path: api("functions"), body: f}, out)
	return orNil(out, err)
}

// Functions returns one page of functions, by name.
func (c *Client) Functions(ctx context.Context, q FunctionQuery) (*wire.Functions, error) {
	out := new(wire.Functions)
	_, err := c.call(ctx, request{method: http.MethodGet, path: api("functions"), query: q.params()}, out)
	return orNil(out, err)
}

// FunctionPages returns the pages from the query's on, read as they are asked
// for. An error is the last thing it yields.
func (c *Client) FunctionPages(ctx context.Context, q FunctionQuery) iter.Seq2[*wire.Functions, error] {
	return func(yield func(*wire.Functions, error) bool) {
		for {
			page, err := c.Functions(ctx, q)
			if !yield(page, err) || err != nil || page.NextCursor == "" {
				return
			}
			q.Cursor = page.NextCursor
		}
	}
}

// Function returns a function and the tag of its state.
func (c *Client) Function(ctx context.Context, name string) (*wire.Function, ETag, error) {
	out := new(wire.Function)
	h, err := c.call(ctx, request{method: http.MethodGet, path: api("functions", name)}, out)
	if err != nil {
		return nil, "", err
	}
	return out, etag(h), nil
}

// UpdateFunction changes what the patch gives, if the function is still in the
// state of ifMatch.
func (c *Client) UpdateFunction(ctx context.Context, name string, ifMatch ETag, p function.Patch) (*wire.Function, error) {
	out := new(wire.Function)
	_, err := c.call(ctx, request{method: http.MethodPut, path: api("functions", name), ifMatch: ifMatch, body: p}, out)
	return orNil(out, err)
}

// DeleteFunction deletes a function; it is kept for 7 days unless force is set.
func (c *Client) DeleteFunction(ctx context.Context, name string, force bool) error {
	query := url.Values(params{}.flag("force", force))
	_, err := c.call(ctx, request{method: http.MethodDelete, path: api("functions", name), query: query}, nil)
	return err
}

// SetEnvironment replaces all variables of a function.
func (c *Client) SetEnvironment(ctx context.Context, name string, variables map[string]string) (*wire.Function, error) {
	if variables == nil {
		variables = map[string]string{}
	}
	body := wire.PutEnvironment{Variables: variables}
	out := new(wire.Function)
	_, err := c.call(ctx, request{method: http.MethodPut, path: api("functions", name, "environment"), body: body}, out)
	return orNil(out, err)
}

// SetConcurrency changes what is given of a function's concurrency.
func (c *Client) SetConcurrency(ctx context.Context, name string, body wire.PutConcurrency) (*wire.Function, error) {
	out := new(wire.Function)
	_, err := c.call(ctx, request{method: http.MethodPut, path: api("functions", name, "concurrency"), body: body}, out)
	return orNil(out, err)
}

// Metrics returns what a function did in the window that ends now; 0 lets the
// server choose it.
func (c *Client) Metrics(ctx context.Context, name string, window time.Duration) (*wire.FunctionMetrics, error) {
	query := params{}
	if window > 0 {
		query.text("window", function.Duration(window).String())
	}
	out := new(wire.FunctionMetrics)
	_, err := c.call(ctx, request{method: http.MethodGet, path: api("functions", name, "metrics"), query: url.Values(query)}, out)
	return orNil(out, err)
}

// orNil keeps half-read answers from the caller.
func orNil[T any](out *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return out, nil
}
