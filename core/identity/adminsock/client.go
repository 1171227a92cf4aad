package adminsock

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// callTimeout leaves time for a password to be hashed on a busy host.
const callTimeout = 30 * time.Second

// Init makes the first Admin of the appliance behind the socket. Faults: those
// of identity.Service.InitAdmin, Unavailable where nothing answers.
func Init(ctx context.Context, socketPath, user, password string) error {
	return call(ctx, socketPath, pathInit, credentials{user, password})
}

// ResetPassword gives a user a new password. Faults: those of
// identity.Service.ResetPassword, Unavailable where nothing answers.
func ResetPassword(ctx context.Context, socketPath, user, password string) error {
	return call(ctx, socketPath, pathReset, credentials{user, password})
}

func call(ctx context.Context, socket, path string, c credentials) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://skiff"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client(socket).Do(req)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "admin_socket", "ask the appliance at %s", socket).
			WithRemedy("run as root or as the appliance's user, and check that skiff serve runs; --socket names another socket")
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	return fromWire(resp)
}

func client(socket string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &http.Client{Timeout: callTimeout, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// wireFault is a fault as the socket tells it, without its cause.
type wireFault struct {
	Class        string         `json:"class"`
	Reason       string         `json:"reason"`
	Message      string         `json:"message"`
	Remedy       string         `json:"remedy,omitempty"`
	Details      []fault.Detail `json:"details,omitempty"`
	RetryAfterMS int64          `json:"retryAfterMs,omitempty"`
}

func toWire(err error) wireFault {
	f := fault.Of(err)
	return wireFault{f.Class.String(), f.Reason, f.Message, f.Remedy, f.Details, f.RetryAfter.Milliseconds()}
}

func fromWire(resp *http.Response) error {
	var w wireFault
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	if err != nil || w.Message == "" {
		return fault.Wrap(err, fault.Internal, "admin_socket", "the administration socket answered %s", resp.Status)
	}
	return &fault.Error{
		Class: classNamed(w.Class), Reason: w.Reason, Message: w.Message, Remedy: w.Remedy,
		Details: w.Details, RetryAfter: time.Duration(w.RetryAfterMS) * time.Millisecond,
	}
}

// classNamed is the inverse of Class.String; an unknown name is Internal.
func classNamed(name string) fault.Class {
	for c := fault.Internal; c <= fault.Canceled; c++ {
		if c.String() == name {
			return c
		}
	}
	return fault.Internal
}
