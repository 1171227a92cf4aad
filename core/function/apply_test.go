package function

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// patched applies the JSON to a valid function and returns the fields at fault.
func patched(t *testing.T, f *Function, body string) []string {
	t.Helper()
	var p Patch
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	var faults fault.Collector
	p.Apply(f, runtimes, &faults)
	f.Check(runtimes, &faults)
	return fields(&faults)
}

func TestPatchSetsEverythingThatIsGiven(t *testing.T) {
	f := validFunction()
	if got := patched(t, f, `{"description":"d","tags":{"a":"b"},"team":"line1","allowedRoles":["Viewer"],
		"runtime":"Nodejs20.x","handler":"index.handler","memorySize":512,"timeout":60,"environment":{"A":"1"},
		"network":"egress","isolation":"request","instanceConcurrency":7,"reservedConcurrency":9,
		"scaling":{"minInstances":1,"maxInstances":5,"targetConcurrency":2,"scaleUpCooldown":"PT1S","scaleDownCooldown":"PT2S",
		"preProvisionedConcurrency":3,"keepWarmEnabled":true,"keepWarmInterval":"PT4S"},
		"retry":{"maxAttempts":4,"minDelay":"PT5S","maxDelay":"PT6S","maxAge":"PT7S"},"deadLetter":{"target":"x"}}`); got != nil {
		t.Fatalf("faults in %v", got)
	}
	nine := 9
	want := &Function{
		Name: "hello", Description: "d", Tags: map[string]string{"a": "b"}, Team: "line1", AllowedRoles: []Role{RoleViewer},
		Settings: Settings{
			Runtime: "node20", Handler: "index.handler", MemoryMB: 512, Timeout: time.Minute, Environment: map[string]string{"A": "1"},
			Network: NetworkEgress, Isolation: IsolationRequest, InstanceConcurrency: 7,
		},
		ReservedConcurrency: &nine,
		Scaling: Scaling{
			MinInstances: 1, MaxInstances: 5, TargetConcurrency: 2,
			ScaleUpCooldown: Duration(time.Second), ScaleDownCooldown: Duration(2 * time.Second),
			PreProvisionedConcurrency: 3, KeepWarmEnabled: true, KeepWarmInterval: Duration(4 * time.Second),
		},
		Retry:      Retry{MaxAttempts: 4, MinDelay: Duration(5 * time.Second), MaxDelay: Duration(6 * time.Second), MaxAge: Duration(7 * time.Second)},
		DeadLetter: DeadLetter{Target: "x"}, NextVersion: 1,
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got  %+v\nwant %+v", f, want)
	}
}

func TestEmptyPatchChangesNothing(t *testing.T) {
	f, want := validFunction(), validFunction()
	if got := patched(t, f, `{"tags":null,"scaling":{},"retry":{},"environment":null}`); got != nil || !reflect.DeepEqual(f, want) {
		t.Errorf("faults in %v, got %+v", got, f)
	}
}

func TestEmptyListsAndNullClear(t *testing.T) {
	f := validFunction()
	n := 5
	f.Tags, f.AllowedRoles, f.Environment, f.ReservedConcurrency = manyTags(1), Roles(), environmentOf(5), &n
	patched(t, f, `{"tags":{},"allowedRoles":[],"environment":{},"reservedConcurrency":null}`)
	if f.Tags != nil || f.AllowedRoles != nil || f.Environment != nil || f.ReservedConcurrency != nil {
		t.Errorf("left: %+v", f)
	}
}

func TestPatchFaults(t *testing.T) {
	for body, want := range map[string]string{
		`{"runtime":"ruby","handler":"no good"}`: "runtime", // how a handler is written is not known then
		`{"runtime":""}`:                         "runtime",
		`{"runtime":"node20"}`:                   "",
		`{"runtime":"python312"}`:                "",
		`{"runtime":"dotnet8","memorySize":10}`:  "handler memorySize",
		`{"handler":""}`:                         "", // the default of wasm
		`{"timeout":0}`:                          "timeout",
		`{"timeout":-9223372036854775808}`:       "timeout",
		`{"timeout":9223372036854775807}`:        "timeout",
		`{"timeout":18446744074}`:                "timeout", // 1 s once multiplied with overflow
	} {
		if got := strings.Join(patched(t, validFunction(), body), " "); got != want {
			t.Errorf("%s: faults in %q, want %q", body, got, want)
		}
	}
	if seconds(math.MaxInt) <= MaxTimeout || seconds(math.MinInt) >= 0 {
		t.Error("a huge number of seconds is within bounds")
	}
}

func TestPatchSharesNothingWithTheFunction(t *testing.T) {
	n := 3
	p := Patch{
		Tags: map[string]string{"a": "1"}, Environment: map[string]string{"A": "1"}, AllowedRoles: []Role{RoleViewer},
		ReservedConcurrency: Nullable[int]{Set: true, Value: &n},
	}
	f, faults := validFunction(), fault.Collector{}
	p.Apply(f, runtimes, &faults)
	c := f.Clone()
	p.Tags["a"], p.Environment["A"], p.AllowedRoles[0], n = "2", "2", RoleAdmin, 4
	if f.Tags["a"] != "1" || f.Environment["A"] != "1" || f.AllowedRoles[0] != RoleViewer || *f.ReservedConcurrency != 3 {
		t.Errorf("the function changed with the patch: %+v", f)
	}
	f.Tags["a"], f.Environment["A"], f.AllowedRoles[0], *f.ReservedConcurrency = "3", "3", RoleAdmin, 5
	if c.Tags["a"] != "1" || c.Environment["A"] != "1" || c.AllowedRoles[0] != RoleViewer || *c.ReservedConcurrency != 3 {
		t.Errorf("the clone changed with the function: %+v", c)
	}
}

func TestNullableTellsAbsentFromNullFromValue(t *testing.T) {
	type body struct {
		N Nullable[int] `json:"n,omitzero"`
	}
	for in, want := range map[string]body{
		`{}`: {}, `{"n":null}`: {Null[int]()}, `{"n":0}`: {Some(0)}, `{"n":7}`: {Some(7)},
	} {
		var got body
		if err := json.Unmarshal([]byte(in), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
		if back, err := json.Marshal(want); err != nil || string(back) != in {
			t.Errorf("%s is written %s, %v", in, back, err)
		}
	}
	var b body
	if err := json.Unmarshal([]byte(`{"n":"x"}`), &b); err == nil {
		t.Error("a string was taken for a number")
	}
}
