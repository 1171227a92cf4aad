package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/skiffhq/skiff/bootstrap/wasm/guests"
)

// bench is one run of a scenario.
type bench struct {
	scenario *Scenario
	settings *Settings
	dir      string // removed afterwards
	report   *Report
	after    error // what went wrong when something was stopped
	view     *view
	warmUp   time.Duration
	settle   time.Duration
	build    func(ctx context.Context, kind guests.Kind, dir string) (path string, err error)
}

// Run measures. Wrong answers and broken bounds are part of the report.
// Without a report nothing could be measured, and the error says why; an error
// beside one says what did not stop well. Everything that was started has been
// stopped, and what was written is gone, when it returns.
func Run(ctx context.Context, sc Scenario, settings Settings) (*Report, error) {
	b := &bench{scenario: &sc, settings: &settings, view: newView(settings.Progress), warmUp: warmUp, settle: settle, build: guests.Build}
	return b.run(ctx)
}

func (b *bench) run(ctx context.Context) (report *Report, err error) {
	if err = b.settings.Check(*b.scenario); err != nil {
		return nil, err
	}
	b.dir, err = os.MkdirTemp("", "skiff-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a working directory: %w", err)
	}
	b.report = &Report{Scenario: b.scenario.Name, StartedAt: time.Now().UTC(), Machine: describe(), Server: b.settings.Server}
	defer func() { err = errors.Join(err, b.after, b.clean()) }()
	if err := b.scenario.measure(ctx, b); err != nil {
		return nil, fmt.Errorf("run %s: %w", b.scenario.Name, err)
	}
	b.judge()
	return b.report, nil
}

// halt stops something in order, also where ctx has ended, and keeps for the
// end what went wrong there: the figures have been taken by then.
func (b *bench) halt(ctx context.Context, stop func(context.Context) error) {
	b.after = errors.Join(b.after, stop(context.WithoutCancel(ctx)))
}

func (b *bench) clean() error {
	if b.settings.Keep {
		b.tell("the working directory is kept: %s", b.dir)
		return nil
	}
	return os.RemoveAll(b.dir)
}

// tell tells people what happens.
func (b *bench) tell(format string, args ...any) {
	if b.settings.Log != nil {
		b.view.clear()
		_, _ = io.WriteString(b.settings.Log, fmt.Sprintf(format, args...)+"\n")
	}
}
