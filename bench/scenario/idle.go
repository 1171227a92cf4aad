package scenario

import (
	"cmp"
	"context"
	"time"

	"github.com/skiffhq/skiff/bench/load"
	"github.com/skiffhq/skiff/bench/process"
)

// idling leaves an appliance alone for a while and reads its memory.
func idling(ctx context.Context, b *bench) error {
	a, err := b.home().Start(ctx, "")
	if err != nil {
		return err
	}
	defer b.halt(ctx, a.Stop)
	c, err := a.Client("")
	if err != nil {
		return err
	}
	health, err := c.Health(ctx)
	if err != nil {
		return err
	}
	b.report.Appliance = health.Version
	c.Close() // a connection costs memory, too
	d := cmp.Or(b.settings.Duration, b.scenario.Duration)
	if err := b.view.during("idle", d, &load.Progress{}, func() error { return rest(ctx, d) }); err != nil {
		return err
	}
	u, err := process.Read(a.PID())
	b.report.Idle = &Memory{u.RSS, u.PeakRSS}
	return err
}

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
