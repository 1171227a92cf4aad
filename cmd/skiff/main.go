// Command skiff runs an appliance and works with one: it turns flags into
// settings for core/node, or into calls of core/client.
//
// What a command does to functions lives elsewhere; here are words, flags,
// files of the user, and how answers look.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// version is set by -ldflags "-X main.version=v1.2.3".
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.Getenv))
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run executes one command line and returns the exit code: 0 for success, 1
// for a function that failed, 2 for wrong usage, where nothing was sent, 3 for
// everything that server, network or host refuse.
func run(ctx context.Context, args []string, s streams, env func(string) string) int {
	return newApp(s, env).run(ctx, args)
}

// programVersion is what was linked in, or what the module system knows.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
