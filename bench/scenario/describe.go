package scenario

import (
	"cmp"
	"fmt"
	"strings"
)

// Defaults tells what is run unless something else is asked for.
func (s Scenario) Defaults() string {
	var parts []string
	if o := s.Open; o.Rate > 0 {
		parts = append(parts, fmt.Sprintf("%g/s for %v", o.Rate, o.Duration))
	}
	if c := s.Closed; c.Connections > 0 {
		parts = append(parts, fmt.Sprintf("%d callers, %d × %v", c.Connections, c.Rounds, c.Each))
	}
	if s.Duration > 0 {
		parts = append(parts, s.Duration.String())
	}
	if s.Bounds.Ready > 0 {
		parts = append(parts, fmt.Sprintf("%d functions, %d starts", manyFunctions, starts))
	}
	return strings.Join(parts, "; ")
}

// String tells the bounds, for example "no error, p99 < 10ms".
func (b Bounds) String() string {
	var parts []string
	add := func(set bool, format string, args ...any) {
		if set {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(b.P99 > 0, "p99 < %v", b.P99)
	add(b.Ratio > 0, "throughput ≥ %g × baseline", b.Ratio)
	add(b.Ready > 0, "ready in < %v", b.Ready)
	add(b.IdleBytes > 0, "resident < %s", mebibytes(b.IdleBytes))
	return cmp.Or(strings.Join(parts, ", "), "no error")
}
