package scenario

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s  skiff %s  %s\n", r.Scenario, r.Appliance, r.StartedAt.Format("2006-01-02 15:04 MST"))
	fmt.Fprintf(&b, "%d CPUs %s, Linux %s, %s, %s\n", m.CPUs, m.Model, m.Kernel, m.OS, m.Go)
	if r.Server != "" {
		fmt.Fprintf(&b, "server %s: costs and ratios mean nothing unless it is on this host\n", r.Server)
	}
	for i := range r.Phases {
		r.Phases[i].print(&b)
	}
	r.Start.print(&b)
	if r.Idle != nil {
		fmt.Fprintf(&b, "\nidle: resident %s, at most %s\n", mebibytes(r.Idle.RSS), mebibytes(r.Idle.Peak))
	}
	r.printBounds(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *Phase) print(b *strings.Builder) {
	how := fmt.Sprintf("%d callers", p.Connections)
	if p.Loop == "open" {
		how = fmt.Sprintf("%g requests/s over %d connections, latency from the intended time", p.Rate, p.Connections)
	}
	fmt.Fprintf(b, "\n%s loop: %s, %d × %.3g s\n", p.Loop, how, p.Rounds, p.Seconds)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "\tright/s\tp50 ms\tp90\tp99\tp99.9\tmax\terrors\tCPU s/1000\tgenerator\tRSS\tpeak\t")
	p.Appliance.print(t, "skiff")
	p.Baseline.print(t, "baseline")
	_ = t.Flush() // to a strings.Builder
	p.printRatios(b)
	p.Appliance.printErrors(b, "skiff")
	p.Baseline.printErrors(b, "baseline")
}

func (s *Side) print(w io.Writer, name string) {
	if s == nil {
		return
	}
	q := s.Latency
	cpu, rss, peak := "-", "-", "-"
	if s.Memory != nil {
		cpu, rss, peak = fmt.Sprintf("%.4f", s.CPUPerThousand), mebibytes(s.Memory.RSS), mebibytes(s.Memory.Peak)
	}
	_, _ = fmt.Fprintf(w, "%s\t%.1f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%d\t%s\t%.4f\t%s\t%s\t\n",
		name, s.Rate, q.P50, q.P90, q.P99, q.P999, q.Max, s.failed(), cpu, s.Generator, rss, peak)
}

func (p *Phase) printRatios(b *strings.Builder) {
	if p.Throughput != nil {
		fmt.Fprintf(b, "throughput, skiff / baseline    %v\n", p.Throughput)
	}
	if p.CPU != nil {
		fmt.Fprintf(b, "CPU per call, skiff / baseline  %v\n", p.CPU)
	}
	if p.Rounds > 1 && p.Method != "" {
		fmt.Fprintf(b, "(%s, %d pairs)\n", p.Method, p.Rounds)
	}
	if lag := p.Appliance.Lag; lag != nil {
		fmt.Fprintf(b, "requests went out late by p50 %.3f, p99 %.3f, max %.3f ms\n", lag.P50, lag.P99, lag.Max)
	}
}

func (s *Side) printErrors(b *strings.Builder, name string) {
	if s == nil {
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Errors)) {
		fmt.Fprintf(b, "%s: %d × %s, for example %s\n", name, s.Errors[kind], kind, s.Samples[kind])
	}
}

func (s *Start) print(b *strings.Builder) {
	if s == nil {
		return
	}
	fmt.Fprintf(b, "\n%d functions, made in %.1f s; from start to ready:", s.Functions, s.FillTime)
	for _, ready := range s.Ready {
		fmt.Fprintf(b, " %.3f", ready)
	}
	fmt.Fprintf(b, " s; resident then %s, at most %s\n", mebibytes(s.Memory.RSS), mebibytes(s.Memory.Peak))
}

func (r *Report) printBounds(b *strings.Builder) {
	if len(r.Bounds) == 0 {
		return
	}
	fmt.Fprintln(b)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, bound := range r.Bounds {
		verdict := "holds"
		if !bound.Holds {
			verdict = "BROKEN"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", verdict, bound.Name, bound.Limit, bound.Actual)
	}
	_ = t.Flush() // to a strings.Builder
}
