package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/bench/appliance"
	"github.com/skiffhq/skiff/bench/appliance/appliancetest"
	"github.com/skiffhq/skiff/bench/load"
	"github.com/skiffhq/skiff/bootstrap/wasm/guests"
)

func TestMain(m *testing.M) {
	appliancetest.Main()
	if len(os.Args) == 3 && os.Args[1] == BaselineCommand {
		if err := Baseline(context.Background(), os.Args[2], os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // of the children, which are many
	goleak.VerifyTestMain(m)
}

// measure runs a scenario, shortened, against the stand-in.
func measure(t *testing.T, name string, s Settings) (*Report, error) {
	t.Helper()
	return measureIn(t.Context(), t, name, s)
}

func measureIn(ctx context.Context, t *testing.T, name string, s Settings) (*Report, error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.Self = self
	if s.Server == "" {
		s.Skiff = self
	}
	sc, ok := Find(name)
	if !ok {
		t.Fatalf("no scenario %q", name)
	}
	sc.Closed.Connections = 2
	b := &bench{scenario: &sc, settings: &s, view: newView(s.Progress), warmUp: 100 * time.Millisecond, settle: time.Millisecond, build: notWasm}
	r, err := b.run(ctx)
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), "skiff-bench-*"))
	if len(left) > 0 && !s.Keep {
		t.Errorf("left behind: %v", left)
	}
	return r, err
}

// notWasm is a guest for the stand-in, which does not run it.
func notWasm(_ context.Context, _ guests.Kind, dir string) (string, error) {
	path := filepath.Join(dir, "guest.wasm")
	return path, os.WriteFile(path, []byte("a guest"), 0o600)
}

func TestBothLoopsBesideTheBaseline(t *testing.T) {
	r, err := measure(t, "wasm-c", Settings{Duration: 1200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Phases) != 2 || r.Phases[0].Loop != "open" || r.Phases[1].Loop != "closed" || r.Failed() {
		t.Fatalf("got %+v", r.Phases)
	}
	open, closed := r.Phases[0], r.Phases[1]
	if open.Appliance.Sent != 1200 || open.Appliance.Right != 1200 || open.Baseline.Right != 1200 || open.Appliance.Lag == nil {
		t.Errorf("open: %+v, baseline %+v", open.Appliance, open.Baseline)
	}
	if closed.Rounds != 6 || len(closed.Baseline.PerRound) != 6 || closed.Throughput.Pairs != 6 || closed.CPU.Pairs != 6 {
		t.Errorf("closed: %+v", closed)
	}
	for _, s := range []*Side{open.Appliance, open.Baseline, closed.Appliance, closed.Baseline} {
		if s.CPUPerThousand <= 0 || s.Generator <= 0 || s.Memory.RSS <= 0 || s.Latency.P50 <= 0 || s.Latency.Max < s.Latency.P99 {
			t.Errorf("side %+v", s)
		}
	}
	if r.Appliance != appliancetest.Version || r.Machine.CPUs == 0 || r.Machine.Kernel == "" {
		t.Errorf("appliance %q on %+v", r.Appliance, r.Machine)
	}
}

func TestGreetingsHaveABaselineThatGreets(t *testing.T) {
	r, err := measure(t, "wasm-go", Settings{Rate: 200, Rounds: 2, Duration: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Phases) != 1 || r.Failed() || r.Phases[0].Baseline.Right != 200 || r.Phases[0].Throughput != nil || r.Phases[0].CPU.Pairs != 2 {
		t.Errorf("got %+v", r.Phases)
	}
}

func TestWrongAnswersFailTheReport(t *testing.T) {
	t.Setenv(appliancetest.Environment, appliancetest.Wrong)
	_, err := measure(t, "wasm-c", Settings{Rate: 500, Duration: time.Second, NoBaseline: true})
	if err == nil || !strings.Contains(err.Error(), "warm skiff up") || !strings.Contains(err.Error(), "body") {
		t.Errorf("got %v", err)
	}
}

func TestAnApplianceThatDiesIsTold(t *testing.T) {
	t.Setenv(appliancetest.Environment, appliancetest.Mortal)
	var log bytes.Buffer
	begin := time.Now()
	_, err := measure(t, "wasm-c", Settings{Rate: 500, Duration: time.Second, Log: &log})
	if err == nil || !strings.Contains(err.Error(), "warm skiff up") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), "the appliance's log ends so") || time.Since(begin) > load.DefaultDrain {
		t.Errorf("after %v told %q", time.Since(begin), log.String())
	}
}

func TestACanceledRunStopsEverythingInOrder(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var terminal canceler = func() { cancel() }
	_, err := measureIn(ctx, t, "wasm-c", Settings{Rate: 500, Duration: time.Minute, Progress: terminal})
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v", err)
	}
}

// canceler is a terminal that ends the run when the first progress is shown.
type canceler func()

func (c canceler) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("round 1/1")) {
		c()
	}
	return len(p), nil
}

