package function

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

var runtimes = NewCatalogue()

func validFunction() *Function {
	f := Default()
	f.Name, f.Runtime, f.Handler = "hello", RuntimeWasm, DefaultWasmHandler
	return &f
}

// checked returns the fields that Check finds fault with, in order.
func checked(f *Function) []string {
	var faults fault.Collector
	f.Check(runtimes, &faults)
	return fields(&faults)
}

func fields(faults *fault.Collector) []string {
	var list []string
	for _, d := range detailsOf(faults) {
		list = append(list, d.Field)
	}
	return list
}

func detailsOf(faults *fault.Collector) []fault.Detail {
	if err := faults.Err("check"); err != nil {
		return fault.Of(err).Details
	}
	return nil
}

func TestDefaultsWithNameAndRuntimeAreValid(t *testing.T) {
	if got := checked(validFunction()); got != nil {
		t.Fatalf("faults in %v", got)
	}
}

func manyTags(n int) map[string]string {
	tags := map[string]string{}
	for i := range n {
		tags[fmt.Sprint("key", i)] = "v"
	}
	return tags
}

func environmentOf(size int) map[string]string {
	return map[string]string{"A": strings.Repeat("x", size-1)}
}

// edges gives for each limit a value just in and values just out.
var edges = []struct {
	field string
	in    []func(*Function)
	out   []func(*Function)
}{
	{"name", names(func(f *Function, s string) { f.Name = s }, "a", "A-z_09", strings.Repeat("n", 64)),
		names(func(f *Function, s string) { f.Name = s }, "", strings.Repeat("n", 65), "a b", "a.b", "a:b", "ä", "a/b")},
	{"team", names(func(f *Function, s string) { f.Team = s }, "t", strings.Repeat("t", 64)),
		names(func(f *Function, s string) { f.Team = s }, "", strings.Repeat("t", 65), "a b")},
	{"description", names(func(f *Function, s string) { f.Description = s }, "", "two\nlines", strings.Repeat("d", 1024)),
		names(func(f *Function, s string) { f.Description = s }, strings.Repeat("d", 1025), "\xff", "a\x00")},
	{"memorySize", numbers(func(f *Function, n int) { f.MemoryMB = n }, 128, 192, 4096),
		numbers(func(f *Function, n int) { f.MemoryMB = n }, 0, -128, 64, 127, 129, 160, 4160, 10240)},
	{"memorySize", numbers(inNode(func(f *Function, n int) { f.MemoryMB = n }), 128, 4160, 10240),
		numbers(inNode(func(f *Function, n int) { f.MemoryMB = n }), 127, 10241, 10304)},
	{"timeout", numbers(func(f *Function, n int) { f.Timeout = time.Duration(n) * time.Second }, 1, 900),
		numbers(func(f *Function, n int) { f.Timeout = time.Duration(n) * time.Second }, -1, 0, 901)},
	{"timeout", nil, numbers(func(f *Function, n int) { f.Timeout = time.Duration(n) }, int(1500*time.Millisecond))},
	{"environment", numbers(func(f *Function, n int) { f.Environment = environmentOf(n) }, 1, 4096),
		numbers(func(f *Function, n int) { f.Environment = environmentOf(n) }, 4097)},
	{"environment", names(func(f *Function, s string) { f.Environment = map[string]string{s: ""} }, "a", "_", "A1_b", "SKIFF", "TRACEPARENT2"),
		names(func(f *Function, s string) { f.Environment = map[string]string{s: ""} },
			"", "1A", "A-B", "A=B", "A B", "ä", "SKIFF_REQUEST_ID", "TRACEPARENT")},
	{"environment", names(func(f *Function, s string) { f.Environment = map[string]string{"A": s} }, "", "a=b\nc", "ä"),
		names(func(f *Function, s string) { f.Environment = map[string]string{"A": s} }, "\x00", "\xff")},
	{"tags", numbers(func(f *Function, n int) { f.Tags = manyTags(n) }, 0, 50),
		numbers(func(f *Function, n int) { f.Tags = manyTags(n) }, 51)},
	{"tags", names(func(f *Function, s string) { f.Tags = map[string]string{s: ""} }, "k", "ä b", strings.Repeat("k", 128)),
		names(func(f *Function, s string) { f.Tags = map[string]string{s: ""} }, "", strings.Repeat("k", 129), "a\nb", "\xff")},
	{"tags", names(func(f *Function, s string) { f.Tags = map[string]string{"k": s} }, "", strings.Repeat("v", 256)),
		names(func(f *Function, s string) { f.Tags = map[string]string{"k": s} }, strings.Repeat("v", 257), "a\x00")},
	{"allowedRoles", []func(*Function){func(f *Function) { f.AllowedRoles = Roles() }},
		[]func(*Function){
			func(f *Function) { f.AllowedRoles = []Role{"Root"} },
			func(f *Function) { f.AllowedRoles = []Role{"admin"} },
			func(f *Function) { f.AllowedRoles = []Role{RoleViewer, RoleViewer} },
		}},
	{"runtime", nil, names(func(f *Function, s string) { f.Runtime = Runtime(s) }, "", "ruby", "Node20")},
	{"handler", names(func(f *Function, s string) { f.Handler = s }, "main.handle", "bin/app._start"),
		names(func(f *Function, s string) { f.Handler = s }, "main", "../a.b", "a b.c")},
	{"handler", names(inFamily("python312"), "app.handler", "pkg.app.handler"), names(inFamily("python312"), "app", "app/x.handler", "")},
	{"handler", names(inFamily("dotnet8"), "A::B.C::D"), names(inFamily("dotnet8"), "app.handler")},
	{"handler", names(inFamily("custom"), "anything"), names(inFamily("custom"), "")},
	{"network", names(func(f *Function, s string) { f.Network = Network(s) }, "none", "egress"),
		names(func(f *Function, s string) { f.Network = Network(s) }, "", "all")},
	{"isolation", names(func(f *Function, s string) { f.Isolation = Isolation(s) }, "request", "instance"),
		names(func(f *Function, s string) { f.Isolation = Isolation(s) }, "", "none")},
	{"isolation", numbers(inNode(func(f *Function, _ int) { f.Isolation = IsolationRequest }), 0),
		numbers(inNode(func(f *Function, _ int) { f.Isolation = IsolationInstance }), 0)},
	{"instanceConcurrency", numbers(func(f *Function, n int) { f.InstanceConcurrency = n }, 1, 1000),
		numbers(func(f *Function, n int) { f.InstanceConcurrency = n }, 0, -1, 1001)},
	{"reservedConcurrency", numbers(func(f *Function, n int) { f.ReservedConcurrency = &n }, 0, 1, 100_000),
		numbers(func(f *Function, n int) { f.ReservedConcurrency = &n }, -1, 100_001)},
	{"scaling.maxInstances", numbers(func(f *Function, n int) { f.Scaling.MaxInstances = n }, 1, 10_000),
		numbers(func(f *Function, n int) { f.Scaling.MaxInstances = n }, 10_001)},
	{"scaling.minInstances", numbers(func(f *Function, n int) { f.Scaling.MinInstances = n }, 0, 100),
		numbers(func(f *Function, n int) { f.Scaling.MinInstances = n }, -1, 101, 10_001)},
	{"scaling.targetConcurrency", numbers(func(f *Function, n int) { f.Scaling.TargetConcurrency = n }, 1, 1000),
		numbers(func(f *Function, n int) { f.Scaling.TargetConcurrency = n }, 0, 1001)},
	{"scaling.scaleUpCooldown", spans(func(f *Function, d Duration) { f.Scaling.ScaleUpCooldown = d }, 0, MaxCooldown),
		spans(func(f *Function, d Duration) { f.Scaling.ScaleUpCooldown = d }, -1, MaxCooldown+1)},
	{"scaling.scaleDownCooldown", spans(func(f *Function, d Duration) { f.Scaling.ScaleDownCooldown = d }, 0, MaxCooldown),
		spans(func(f *Function, d Duration) { f.Scaling.ScaleDownCooldown = d }, -1, MaxCooldown+1)},
	{"scaling.preProvisionedConcurrency", numbers(func(f *Function, n int) { f.Scaling.PreProvisionedConcurrency = n }, 0, 100),
		numbers(func(f *Function, n int) { f.Scaling.PreProvisionedConcurrency = n }, -1, 101, 10_001)},
	{"scaling.keepWarmInterval", spans(func(f *Function, d Duration) { f.Scaling.KeepWarmInterval = d }, time.Second, 24*time.Hour),
		spans(func(f *Function, d Duration) { f.Scaling.KeepWarmInterval = d }, 0, time.Second-1, 24*time.Hour+1)},
	{"retry.maxAttempts", numbers(func(f *Function, n int) { f.Retry.MaxAttempts = n }, 1, 100),
		numbers(func(f *Function, n int) { f.Retry.MaxAttempts = n }, 0, 101)},
	{"retry.minDelay", spans(func(f *Function, d Duration) { f.Retry.MinDelay = d }, 0, 5*time.Minute),
		spans(func(f *Function, d Duration) { f.Retry.MinDelay = d }, -1, 5*time.Minute+1, 24*time.Hour+1)},
	{"retry.maxDelay", spans(func(f *Function, d Duration) { f.Retry.MaxDelay = d }, time.Second, 24*time.Hour),
		spans(func(f *Function, d Duration) { f.Retry.MaxDelay = d }, 24*time.Hour+1)},
	{"retry.maxAge", spans(func(f *Function, d Duration) { f.Retry.MaxAge = d }, time.Second, 14*24*time.Hour),
		spans(func(f *Function, d Duration) { f.Retry.MaxAge = d }, 0, time.Second-1, 14*24*time.Hour+1)},
	{"deadLetter.target", names(func(f *Function, s string) { f.DeadLetter.Target = s }, "", "dead/letters", strings.Repeat("t", 256)),
		names(func(f *Function, s string) { f.DeadLetter.Target = s }, strings.Repeat("t", 257), "a\nb")},
}

