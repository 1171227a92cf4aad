package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/skiffhq/skiff/core/wire"
)

// Health reports that the appliance is alive, and its version.
func (c *Client) Health(ctx context.Context) (*wire.Health, error) {
	out := new(wire.Health)
	_, err := c.call(ctx, request{method: http.MethodGet, path: "/healthz"}, out)
	return orNil(out, err)
}

// Ready reports which components are ready. That some are not is an answer and
// no error.
func (c *Client) Ready(ctx context.Context) (*wire.Readiness, error) {
	resp, err := c.send(ctx, request{method: http.MethodGet, path: "/readyz"})
	if err != nil {
		return nil, err
	}
	defer drain(resp.Body)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
		return nil, refusal(resp)
	}
	out := new(wire.Readiness)
	return orNil(out, c.decode(resp, out))
}

// OpenAPI returns the document that describes the API.
func (c *Client) OpenAPI(ctx context.Context) (json.RawMessage, error) {
	var out json.RawMessage
	_, err := c.call(ctx, request{method: http.MethodGet, path: api("openapi.json")}, &out)
	return out, err
}