func TestARunningApplianceIsLeftAsItWas(t *testing.T) {
	self, _ := os.Executable()
	home := appliance.Home{Skiff: self, Dir: t.TempDir()}
	a, err := home.Start(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	token, err := a.Administer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := measure(t, "wasm-c", Settings{
		Server: "http://" + a.Address(), TokenFile: file, Connections: 2, Rounds: 1, Duration: 300 * time.Millisecond,
	})
	if err != nil || r.Failed() || r.Phases[0].Appliance.Right == 0 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if p := r.Phases[0]; p.Appliance.Memory != nil || p.CPU != nil || p.Throughput == nil {
		t.Errorf("nobody knows what a foreign process costs: %+v", p)
	}
	if left, _ := filepath.Glob(filepath.Join(home.Dir, "data", "function-*")); len(left) > 0 {
		t.Errorf("left on the server: %v", left)
	}
}

func TestStartMeasuresWithEverythingStored(t *testing.T) {
	r, err := measure(t, "start", Settings{Functions: 50, Rounds: 2})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Start; s.Functions != 50 || len(s.Ready) != 2 || s.Ready[0] <= 0 || s.Memory.RSS <= 0 {
		t.Errorf("got %+v", s)
	}
	if len(r.Bounds) != 1 || r.Bounds[0].Name != "ready with 50 functions" {
		t.Errorf("bounds %+v", r.Bounds)
	}
}

func TestIdleReadsMemory(t *testing.T) {
	var terminal bytes.Buffer
	r, err := measure(t, "idle", Settings{Duration: time.Millisecond, Progress: &terminal})
	if err != nil || r.Idle.RSS <= 0 || len(r.Bounds) != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
	if got := terminal.String(); !strings.HasPrefix(got, "\r\x1b[Kidle  0s of 1ms") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("the terminal shows %q", got)
	}
}

func TestWhatCannotBeRunIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		scenario string
		settings Settings
	}{
		"negative rate":           {"wasm-c", Settings{Rate: -1}},
		"server without token":    {"wasm-c", Settings{Server: "http://127.0.0.1:1"}},
		"token without server":    {"wasm-c", Settings{TokenFile: "x"}},
		"process without server":  {"wasm-c", Settings{ServerPID: 1}},
		"rounds too short":        {"wasm-c", Settings{Duration: time.Second, Paired: true}},
		"start of another's":      {"start", Settings{Server: "http://127.0.0.1:1", TokenFile: "x"}},
		"idle of another's":       {"idle", Settings{Server: "http://127.0.0.1:1", TokenFile: "x"}},
		"server that nobody runs": {"wasm-c", Settings{Server: "http://127.0.0.1:1", TokenFile: "/dev/null"}},
	} {
		if _, err := measure(t, tt.scenario, tt.settings); err == nil {
			t.Errorf("%s: was run", name)
		}
	}
}

func TestLoopsFollowTheSettings(t *testing.T) {
	sc, _ := Find("wasm-c")
	open := loop{1000, 64, 1, time.Minute, briefly}
	closed := loop{0, 16, 6, 5 * time.Second, 5 * time.Second}
	for name, tt := range map[string]struct {
		settings Settings
		want     []loop
	}{
		"nothing said": {Settings{}, []loop{open, closed}},
		"short":        {Settings{Duration: 6 * time.Second}, []loop{{1000, 64, 1, 6 * time.Second, 6 * time.Second}, {0, 16, 6, time.Second, time.Second}}},
		"a rate":       {Settings{Rate: 50, Connections: 8}, []loop{{50, 8, 1, time.Minute, briefly}}},
		"callers":      {Settings{Connections: 4, Rounds: 3}, []loop{{0, 4, 3, 5 * time.Second, 5 * time.Second}}},
		"paired":       {Settings{Paired: true}, []loop{{0, 16, 20, 5 * time.Second, 5 * time.Second}}},
		"more pairs":   {Settings{Paired: true, Rounds: 30, Rate: 10}, []loop{{10, 64, 30, 2 * time.Second, 2 * time.Second}}},
	} {
		got, err := tt.settings.loops(&sc)
		if err != nil || len(got) != len(tt.want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: got %+v, want %+v", name, got[i], tt.want[i])
			}
		}
	}
}

func TestEveryScenarioKnowsItsAnswers(t *testing.T) {
	for _, sc := range All() {
		if found, ok := Find(sc.Name); !ok || found.Description == "" || found.Expects == "" || found.Defaults() == "" || found.Bounds.String() == "" {
			t.Errorf("%s is not described: %+v", sc.Name, found)
		}
		if sc.Answer() == nil {
			continue
		}
		seen := map[string]bool{}
		for i := range distinct {
			payload := sc.guest.payload(i)
			if !json.Valid(payload) || !json.Valid(sc.Answer()(payload)) {
				t.Errorf("%s: %s, answered by %s", sc.Name, payload, sc.Answer()(payload))
			}
			seen[string(sc.Answer()(payload))] = true
		}
		if len(seen) != distinct {
			t.Errorf("%s: %d different answers, want %d", sc.Name, len(seen), distinct)
		}
	}
	if got := string(greeted("\n")([]byte(`{"name":"Ada"}`))); got != `{"message":"Hello, Ada"}`+"\n" {
		t.Errorf("greeted by %q", got)
	}
	if _, ok := Find("nothing"); ok {
		t.Error("found nothing")
	}
}

func TestBaselineNeedsAnAnswer(t *testing.T) {
	for _, name := range []string{"start", "nothing"} {
		if err := Baseline(t.Context(), name, &bytes.Buffer{}); err == nil {
			t.Errorf("%s: was served", name)
		}
	}
	if err := Baseline(t.Context(), "wasm-c", broken{}); err == nil {
		t.Error("served though nobody could know where")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }
