package scenario

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/skiffhq/skiff/bench/load"
	"github.com/skiffhq/skiff/bench/stats"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is a report with everything in it, of figures that nobody measured.
func sample() *Report {
	slow := Quantiles{1, 2, 3.5, 40, 41.25}
	lag := Quantiles{0.01, 0.02, 0.06, 0.1, 0.2}
	return &Report{
		Scenario: "wasm-c", StartedAt: time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC), Appliance: "1.2.3", Server: "http://[::1]:8080",
		Machine: Machine{CPUs: 2, Model: "Abacus", Kernel: "6.1.0", OS: "Debian", Go: "go1.26 amd64"},
		Phases: []Phase{
			{
				Loop: "open", Rate: 1000, Connections: 64, Rounds: 1, Seconds: 60,
				Appliance: &Side{Sent: 60000, Right: 59990, Errors: map[string]int64{"status 503": 9, "body": 1},
					Samples: map[string]string{"status 503": "busy", "body": `got "a", want "b"`}, Rate: 999.8, Latency: slow, Lag: &lag},
			},
			{
				Loop: "closed", Connections: 16, Rounds: 6, Seconds: 5, Method: method,
				Appliance:  &Side{Sent: 10, Right: 10, Rate: 20000.1, Latency: slow, CPUPerThousand: 0.05, Generator: 0.01, Memory: &Memory{50 << 20, 60 << 20}},
				Baseline:   &Side{Sent: 20, Right: 20, Rate: 50000, Latency: lag, CPUPerThousand: 0.02, Generator: 0.01, Memory: &Memory{10 << 20, 10 << 20}},
				Throughput: &stats.Ratio{Value: 0.4, Low: 0.38, High: 0.42, Pairs: 6},
				CPU:        &stats.Ratio{Value: 2.5, Low: 2.4, High: 2.6, Pairs: 6},
			},
		},
		Start: &Start{Functions: 10000, FillTime: 12.34, Ready: []float64{0.5, 1.25}, Memory: Memory{40 << 20, 41 << 20}},
		Idle:  &Memory{30 << 20, 31 << 20},
	}
}

func judged(name string, r *Report) *Report {
	sc, _ := Find(name)
	(&bench{scenario: &sc, report: r}).judge()
	return r
}

func TestPrintAndJSONStayAsTheyAre(t *testing.T) {
	r := judged("wasm-c", sample())
	var table writer
	if err := r.Print(&table); err != nil {
		t.Fatal(err)
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", table)
	golden(t, "report.json", append(raw, '\n'))
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(got) != string(want) {
		t.Errorf("%s (-update writes it anew): %v, got\n%s", name, err, got)
	}
}

func TestBoundsOfALoad(t *testing.T) {
	tests := map[string]struct {
		change func(*Report)
		broken string
	}{
		"all hold":       {func(*Report) {}, ""},
		"an error":       {func(r *Report) { r.Phases[0].Appliance.Errors = map[string]int64{"closed": 1} }, "errors, open loop"},
		"baseline error": {func(r *Report) { r.Phases[1].Baseline.Errors = map[string]int64{"closed": 1} }, "errors, closed loop"},
		"rate not held":  {func(r *Report) { r.Phases[0].Appliance.Rate = 989 }, "rate held"},
		"slow":           {func(r *Report) { r.Phases[0].Appliance.Latency.P99 = 10 }, "p99, open loop"},
		"nothing right":  {func(r *Report) { r.Phases[0].Appliance.Right = 0 }, "p99, open loop"},
		"doubtful ratio": {func(r *Report) { r.Phases[1].Throughput.Low = 0.34 }, "throughput to baseline"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := sample()
			r.Start, r.Idle, r.Phases[0].Appliance.Errors = nil, nil, nil
			tt.change(r)
			checkBroken(t, judged("wasm-c", r), tt.broken)
		})
	}
}

func TestBoundsOfStartAndIdle(t *testing.T) {
	tests := map[string]struct {
		scenario string
		report   Report
		broken   string
	}{
		"fast start":     {"start", Report{Start: &Start{Functions: 7, Ready: []float64{1.9, 0.1}}}, ""},
		"one slow start": {"start", Report{Start: &Start{Functions: 7, Ready: []float64{0.1, 2}}}, "ready with 7 functions"},
		"small":          {"idle", Report{Idle: &Memory{RSS: 60<<20 - 1, Peak: 1 << 30}}, ""},
		"large":          {"idle", Report{Idle: &Memory{RSS: 60 << 20}}, "resident memory, idle"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { checkBroken(t, judged(tt.scenario, &tt.report), tt.broken) })
	}
}

func checkBroken(t *testing.T, r *Report, want string) {
	t.Helper()
	if len(r.Bounds) == 0 || r.Holds() != (want == "") {
		t.Errorf("bounds %+v", r.Bounds)
	}
	for _, b := range r.Bounds {
		if b.Holds == (b.Name == want) {
			t.Errorf("%+v", b)
		}
	}
}

func TestARoundWithoutRightAnswersHasNoRatio(t *testing.T) {
	good, bad := &side{sum: load.NewResult()}, &side{sum: load.NewResult()}
	good.rounds, bad.rounds = []Round{{Rate: 5}, {Rate: 5}}, []Round{{Rate: 5}, {}}
	if p := summary(loop{rounds: 2}, []*side{bad, good}); p.Throughput != nil || p.CPU != nil || p.Baseline == nil {
		t.Errorf("got %+v", p)
	}
}

func TestASideCountsCallsOfAllRounds(t *testing.T) {
	s := &side{sum: load.NewResult()}
	for range 2 {
		r := load.NewResult()
		r.Sent, r.Right, r.Elapsed = 500, 500, time.Second
		if err := s.add(r, 0, []time.Duration{250 * time.Millisecond, 50 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.report()
	if got.CPUPerThousand != 0.5 || got.Generator != 0.1 || got.Rate != 500 || got.PerRound[1].CPUPerThousand != 0.5 || got.Memory != nil {
		t.Errorf("got %+v", got)
	}
	if perThousand(time.Second, 0) != 0 {
		t.Error("no calls cost nothing each")
	}
}
