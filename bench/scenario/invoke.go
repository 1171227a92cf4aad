package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/skiffhq/skiff/bench/load"
	"github.com/skiffhq/skiff/bench/process"
	"github.com/skiffhq/skiff/bench/stats"
)

// How long a server is loaded before anything counts: at first, and whenever
// the other one has had the machine.
const (
	warmUp = 2 * time.Second
	settle = 200 * time.Millisecond
)

const method = "paired t-interval of the logarithms of the rounds' ratios, 95 %"

// invocations measures calls of a function beside the baseline.
func invocations(ctx context.Context, b *bench) error {
	loops, err := b.settings.loops(b.scenario)
	if err != nil {
		return err
	}
	sides, err := b.sides(ctx)
	defer func() {
		for _, s := range sides {
			b.halt(ctx, s.stop)
		}
	}()
	if err != nil {
		return err
	}
	if err := b.loadAll(ctx, loops, sides); err != nil {
		if b.settings.Server == "" && ctx.Err() == nil {
			b.tell("the appliance's log ends so:\n%s", b.home().LogTail())
		}
		return err
	}
	return nil
}

// loadAll warms the servers up and runs the loops.
func (b *bench) loadAll(ctx context.Context, loops []loop, sides []*target) error {
	for _, t := range sides {
		if err := b.warm(ctx, t); err != nil {
			return err
		}
	}
	for _, l := range loops {
		phase, err := b.phase(ctx, l, sides)
		if err != nil {
			return err
		}
		b.report.Phases = append(b.report.Phases, *phase)
	}
	return nil
}

// sides starts the servers. What it returns has to be stopped, also beside an
// error.
func (b *bench) sides(ctx context.Context) ([]*target, error) {
	subject, err := b.subject(ctx)
	if err != nil {
		return nil, err
	}
	if b.settings.NoBaseline {
		return []*target{subject}, nil
	}
	baseline, err := b.baseline(subject)
	if err != nil {
		return []*target{subject}, err
	}
	return []*target{subject, baseline}, nil
}

// push loads a server for a while in a way that does not count.
func (b *bench) push(ctx context.Context, t *target, d time.Duration) (*load.Result, error) {
	p := load.Plan{Dial: t.dial, Requests: t.requests, Connections: b.scenario.Closed.Connections, Duration: d}
	r, err := load.Run(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("warm %s up: %w", t.name, err)
	}
	return r, nil
}

// warm loads a server for the first time. An error there is the end: what does
// not work now need not be measured for minutes.
func (b *bench) warm(ctx context.Context, t *target) error {
	r, err := b.push(ctx, t, b.warmUp)
	if err != nil {
		return err
	}
	for kind, sample := range r.Samples {
		return fmt.Errorf("warm %s up: %d errors, for example %s: %s", t.name, r.Failed(), kind, sample)
	}
	return nil
}

// phase lets the sides have their rounds in turn.
func (b *bench) phase(ctx context.Context, l loop, targets []*target) (*Phase, error) {
	sides := make([]*side, len(targets))
	for i := range sides {
		sides[i] = &side{sum: load.NewResult()}
	}
	for n := range l.rounds {
		for i, t := range targets {
			if err := b.round(ctx, l, t, sides[i], fmt.Sprintf("%d/%d", n+1, l.rounds)); err != nil {
				return nil, err
			}
		}
	}
	return summary(l, sides), nil
}

// round loads one server once.
func (b *bench) round(ctx context.Context, l loop, t *target, s *side, which string) error {
	settled, err := b.push(ctx, t, b.settle)
	if err != nil {
		return err
	}
	s.sum.MergeErrors(settled)
	each := l.each
	if t.name == "baseline" {
		each = l.baseline
	}
	m := meter{pids: []int{t.pid, os.Getpid()}}
	p := load.Plan{
		Dial: t.dial, Requests: t.requests, Connections: l.connections, Rate: l.rate, Duration: each,
		Started: m.start, Ended: m.end, Progress: &load.Progress{},
	}
	var r *load.Result
	label := fmt.Sprintf("%s: %s, round %s of %s", b.scenario.Name, t.name, which, l)
	err = b.view.during(label, each, p.Progress, func() (err error) {
		r, err = load.Run(ctx, p)
		return err
	})
	if err = errors.Join(err, m.err); err != nil {
		return fmt.Errorf("load %s: %w", t.name, err)
	}
	return s.add(r, t.pid, m.spent)
}

// String is, for example, "1000 requests/s".
func (l loop) String() string {
	if l.rate > 0 {
		return fmt.Sprintf("%g requests/s", l.rate)
	}
	return fmt.Sprintf("%d callers", l.connections)
}

// add adds a round. spent is the processor time of the server and of this
// program.
func (s *side) add(r *load.Result, pid int, spent []time.Duration) error {
	s.sum.Merge(r)
	s.cpu += spent[0]
	s.generator += spent[1]
	s.rounds = append(s.rounds, Round{r.Rate(), quantiles(r.Latency).P99, perThousand(spent[0], r.Right)})
	if pid == 0 {
		return nil
	}
	u, err := process.Read(pid)
	s.memory = &Memory{u.RSS, u.PeakRSS}
	return err
}

// meter reads what processes spend while a load is on.
type meter struct {
	pids  []int // 0: nothing is read
	spent []time.Duration
	err   error
}

func (m *meter) start() { m.spent = m.read() }

func (m *meter) end() {
	for i, now := range m.read() {
		m.spent[i] = now - m.spent[i]
	}
}

func (m *meter) read() []time.Duration {
	out := make([]time.Duration, len(m.pids))
	for i, pid := range m.pids {
		if pid == 0 {
			continue
		}
		cpu, err := process.CPU(pid)
		m.err = errors.Join(m.err, err)
		out[i] = cpu
	}
	return out
}

// summary compares the sides.
func summary(l loop, sides []*side) *Phase {
	p := &Phase{Loop: "closed", Rate: l.rate, Connections: l.connections, Rounds: l.rounds, Seconds: l.each.Seconds(), Appliance: sides[0].report()}
	if l.rate > 0 {
		p.Loop = "open"
	}
	if len(sides) < 2 {
		return p
	}
	p.Baseline, p.Method = sides[1].report(), method
	if l.rate == 0 { // at a given rate both do the same
		p.Throughput = ratio(sides, func(r Round) float64 { return r.Rate })
	}
	p.CPU = ratio(sides, func(r Round) float64 { return r.CPUPerThousand })
	return p
}

// ratio is nil where there is none: costs are not known, or a round without a
// right answer, whose errors tell enough.
func ratio(sides []*side, of func(Round) float64) *stats.Ratio {
	var columns [2][]float64
	for i, s := range sides {
		for _, r := range s.rounds {
			columns[i] = append(columns[i], of(r))
		}
	}
	r, err := stats.Paired(columns[0], columns[1])
	if err != nil {
		return nil
	}
	return &r
}