func with[T any](set func(*Function, T), values []T) []func(*Function) {
	var list []func(*Function)
	for _, v := range values {
		list = append(list, func(f *Function) { set(f, v) })
	}
	return list
}

func names(set func(*Function, string), values ...string) []func(*Function) { return with(set, values) }
func numbers(set func(*Function, int), values ...int) []func(*Function)     { return with(set, values) }

func spans(set func(*Function, Duration), values ...time.Duration) []func(*Function) {
	return with(func(f *Function, d time.Duration) { set(f, Duration(d)) }, values)
}

func inNode(set func(*Function, int)) func(*Function, int) {
	return func(f *Function, n int) {
		f.Runtime, f.Handler = "node20", "index.handler"
		set(f, n)
	}
}

func inFamily(r Runtime) func(*Function, string) {
	return func(f *Function, handler string) { f.Runtime, f.Handler = r, handler }
}

func TestEveryLimitHoldsAtItsEdge(t *testing.T) {
	for _, tc := range edges {
		for i, set := range tc.in {
			f := validFunction()
			if set(f); checked(f) != nil {
				t.Errorf("%s, just in %d: faults in %v", tc.field, i, checked(f))
			}
		}
		for i, set := range tc.out {
			f := validFunction()
			set(f)
			if got := checked(f); len(got) != 1 || got[0] != tc.field {
				t.Errorf("%s, just out %d: faults in %v", tc.field, i, got)
			}
		}
	}
}

