package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/wire"
)

// Error is an answer that refuses. Code is empty where the answer was not the
// API's own, for instance a proxy's.
type Error struct {
	Status int // of HTTP
	wire.ErrorBody
	RetryAfter time.Duration // 0 where the server named none
}

// Error returns the message and the code, and below them one line for each
// detail, and the trace id where the fault is the server's.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	for _, d := range e.Details {
		fmt.Fprintf(&b, "\n  %s: %s", d.Field, d.Message)
	}
	if e.Status >= http.StatusInternalServerError && e.TraceID != "" {
		fmt.Fprintf(&b, "\n  trace id: %s", e.TraceID)
	}
	return b.String()
}

// HasStatus reports whether err is, or wraps, an answer of the status.
func HasStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// maxError bounds what is read of a refusal, in bytes.
const maxError = 1 << 20

// refusal reads an answer that is not a success.
func refusal(resp *http.Response) error {
	e := &Error{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxError)) // what has come is better than nothing
	var body wire.Error
	if json.Unmarshal(data, &body) == nil && body.Error.Message != "" {
		e.ErrorBody = body.Error
		return e
	}
	e.Message = "the server answered " + resp.Status
	if to := resp.Header.Get("Location"); to != "" {
		e.Message += " and points to " + printable(to)
	} else if text := printable(string(data)); text != "" {
		e.Message += ": " + text
	}
	return e
}

// printable returns the beginning of a text that is not ours, on one line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}

func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// unreachable names what was attempted and, where the cause tells, what to do.
func (c *Client) unreachable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("wait for %s: %w", c.server, err)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // what it adds, the message says already
	}
	return fault.Wrap(err, fault.Unavailable, "unreachable", "reach the appliance at %s", c.server).WithRemedy("%s", remedy(err))
}

func remedy(err error) string {
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "it speaks plain HTTP: begin its address with http://"
	case errors.As(err, &authority):
		return "add its authority to the host's certificates, or name a file with it in SSL_CERT_FILE"
	case errors.As(err, &certificate):
		return "call it by a name that its certificate holds, and check the clocks of both"
	}
	return "is skiff serve running there? --server or SKIFF_SERVER names another"
}
