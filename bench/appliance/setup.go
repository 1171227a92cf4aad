package appliance

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

const (
	admin    = "bench"
	tokenTTL = 24 * time.Hour // longer than any measurement
)

// Administer makes the first administrator and returns a token of theirs. It
// can be done once in an appliance's life.
func (a *Appliance) Administer(ctx context.Context) (token string, err error) {
	password := rand.Text()
	if err := os.WriteFile(a.home.password(), []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("make an administrator: %w", err)
	}
	socket := filepath.Join(a.home.data(), "admin.sock")
	cmd := exec.CommandContext(ctx, a.home.Skiff,
		"admin", "init", "--username", admin, "--password-file", a.home.password(), "--socket", socket)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make an administrator: %w: %s", err, bytes.TrimSpace(out))
	}
	return a.login(ctx, password)
}

func (a *Appliance) login(ctx context.Context, password string) (string, error) {
	anybody, err := a.Client("")
	if err != nil {
		return "", err
	}
	defer anybody.Close()
	session, err := anybody.Login(ctx, admin, password)
	if err != nil {
		return "", fmt.Errorf("log in: %w", err)
	}
	c, err := a.Client(session.Token)
	if err != nil {
		return "", err
	}
	defer c.Close()
	ttl := function.Duration(tokenTTL)
	t, err := c.CreateToken(ctx, wire.CreateToken{Name: "bench", TTL: &ttl})
	if err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return t.Token, nil
}

// Deployment is a function to be made, of a WebAssembly module.
type Deployment struct {
	Name      string
	Module    string // path
	Handler   string
	Isolation function.Isolation
}

// Deploy creates the function and publishes its code.
func Deploy(ctx context.Context, c *client.Client, d Deployment) error {
	code, err := os.Open(d.Module)
	if err != nil {
		return fmt.Errorf("deploy function %q: %w", d.Name, err)
	}
	defer code.Close()
	info, err := code.Stat()
	if err != nil {
		return fmt.Errorf("deploy function %q: %w", d.Name, err)
	}
	if _, err := c.CreateFunction(ctx, Wanted(d)); err != nil {
		return fmt.Errorf("create function %q: %w", d.Name, err)
	}
	if _, err := c.Publish(ctx, d.Name, client.Publication{Code: code, Size: info.Size(), Type: client.TypeWasm}); err != nil {
		return fmt.Errorf("publish function %q: %w", d.Name, err)
	}
	return nil
}

// Wanted returns the request that creates the function: what the deployment
// does not say is left to the appliance's defaults.
func Wanted(d Deployment) wire.CreateFunction {
	runtime := "wasm"
	f := wire.CreateFunction{Name: d.Name}
	f.Runtime = &runtime
	if d.Handler != "" {
		f.Handler = &d.Handler
	}
	if d.Isolation != "" {
		f.Isolation = &d.Isolation
	}
	return f
}
