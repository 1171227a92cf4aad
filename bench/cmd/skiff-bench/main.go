// Command skiff-bench measures an appliance: calls of functions under an open
// or a closed loop beside a bare HTTP server, the time to start, the memory
// when idle.
//
// It is flags and output only; everything else is below bench.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

// Exit codes.
const (
	exitFailed = 1 // an answer was wrong, a bound was broken, or nothing could be measured
	exitUsage  = 2
)

// errFailed says that what there is to say has been said.
var errFailed = errors.New("failed")

// usageError is a wrong use of the command line.
type usageError struct{ error }

func main() {
	// The first signal stops what was started in order, a second one at once:
	// children die with this process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	cmd := command(os.Stdout, os.Stderr)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "skiff-bench: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(os.Stderr, "skiff-bench: %v\n", err)
		return exitFailed
	}
}
