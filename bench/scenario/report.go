package scenario

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/skiffhq/skiff/bench/load"
	"github.com/skiffhq/skiff/bench/stats"
)

// Report is what came out of a scenario. Its JSON form is stable.
type Report struct {
	Scenario  string    `json:"scenario"`
	StartedAt time.Time `json:"startedAt"`
	Machine   Machine   `json:"machine"`
	Appliance string    `json:"appliance"`        // its version, as /healthz tells it
	Server    string    `json:"server,omitempty"` // where it was not started for this run
	Phases    []Phase   `json:"phases,omitempty"`
	Start     *Start    `json:"start,omitempty"`
	Idle      *Memory   `json:"idle,omitempty"`
	Bounds    []Bound   `json:"bounds"`
}

// Phase is one way of loading.
type Phase struct {
	Loop        string  `json:"loop"`           // "open" or "closed"
	Rate        float64 `json:"rate,omitempty"` // intended requests per second
	Connections int     `json:"connections"`
	Rounds      int     `json:"rounds"`
	Seconds     float64 `json:"seconds"` // of one round
	Appliance   *Side   `json:"appliance"`
	Baseline    *Side   `json:"baseline,omitempty"`

	// The appliance's figures divided by the baseline's, pair by pair.
	Throughput *stats.Ratio `json:"throughputRatio,omitempty"`
	CPU        *stats.Ratio `json:"cpuPerCallRatio,omitempty"`
	Method     string       `json:"method,omitempty"` // how the ratios were reckoned
}

// Side is what one server did in all rounds of a phase.
type Side struct {
	Sent           int64             `json:"sent"`
	Right          int64             `json:"right"`
	Errors         map[string]int64  `json:"errors"`            // by kind
	Samples        map[string]string `json:"samples,omitempty"` // the first error of each kind
	Rate           float64           `json:"rate"`              // right answers per second
	Latency        Quantiles         `json:"latencyMs"`
	Lag            *Quantiles        `json:"sendLagMs,omitempty"` // how late the open loop's requests went out
	CPUPerThousand float64           `json:"cpuSecondsPerThousand,omitempty"`
	Generator      float64           `json:"generatorCpuSecondsPerThousand"`
	Memory         *Memory           `json:"memory,omitempty"` // at the end of the last round
	PerRound       []Round           `json:"rounds"`
}

// Round is one round of one side.
type Round struct {
	Rate           float64 `json:"rate"`
	P99            float64 `json:"p99Ms"`
	CPUPerThousand float64 `json:"cpuSecondsPerThousand,omitempty"`
}

// Quantiles of a duration, in milliseconds.
type Quantiles struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// Memory is that of a process, in bytes.
type Memory struct {
	RSS  int64 `json:"rss"`
	Peak int64 `json:"peak"`
}

// Start is how long an appliance takes to become ready, in seconds.
type Start struct {
	Functions int       `json:"functions"`
	FillTime  float64   `json:"fillSeconds"` // making the functions, by concurrent clients
	Ready     []float64 `json:"readySeconds"`
	Memory    Memory    `json:"memory"` // of the last one, when ready
}

// Bound is a promise and what became of it.
type Bound struct {
	Name   string `json:"name"`
	Limit  string `json:"limit"`
	Actual string `json:"actual"`
	Holds  bool   `json:"holds"`
}

// Failed reports whether any answer was wrong or missing.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Phases, func(p Phase) bool { return p.Appliance.failed()+p.Baseline.failed() > 0 })
}

// failed counts the errors of all kinds; a side that was not there has none.
func (s *Side) failed() (n int64) {
	if s == nil {
		return 0
	}
	for _, count := range s.Errors {
		n += count
	}
	return n
}

// Holds reports whether all bounds hold.
func (r *Report) Holds() bool {
	return !slices.ContainsFunc(r.Bounds, func(b Bound) bool { return !b.Holds })
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	at := func(q float64) float64 { return milliseconds(time.Duration(h.ValueAtQuantile(q))) }
	return Quantiles{at(50), at(90), at(99), at(99.9), milliseconds(time.Duration(h.Max()))}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// side gathers rounds.
type side struct {
	sum       *load.Result
	rounds    []Round
	cpu       time.Duration // of the server
	generator time.Duration
	memory    *Memory
}

func (s *side) report() *Side {
	out := &Side{
		Sent: s.sum.Sent, Right: s.sum.Right, Errors: s.sum.Errors, Samples: s.sum.Samples, Rate: s.sum.Rate(),
		Latency: quantiles(s.sum.Latency), CPUPerThousand: perThousand(s.cpu, s.sum.Right),
		Generator: perThousand(s.generator, s.sum.Right), Memory: s.memory, PerRound: s.rounds,
	}
	if s.sum.Lag.TotalCount() > 0 {
		lag := quantiles(s.sum.Lag)
		out.Lag = &lag
	}
	return out
}

func perThousand(cpu time.Duration, calls int64) float64 {
	if calls == 0 {
		return 0
	}
	return cpu.Seconds() / float64(calls) * 1000
}