func TestAllFaultsAreReportedOnceEach(t *testing.T) {
	minus := -1
	f := &Function{
		Name: "a b", Description: "\xff", Tags: map[string]string{"": "\x00", "k": "\x00"},
		AllowedRoles: []Role{"Root", "Root"}, ReservedConcurrency: &minus,
		Settings: Settings{Runtime: "node20", MemoryMB: 1, Environment: map[string]string{"1": "\x00", "SKIFF_A": strings.Repeat("x", 5000)},
			Isolation: IsolationInstance},
		Scaling:    Scaling{MinInstances: -1, MaxInstances: -2, TargetConcurrency: -1, ScaleUpCooldown: -1, ScaleDownCooldown: -1, PreProvisionedConcurrency: -1},
		Retry:      Retry{MinDelay: -1, MaxDelay: -2},
		DeadLetter: DeadLetter{Target: "\n"},
	}
	want := "name team description tags allowedRoles handler memorySize timeout environment network isolation " +
		"instanceConcurrency reservedConcurrency scaling.maxInstances scaling.minInstances scaling.targetConcurrency " +
		"scaling.scaleUpCooldown scaling.scaleDownCooldown scaling.preProvisionedConcurrency scaling.keepWarmInterval " +
		"retry.maxAttempts retry.minDelay retry.maxDelay retry.maxAge deadLetter.target"
	if got := strings.Join(checked(f), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUnknownRuntimeSaysWhatIsNear(t *testing.T) {
	f := validFunction()
	f.Runtime = "pyton311"
	var faults fault.Collector
	f.Check(runtimes, &faults)
	if got := detailsOf(&faults); len(got) != 1 || !strings.Contains(got[0].Message, "did you mean python") {
		t.Errorf("got %v", got)
	}
}

func TestManyBadNamesMakeAShortMessage(t *testing.T) {
	env := map[string]string{}
	for i := range 40 {
		env[fmt.Sprintf("%02d%s", i, strings.Repeat("y", 90))] = ""
	}
	var faults fault.Collector
	CheckEnvironment(env, &faults)
	got := detailsOf(&faults)
	if len(got) != 1 || len(got[0].Message) > 600 || !strings.Contains(got[0].Message, "and 35 more") {
		t.Errorf("got %v", got)
	}
}

func TestCPUShareIsOneAt1792(t *testing.T) {
	for mb, want := range map[int]float64{1792: 1, 896: 0.5, 3584: 2, 128: 128.0 / 1792} {
		if got := (Settings{MemoryMB: mb}).CPUShare(); got != want {
			t.Errorf("%d MiB: %v of a vCPU, want %v", mb, got, want)
		}
	}
}
