package function

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

func TestDeploymentMovesOnlyForward(t *testing.T) {
	const (
		pending, running = DeploymentPending, DeploymentInProgress
		done, failed     = DeploymentCompleted, DeploymentFailed
		back, cancelled  = DeploymentRolledBack, DeploymentCancelled
	)
	legal := map[DeploymentStatus][]DeploymentStatus{
		pending: {running, failed, cancelled},
		running: {done, failed, back, cancelled},
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, from := range append(DeploymentStatuses(), "", "Unknown") {
		for _, to := range append(DeploymentStatuses(), "", "Unknown") {
			d := Deployment{ID: "d1", FunctionName: "hello", Status: from}
			err := d.Become(to, "because", now)
			switch ok := slices.Contains(legal[from], to); {
			case ok && (err != nil || d.Status != to):
				t.Errorf("%s → %s: %v", from, to, err)
			case !ok && (!fault.Is(err, fault.Conflict) || !reflect.DeepEqual(d, Deployment{ID: "d1", FunctionName: "hello", Status: from})):
				t.Errorf("%s → %s is allowed or changed something: %v, %+v", from, to, err, d)
			}
		}
	}
}

func TestDeploymentRecordsWhatBecameOfIt(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ended := began.Add(time.Minute)
	for _, tc := range []struct {
		end                     DeploymentStatus
		progress                int
		errorMessage, rolledFor string
	}{
		{DeploymentCompleted, 100, "", ""},
		{DeploymentFailed, 40, "why", ""},
		{DeploymentRolledBack, 40, "", "why"},
		{DeploymentCancelled, 40, "", ""},
	} {
		d := Deployment{Status: DeploymentPending, Progress: 40}
		if err := d.Become(DeploymentInProgress, "", began); err != nil || !d.StartedAt.Equal(began) || !d.CompletedAt.IsZero() {
			t.Fatalf("begin: %v, %+v", err, d)
		}
		if err := d.Become(tc.end, "why", ended); err != nil {
			t.Fatal(err)
		}
		if !d.CompletedAt.Equal(ended) || d.Progress != tc.progress || d.ErrorMessage != tc.errorMessage || d.RollbackReason != tc.rolledFor {
			t.Errorf("%s: %+v", tc.end, d)
		}
		if !d.Status.Final() {
			t.Errorf("%s is not final", d.Status)
		}
	}
}

func validDeployment() *Deployment {
	return &Deployment{
		FunctionName: "hello", Alias: DefaultDeploymentAlias, TargetVersion: 2,
		Strategy: Canary, Config: DefaultDeploymentConfig(), Status: DeploymentPending,
	}
}

func TestDeploymentCheck(t *testing.T) {
	for _, tc := range []struct {
		want string
		set  func(*Deployment)
	}{
		{"", func(*Deployment) {}},
		{"functionName", func(d *Deployment) { d.FunctionName = "" }},
		{"alias", func(d *Deployment) { d.Alias = "v7" }},
		{"version", func(d *Deployment) { d.TargetVersion = 0 }},
		{"strategy", func(d *Deployment) { d.Strategy = "canary" }},
		{"", func(d *Deployment) { d.Config.CanaryIncrements = []int{100} }},
		{"", func(d *Deployment) { d.Config.CanaryIncrements = []int{1, 99, 100} }},
		{"config.canaryIncrements", func(d *Deployment) { d.Config.CanaryIncrements = nil }},
		{"config.canaryIncrements", func(d *Deployment) { d.Config.CanaryIncrements = []int{0, 100} }},
		{"config.canaryIncrements", func(d *Deployment) { d.Config.CanaryIncrements = []int{50, 50, 100} }},
		{"config.canaryIncrements", func(d *Deployment) { d.Config.CanaryIncrements = []int{10, 50} }},
		{"config.canaryIncrements", func(d *Deployment) { d.Config.CanaryIncrements = []int{100, 101} }},
		{"", func(d *Deployment) { d.Config.CanaryDuration = Duration(MaxPhase) }},
		{"config.canaryDuration", func(d *Deployment) { d.Config.CanaryDuration = Duration(MaxPhase + 1) }},
		{"config.testDuration", func(d *Deployment) { d.Config.TestDuration = -1 }},
		{"config.batchDuration", func(d *Deployment) { d.Config.BatchDuration = -1 }},
		{"", func(d *Deployment) { d.Config.TestPayload = []byte(`{"a":1}`) }},
		{"config.testPayload", func(d *Deployment) { d.Config.TestPayload = []byte(`{`) }},
		{"config.testPayload", func(d *Deployment) {
			d.Config.TestPayload = []byte(`"` + strings.Repeat("x", MaxTestPayload) + `"`)
		}},
		{"", func(d *Deployment) { d.Config.BatchSize = 100 }},
		{"config.batchSize", func(d *Deployment) { d.Config.BatchSize = 0 }},
		{"config.batchSize", func(d *Deployment) { d.Config.BatchSize = 101 }},
		{"", func(d *Deployment) { d.Config.RollbackOnErrorRate = 1 }},
		{"config.rollbackOnErrorRate", func(d *Deployment) { d.Config.RollbackOnErrorRate = 1.01 }},
		{"config.rollbackOnErrorRate", func(d *Deployment) { d.Config.RollbackOnErrorRate = -0.01 }},
		{"config.rollbackOnSuccessRate", func(d *Deployment) { d.Config.RollbackOnSuccessRate = 1.01 }},
		{"config.rollbackOnLatencyP99", func(d *Deployment) { d.Config.RollbackOnLatencyP99 = -1 }},
		{"", func(d *Deployment) { d.Config.MinSamples = 0 }},
		{"config.minSamples", func(d *Deployment) { d.Config.MinSamples = -1 }},
		{"config.minSamples", func(d *Deployment) { d.Config.MinSamples = MaxMinSamples + 1 }},
		{"", func(d *Deployment) { d.Config.NoTraffic = NoTrafficProbe }},
		{"config.noTraffic", func(d *Deployment) { d.Config.NoTraffic = "" }},
	} {
		d, faults := validDeployment(), fault.Collector{}
		tc.set(d)
		d.Check(&faults)
		if got := strings.Join(fields(&faults), " "); got != tc.want {
			t.Errorf("%+v: faults in %q, want %q", d, got, tc.want)
		}
	}
}

func TestDeploymentConfigKeepsDefaultsThatAreNotGiven(t *testing.T) {
	c := DefaultDeploymentConfig()
	if err := json.Unmarshal([]byte(`{"canaryIncrements":[5,100],"canaryDuration":"PT1M"}`), &c); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.CanaryIncrements, []int{5, 100}) || c.BatchSize != 25 || c.RollbackOnErrorRate != 0.05 {
		t.Errorf("got %+v", c)
	}
}
