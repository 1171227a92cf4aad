package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/bench/appliance"
	"github.com/skiffhq/skiff/bench/process"
	"github.com/skiffhq/skiff/core/client"
)

const (
	manyFunctions = 10_000
	starts        = 5
	fillers       = 32 // clients that make functions; the store merges their writes
)

// unlimited is the configuration for filling the store: by default an
// appliance takes 20 new functions a minute.
const unlimited = "rateLimits: {writes: 0, reads: 0}\n"

// starting measures how long an appliance with many functions takes to be
// ready, in the default configuration.
func starting(ctx context.Context, b *bench) error {
	count := cmp.Or(b.settings.Functions, manyFunctions)
	b.report.Start = &Start{Functions: count}
	token, err := b.fill(ctx, count)
	if err != nil {
		return err
	}
	for n := range cmp.Or(b.settings.Rounds, starts) {
		b.tell("start %d with %d functions", n+1, count)
		if err := b.start(ctx, token); err != nil {
			return err
		}
	}
	return nil
}

// fill makes the functions and stops the appliance in order.
func (b *bench) fill(ctx context.Context, count int) (token string, err error) {
	config := filepath.Join(b.dir, "unlimited.yaml")
	if err := os.WriteFile(config, []byte(unlimited), 0o600); err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	a, err := b.home().Start(ctx, config)
	if err != nil {
		return "", err
	}
	defer b.halt(ctx, a.Stop)
	if token, err = a.Administer(ctx); err != nil {
		return "", err
	}
	c, err := a.Client(token)
	if err != nil {
		return "", err
	}
	defer c.Close()
	begin := time.Now()
	var made atomic.Int64
	err = b.view.counting(fmt.Sprintf("%s: functions of %d", b.scenario.Name, count), &made, func() error { return create(ctx, c, count, &made) })
	b.report.Start.FillTime = time.Since(begin).Seconds()
	return token, err
}

// create makes functions by several clients at once and returns the first
// error of each.
func create(ctx context.Context, c *client.Client, count int, made *atomic.Int64) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, fillers)
	for i := range fillers {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(count) && errs[i] == nil; n = next.Add(1) {
				d := appliance.Deployment{Name: fmt.Sprintf("stored-%06d", n)}
				if _, errs[i] = c.CreateFunction(ctx, appliance.Wanted(d)); errs[i] == nil {
					made.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// start starts the appliance once, and makes sure that it has its functions.
func (b *bench) start(ctx context.Context, token string) error {
	a, err := b.home().Start(ctx, "")
	if err != nil {
		return err
	}
	defer b.halt(ctx, a.Stop)
	s := b.report.Start
	s.Ready = append(s.Ready, a.Took().Seconds())
	u, err := process.Read(a.PID())
	if err != nil {
		return err
	}
	s.Memory = Memory{u.RSS, u.PeakRSS}
	return b.counted(ctx, a, token)
}

func (b *bench) counted(ctx context.Context, a *appliance.Appliance, token string) error {
	c, err := a.Client(token)
	if err != nil {
		return err
	}
	defer c.Close()
	health, err := c.Health(ctx)
	if err != nil {
		return err
	}
	b.report.Appliance = health.Version
	page, err := c.Functions(ctx, client.FunctionQuery{Limit: 1})
	if err != nil {
		return err
	}
	if page.Total != b.report.Start.Functions {
		return fmt.Errorf("the appliance has %d functions, want %d", page.Total, b.report.Start.Functions)
	}
	return nil
}
