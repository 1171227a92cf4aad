package scenario

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/skiffhq/skiff/bench/appliance"
	"github.com/skiffhq/skiff/bench/load"
	"github.com/skiffhq/skiff/bench/process"
	"github.com/skiffhq/skiff/core/client"
)

// distinct is how many different requests are sent in turn, so that an answer
// to another request is seen to be one.
const distinct = 64

// target is a server that is ready for load.
type target struct {
	name     string
	dial     func(context.Context) (net.Conn, error)
	requests []load.Request
	pid      int // 0: not known
	stop     func(context.Context) error
}

// subject starts an appliance and deploys the scenario's function to it, or
// deploys to the one that the settings name.
func (b *bench) subject(ctx context.Context) (*target, error) {
	b.tell("building the guest %q", b.scenario.guest.kind)
	module, err := b.build(ctx, b.scenario.guest.kind, b.dir)
	if err != nil {
		return nil, err
	}
	if b.settings.Server != "" {
		return b.foreign(ctx, module)
	}
	b.tell("starting %s in %s", b.settings.Skiff, b.dir)
	a, err := b.home().Start(ctx, "")
	if err != nil {
		return nil, err
	}
	t, err := b.own(ctx, a, module)
	if err != nil {
		return nil, errors.Join(err, a.Stop(ctx))
	}
	return t, nil
}

func (b *bench) home() appliance.Home {
	return appliance.Home{Skiff: b.settings.Skiff, Dir: b.dir}
}

func (b *bench) own(ctx context.Context, a *appliance.Appliance, module string) (*target, error) {
	token, err := a.Administer(ctx)
	if err != nil {
		return nil, err
	}
	c, err := a.Client(token)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := b.deploy(ctx, c, b.scenario.Name, module); err != nil {
		return nil, err
	}
	t := b.appliance(c.Server(), token, b.scenario.Name)
	t.pid, t.stop = a.PID(), a.Stop
	return t, nil
}

// foreign deploys to an appliance that others started, under a name that
// nobody has, and takes the function away afterwards.
func (b *bench) foreign(ctx context.Context, module string) (*target, error) {
	raw, err := os.ReadFile(b.settings.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	c, err := client.New(client.Options{Server: b.settings.Server, Token: token, UserAgent: "skiff-bench"})
	if err != nil {
		return nil, err
	}
	name := "skiff-bench-" + b.scenario.Name + "-" + rand.Text()[:8]
	remove := func(ctx context.Context) error {
		defer c.Close()
		return c.DeleteFunction(context.WithoutCancel(ctx), name, true)
	}
	if err := b.deploy(ctx, c, name, module); err != nil {
		return nil, errors.Join(err, remove(ctx))
	}
	t := b.appliance(c.Server(), token, name)
	t.pid, t.stop = b.settings.ServerPID, remove
	return t, nil
}

// deploy deploys the function and calls it once, so that what cannot work is
// told in the appliance's own words.
func (b *bench) deploy(ctx context.Context, c *client.Client, name, module string) error {
	health, err := c.Health(ctx)
	if err != nil {
		return err
	}
	b.report.Appliance = health.Version
	g := b.scenario.guest
	d := appliance.Deployment{Name: name, Module: module, Handler: g.kind.Handler(), Isolation: g.isolation}
	if err := appliance.Deploy(ctx, c, d); err != nil {
		return err
	}
	payload := g.payload(0)
	result, err := c.InvokeRaw(ctx, client.RawInvocation{Function: name, Payload: payload})
	if err != nil {
		return fmt.Errorf("call function %q for the first time: %w", name, err)
	}
	if want := g.answer(payload); result.FunctionError != "" || string(result.Body) != string(want) {
		return fmt.Errorf("call function %q for the first time: got %s %q, want %q", name, result.FunctionError, result.Body, want)
	}
	return nil
}

// appliance returns the target that a server in the form of client.Server and
// a function make.
func (b *bench) appliance(server, token, name string) *target {
	u, _ := url.Parse(server) // the client has parsed it before
	path := u.Path + "/2015-03-31/functions/" + name + "/invocations"
	return &target{name: "skiff", dial: dialer(u), requests: b.requests(u.Host, path, token)}
}

func dialer(u *url.URL) func(context.Context) (net.Conn, error) {
	if u.Scheme != "https" {
		return load.TCP(withPort(u, "80"))
	}
	d := &tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12}}
	return func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", withPort(u, "443")) }
}

func withPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// requests are built beforehand, each with the one right answer to it.
func (b *bench) requests(host, path, token string) []load.Request {
	out := make([]load.Request, distinct)
	for i := range out {
		payload := b.scenario.guest.payload(i)
		wire := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			path, host, token, len(payload), payload)
		out[i] = load.Request{Wire: wire, Want: b.scenario.guest.answer(payload)}
	}
	return out
}

// baseline starts this program again as the bare server. It gets the same
// requests to the byte, but for the host, and sends the same answers.
func (b *bench) baseline(like *target) (*target, error) {
	r, w := io.Pipe()
	p, err := process.Start(w, b.settings.Self, BaselineCommand, b.scenario.Name)
	if err != nil {
		return nil, fmt.Errorf("start the baseline: %w", err)
	}
	go func() {
		<-p.Done()
		_ = w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	_ = r.Close() // it says nothing more
	if err != nil {
		<-p.Done()
		return nil, fmt.Errorf("start the baseline: it ended: %w", errors.Join(p.Err(), err))
	}
	return &target{name: "baseline", dial: load.TCP(strings.TrimSpace(line)), requests: like.requests, pid: p.PID(), stop: p.Stop}, nil
}
