package scenario

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/skiffhq/skiff/bench/echo"
)

// BaselineCommand is the hidden command that makes this program the baseline.
const BaselineCommand = "baseline"

// Baseline serves the answers of a scenario on a free port of this host until
// ctx ends. It writes the address to out, as a line.
func Baseline(ctx context.Context, name string, out io.Writer) error {
	sc, ok := Find(name)
	if !ok || sc.Answer() == nil {
		return fmt.Errorf("serve the baseline of %q: there is none", name)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve the baseline of %q: %w", name, err)
	}
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		_ = l.Close()
		return fmt.Errorf("serve the baseline of %q: %w", name, err)
	}
	return echo.Serve(ctx, l, sc.Answer())
}
