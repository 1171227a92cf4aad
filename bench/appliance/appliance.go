// Package appliance runs a Skiff of its own to be measured, the way an
// operator would: by the program's commands and its API.
//
// It sees the program from outside; how it is loaded, and what for, does not
// belong here.
package appliance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/skiffhq/skiff/bench/process"
	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/wire"
)

// Bounds of starting.
const (
	readyTimeout = 2 * time.Minute
	pollEvery    = 2 * time.Millisecond
)

// Home is where an appliance lives and which program it is.
type Home struct {
	Skiff string // path of the program
	Dir   string // an existing directory that is this appliance's alone
}

func (h Home) data() string     { return filepath.Join(h.Dir, "data") }
func (h Home) log() string      { return filepath.Join(h.Dir, "skiff.log") }
func (h Home) password() string { return filepath.Join(h.Dir, "password") }

// Appliance is a running one. It must be stopped.
type Appliance struct {
	home    Home
	process *process.Process
	address string        // host:port of the API
	took    time.Duration // from exec to ready
}

// Start runs the appliance, with its defaults but for what the configuration
// file says ("": none), and returns when it is ready.
func (h Home) Start(ctx context.Context, config string) (*Appliance, error) {
	args := []string{"serve", "--data-dir", h.data(), "--listen", "127.0.0.1:0"}
	if config != "" {
		args = append(args, "--config", config)
	}
	out, err := os.OpenFile(h.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start an appliance: %w", err)
	}
	defer out.Close()
	if err := os.Remove(h.endpoints()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("start an appliance: %w", err) // it would be taken for the new one's
	}
	begin := time.Now()
	p, err := process.Start(out, h.Skiff, args...)
	if err != nil {
		return nil, fmt.Errorf("start an appliance: %w", err)
	}
	a := &Appliance{home: h, process: p}
	if err := a.await(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start an appliance: %w\n%s", err, h.LogTail()), a.Stop(ctx))
	}
	a.took = time.Since(begin)
	return a, nil
}

func (h Home) endpoints() string { return filepath.Join(h.data(), "endpoints.json") }

// await polls until the appliance says that it is ready.
func (a *Appliance) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if a.ready(ctx) {
			return nil
		}
		select {
		case <-tick.C:
		case <-a.process.Done():
			return fmt.Errorf("it ended: %w", cmp.Or(a.process.Err(), errors.New("exit status 0")))
		case <-ctx.Done():
			return fmt.Errorf("it does not become ready: %w", ctx.Err())
		}
	}
}

func (a *Appliance) ready(ctx context.Context) bool {
	raw, err := os.ReadFile(a.home.endpoints())
	if err != nil {
		return false
	}
	var e wire.Endpoints
	if json.Unmarshal(raw, &e) != nil || e.API == "" {
		return false // being written
	}
	a.address = e.API
	c, err := a.Client("")
	if err != nil {
		return false
	}
	defer c.Close()
	r, err := c.Ready(ctx)
	return err == nil && r.Ready
}

// Address returns host:port of the API.
func (a *Appliance) Address() string { return a.address }

// PID returns the id of the appliance's process.
func (a *Appliance) PID() int { return a.process.PID() }

// Took returns the time from starting the program to its being ready.
func (a *Appliance) Took() time.Duration { return a.took }

// Client returns a client with a token; "" has none.
func (a *Appliance) Client(token string) (*client.Client, error) {
	return client.New(client.Options{Server: a.address, Token: token, UserAgent: "skiff-bench"})
}

// Stop ends the appliance and returns when it is gone. It is idempotent, and
// stops also where ctx has ended.
func (a *Appliance) Stop(ctx context.Context) error {
	return a.process.Stop(context.WithoutCancel(ctx))
}

// LogTail returns the end of what the appliance has logged, for people.
func (h Home) LogTail() string {
	const most = 4 << 10
	raw, err := os.ReadFile(h.log())
	if err != nil {
		return ""
	}
	if len(raw) > most {
		raw = raw[len(raw)-most:]
		raw = raw[bytes.IndexByte(raw, '\n')+1:]
	}
	return string(raw)
}
