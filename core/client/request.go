package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds a JSON answer, in bytes: far above a result of 6 MiB with
// every byte escaped.
const maxAnswer = 64 << 20

// maxWait is the longest Retry-After that is waited for.
const maxWait = 5 * time.Second

// ETag names one state of an object. The zero value means any state.
type ETag string

// request is one call. Only body or upload is set.
type request struct {
	method  string
	path    string // escaped, from the server's root
	query   url.Values
	ifMatch ETag
	header  http.Header
	body    any // sent as JSON
	upload  *upload
}

// upload is a body that is not JSON.
type upload struct {
	data io.Reader
	size int64 // bytes, -1 where it is not known
	mime string
}

// api returns the escaped path below the API's base.
func api(parts ...string) string {
	var b strings.Builder
	b.WriteString("/api/v1")
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// call sends a request and reads a JSON answer into out, which is nil where
// none is expected.
func (c *Client) call(ctx context.Context, r request, out any) (http.Header, error) {
	resp, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer drain(resp.Body)
	return resp.Header, c.decode(resp, out)
}

func (c *Client) decode(resp *http.Response, out any) error {
	if out == nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.unreachable(err)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read the answer of %s to %s: %w", c.server, resp.Request.URL.Path, err)
	}
	return nil
}

// open sends a request, again as Options.ReadRetries allows, and returns the
// answer if it is a success. The caller closes its body.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		resp, err := c.send(ctx, r)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode < http.StatusMultipleChoices {
			return resp, nil
		}
		refused := refusal(resp)
		drain(resp.Body)
		if r.method != http.MethodGet || attempt >= c.retries || !pause(ctx, resp) {
			return nil, refused
		}
	}
}

// pause waits as an answer asks and reports whether to try again.
func pause(ctx context.Context, resp *http.Response) bool {
	wait := retryAfter(resp.Header.Get("Retry-After"))
	if resp.StatusCode != http.StatusServiceUnavailable || wait <= 0 || wait > maxWait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send sends a request once and returns whatever is answered.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	req, err := c.build(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	return resp, nil
}

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	body, err := r.payload()
	if err != nil {
		return nil, err
	}
	target := c.server + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body.data)
	if err != nil {
		return nil, err
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	c.setHeaders(req, r, body)
	return req, nil
}

func (c *Client) setHeaders(req *http.Request, r request, body upload) {
	if body.data != nil {
		req.Header.Set("Content-Type", body.mime)
		req.ContentLength = body.size
	}
	if body.size == 0 {
		req.Body = http.NoBody // else net/http takes 0 for unknown and sends chunks
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", string(r.ifMatch))
	}
	req.Header.Set("User-Agent", c.userAgent)
}

func (r request) payload() (upload, error) {
	switch {
	case r.upload != nil:
		return *r.upload, nil
	case r.body == nil:
		return upload{}, nil
	}
	data, err := marshal(r.body)
	if err != nil {
		return upload{}, fmt.Errorf("write the body of %s: %w", r.path, err)
	}
	return upload{data: bytes.NewReader(data), size: int64(len(data)), mime: "application/json"}, nil
}

// marshal leaves <, > and & as they are: functions may look at the bytes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// drain reads a short rest, so that the connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10) // the answer has been read; an error here changes nothing
	body.Close()
}

// params builds a query from names and values; empty values and 0 are left
// out.
type params url.Values

func (p params) text(name, value string) params {
	if value != "" {
		url.Values(p).Set(name, value)
	}
	return p
}

func (p params) number(name string, value int) params {
	if value != 0 {
		url.Values(p).Set(name, strconv.Itoa(value))
	}
	return p
}

func (p params) flag(name string, value bool) params {
	if value {
		url.Values(p).Set(name, "true")
	}
	return p
}

func etag(h http.Header) ETag { return ETag(h.Get("ETag")) }
