package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/skiffhq/skiff/core/client"
)

// app is what the commands of one command line share. It serves one goroutine.
type app struct {
	streams
	env      func(string) string
	now      func() time.Time
	terminal func(stream any) bool // whether a person is there
	secret   func(ctx context.Context, prompt string) (string, error)

	server, token string // the flags
	output        string // the flag -o of the command that runs
	running       bool   // whether flags and arguments were in order
}

func newApp(s streams, env func(string) string) *app {
	a := &app{streams: s, env: env, now: time.Now, terminal: isTerminal}
	a.secret = a.askSecret
	return a
}

func (a *app) run(ctx context.Context, args []string) int {
	root := newRootCommand(a)
	root.SetArgs(append([]string{}, args...)) // not nil, which means the process's own
	cmd, err := root.ExecuteContextC(ctx)
	return a.exit(cmd, err)
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// target is the appliance to talk to and the credential for it.
type target struct {
	server string
	token  string
}

// target takes the server from flag, environment or file, and the token from
// flag or environment, or from the file if it belongs to that server: a token
// must not wander to another.
func (a *app) target() (target, error) {
	s, err := a.loadSettings()
	if err != nil {
		return target{}, err
	}
	server, err := client.ParseServer(first(a.server, a.env("SKIFF_SERVER"), s.Server, client.DefaultServer))
	if err != nil {
		return target{}, err
	}
	// Files and shells leave line ends that no header may hold.
	return target{server, strings.TrimSpace(first(a.token, a.env("SKIFF_TOKEN"), s.Logins[server].Token))}, nil
}

// client returns a client for the target. Where no token is known it has none:
// whether the server is there at all is the first thing to find out, and its
// refusal is explained by hintFor.
func (a *app) client() (*client.Client, error) {
	t, err := a.target()
	if err != nil {
		return nil, err
	}
	return a.connect(t)
}

func (a *app) connect(t target) (*client.Client, error) {
	return client.New(client.Options{Server: t.server, Token: t.token, UserAgent: "skiff/" + programVersion(), ReadRetries: 2})
}

// howToLogIn is the remedy for a missing or refused token.
func howToLogIn(server string) string {
	text := "skiff login --server " + server + ", or set SKIFF_TOKEN"
	if client.Loopback(server) {
		text += "; skiff serve --dev writes a token:\nexport SKIFF_TOKEN=$(cat skiff-data/admin.token)"
	}
	return text
}

// printf writes to standard output.
func (a *app) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.out, format, args...)
	return err
}

// note writes to standard error what is good to know beside the result.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.err, format+"\n", args...)
}

// readAll reads a file, or standard input for "-", up to the limit in bytes.
func (a *app) readAll(path string, limit int64) ([]byte, error) {
	in := a.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usagef("%v", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, usagef("read %s: %v", path, err)
	}
	if int64(len(data)) > limit {
		return nil, usagef("%s has more than %s", path, bytesText(limit))
	}
	return data, nil
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
