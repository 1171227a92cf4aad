// Package node builds the parts of an appliance, starts them in order, tells
// whether all are ready and stops them in reverse.
//
// It decides nothing that concerns functions: it joins those who do.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/skiffhq/skiff/core/config"
	"github.com/skiffhq/skiff/core/wire"
)

// drainTimeout is how long running invocations may take to end when the
// appliance stops. The longest timeout of a function is longer: what runs so
// long is cut.
const drainTimeout = 30 * time.Second

// partTimeout is what every part may take to stop even where those before it
// have used drainTimeout up: the store, which is last, must be closed.
const partTimeout = 3 * time.Second

// Options are what Run needs. Config must be set and checked.
type Options struct {
	Config  *config.Config
	Version string
	Log     *slog.Logger
	// Ready is told once every part has started; nil for nobody.
	Ready func(wire.Endpoints)
}

// Run starts an appliance and serves until ctx ends, then stops it. It returns
// why it could not start or stop, with the remedy; nil after a clean stop.
func Run(ctx context.Context, opts Options) error {
	n := newNode(opts)
	if err := n.start(ctx); err != nil {
		return errors.Join(err, n.stop())
	}
	if opts.Ready != nil {
		opts.Ready(n.endpoints)
	}
	<-ctx.Done()
	n.log.Info("stopping", "drain", drainTimeout)
	return n.stop()
}

// part is something that starts and stops.
type part struct {
	name  string
	start func(context.Context) error
	stop  func(context.Context) error
	ready func() error // why it is not ready; nil: ready once started
}

// node is an appliance.
type node struct {
	parts
	order   []part // of starting
	started int    // how many of them have started
}

// start starts every part. Those that have started when one fails are left to
// stop.
func (n *node) start(ctx context.Context) error {
	begin := time.Now()
	for _, p := range n.order {
		if err := p.start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
		n.started++
	}
	n.running.Store(true)
	n.log.Info("ready", "api", n.endpoints.API, "version", n.version, "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// stop stops what has started, the last first. Every part is asked to stop
// whatever became of those before it, within the time that is left, and that
// is never less than partTimeout.
func (n *node) stop() error {
	n.running.Store(false)
	deadline := time.Now().Add(drainTimeout)
	var errs []error
	for ; n.started > 0; n.started-- {
		p := n.order[n.started-1]
		if err := p.stopWithin(max(time.Until(deadline), partTimeout)); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
		}
	}
	return errors.Join(errs...)
}

func (p part) stopWithin(d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return p.stop(ctx)
}

// components tells of every part whether it is ready. It is the answer of
// /readyz: before everything has started and while the appliance stops, the
// parts are not.
func (n *node) components() []wire.Component {
	var all []wire.Component
	running := n.running.Load()
	for _, p := range n.order {
		c := wire.Component{Name: p.name, Ready: running}
		if !running {
			c.Reason = "the appliance is starting or stopping"
		} else if p.ready != nil {
			if err := p.ready(); err != nil {
				c.Ready, c.Reason = false, err.Error()
			}
		}
		all = append(all, c)
	}
	return all
}
