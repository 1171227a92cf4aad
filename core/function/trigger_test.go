package function

import (
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

func TestTriggerCheck(t *testing.T) {
	for _, tc := range []struct {
		want string
		set  func(*Trigger)
	}{
		{"", func(*Trigger) {}},
		{"", func(t *Trigger) { t.Target, t.Type = "v7", TriggerQueue }},
		{"", func(t *Trigger) { t.Target, t.Type = Latest, TriggerHTTP }},
		{"", func(t *Trigger) { t.Config = []byte(` {"a":"` + strings.Repeat("x", MaxTriggerConfig-9) + `"}`) }},
		{"config", func(t *Trigger) { t.Config = []byte(` {"a":"` + strings.Repeat("x", MaxTriggerConfig-8) + `"}`) }},
		{"config", func(t *Trigger) { t.Config = nil }},
		{"config", func(t *Trigger) { t.Config = []byte(`[]`) }},
		{"config", func(t *Trigger) { t.Config = []byte(`{`) }},
		{"functionName", func(t *Trigger) { t.FunctionName = "a b" }},
		{"type", func(t *Trigger) { t.Type = "Cron" }},
		{"targetVersion", func(t *Trigger) { t.Target = "a:b" }},
	} {
		tr := &Trigger{FunctionName: "hello", Type: TriggerScheduled, Target: "prod", Config: []byte(`{}`)}
		var faults fault.Collector
		tc.set(tr)
		tr.Check(&faults)
		if got := strings.Join(fields(&faults), " "); got != tc.want {
			t.Errorf("%.200v: faults in %q, want %q", tr, got, tc.want)
		}
	}
}
