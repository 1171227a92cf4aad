package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// The types of code that Publish takes.
const (
	TypeZip  = "application/zip"
	TypeWasm = "application/wasm"
)

// Publication is code to be published.
type Publication struct {
	Code        io.Reader
	Size        int64  // bytes, -1 where it is not known
	Type        string // TypeZip or TypeWasm
	Description string

	// Progress is told how many bytes have been handed to the network; nil for
	// nobody. It is called from a goroutine of the client, never twice at once.
	Progress func(sent int64)
}

// Publish streams code to the server, which makes it the next version.
func (c *Client) Publish(ctx context.Context, name string, p Publication) (*wire.Version, error) {
	out := new(wire.Version)
	_, err := c.call(ctx, request{
		method: http.MethodPost, path: api("functions", name, "versions"),
		query:  url.Values(params{}.text("description", p.Description)),
		upload: &upload{data: p.reader(), size: p.Size, mime: p.Type},
	}, out)
	return orNil(out, err)
}

// PublishJSON publishes code that is held as base64, with an environment for
// this version alone.
func (c *Client) PublishJSON(ctx context.Context, name string, p wire.PublishVersion) (*wire.Version, error) {
	out := new(wire.Version)
	_, err := c.call(ctx, request{method: http.MethodPost, path: api("functions", name, "versions"), body: p}, out)
	return orNil(out, err)
}

func (p Publication) reader() io.Reader {
	// Without the wrapper net/http would close a file that is the caller's.
	return &meter{r: p.Code, tell: p.Progress}
}

// meter counts what is read.
type meter struct {
	r    io.Reader
	sent int64
	tell func(int64)
}

// Read implements io.Reader.
func (m *meter) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.sent += int64(n)
	if m.tell != nil && n > 0 {
		m.tell(m.sent)
	}
	return n, err
}

// Page selects a part of a list. The zero value is the first page.
type Page struct {
	Limit  int    // 0 lets the server choose
	Cursor string // from the page before
}

func (p Page) params() params { return params{}.number("limit", p.Limit).text("cursor", p.Cursor) }

// Versions returns one page of a function's versions, newest first.
func (c *Client) Versions(ctx context.Context, name string, p Page) (*wire.Versions, error) {
	out := new(wire.Versions)
	_, err := c.call(ctx, request{method: http.MethodGet, path: api("functions", name, "versions"), query: url.Values(p.params())}, out)
	return orNil(out, err)
}

// Version returns a version.
func (c *Client) Version(ctx context.Context, name string, n function.Number) (*wire.Version, error) {
	out := new(wire.Version)
	_, err := c.call(ctx, request{method: http.MethodGet, path: versionPath(name, n)}, out)
	return orNil(out, err)
}

// DeleteVersion deletes a version that nothing uses.
func (c *Client) DeleteVersion(ctx context.Context, name string, n function.Number) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: versionPath(name, n)}, nil)
	return err
}

// Code is the code of a version on its way. The receiver closes it.
type Code struct {
	io.ReadCloser
	Size int64  // bytes, -1 where the server did not say
	Type string // TypeZip or TypeWasm
}

// Code opens the code of a version, as it was uploaded. Whether it is whole
// tells its SHA-256, see wire.Version.
func (c *Client) Code(ctx context.Context, name string, n function.Number) (*Code, error) {
	resp, err := c.open(ctx, request{method: http.MethodGet, path: versionPath(name, n, "code")})
	if err != nil {
		return nil, err
	}
	return &Code{ReadCloser: resp.Body, Size: resp.ContentLength, Type: resp.Header.Get("Content-Type")}, nil
}

func versionPath(name string, n function.Number, more ...string) string {
	parts := append([]string{"functions", name, "versions", strconv.FormatUint(uint64(n), 10)}, more...)
	return api(parts...)
}
