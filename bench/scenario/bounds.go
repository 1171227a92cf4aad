package scenario

import (
	"fmt"
	"slices"
	"time"
)

// heldRate is how much of an open loop's rate has to be answered in time: less
// was not that rate.
const heldRate = 0.99

// judge holds the report against the scenario's bounds.
func (b *bench) judge() {
	r, limits := b.report, b.scenario.Bounds
	for _, p := range r.Phases {
		r.Bounds = append(r.Bounds, p.errorFree())
		if p.Loop == "open" {
			r.Bounds = append(r.Bounds, p.held(), p.fast(limits.P99))
		} else {
			r.Bounds = append(r.Bounds, p.near(limits.Ratio))
		}
	}
	r.Bounds = append(r.Bounds, r.Start.within(limits.Ready), r.Idle.below(limits.IdleBytes))
	r.Bounds = slices.DeleteFunc(r.Bounds, func(b Bound) bool { return b.Name == "" })
}

func (p *Phase) errorFree() Bound {
	n := p.Appliance.failed() + p.Baseline.failed()
	return Bound{"errors, " + p.Loop + " loop", "none", fmt.Sprint(n), n == 0}
}

func (p *Phase) held() Bound {
	limit := heldRate * p.Rate
	return Bound{"rate held", fmt.Sprintf("≥ %g/s", limit), fmt.Sprintf("%.1f/s", p.Appliance.Rate), p.Appliance.Rate >= limit}
}

func (p *Phase) fast(limit time.Duration) Bound {
	if limit == 0 {
		return Bound{}
	}
	ms, actual := milliseconds(limit), p.Appliance.Latency.P99
	return Bound{"p99, open loop", fmt.Sprintf("< %g ms", ms), fmt.Sprintf("%.3f ms", actual), p.Appliance.Right > 0 && actual < ms}
}

// near takes the lower end of the interval: the promise is to hold with the
// doubt, not without it.
func (p *Phase) near(limit float64) Bound {
	if limit == 0 || p.Throughput == nil {
		return Bound{}
	}
	return Bound{"throughput to baseline", fmt.Sprintf("≥ %g", limit), p.Throughput.String(), p.Throughput.Low >= limit}
}

// within takes the slowest start.
func (s *Start) within(limit time.Duration) Bound {
	if s == nil || limit == 0 || len(s.Ready) == 0 {
		return Bound{}
	}
	worst := slices.Max(s.Ready)
	return Bound{fmt.Sprintf("ready with %d functions", s.Functions), "< " + limit.String(), fmt.Sprintf("%.3fs", worst), worst < limit.Seconds()}
}

func (m *Memory) below(limit int64) Bound {
	if m == nil || limit == 0 {
		return Bound{}
	}
	return Bound{"resident memory, idle", "< " + mebibytes(limit), mebibytes(m.RSS), m.RSS < limit}
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
