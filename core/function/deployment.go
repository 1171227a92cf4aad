package function

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// Deployment moves an alias from one version to another.
type Deployment struct {
	ID            string            `json:"deploymentId"`
	FunctionName  string            `json:"functionName"`
	Alias         string            `json:"alias"`
	TargetVersion Number            `json:"targetVersion"`
	SourceVersion Number            `json:"sourceVersion,omitempty"` // 0 where the alias is new
	Strategy      Strategy          `json:"strategy"`
	Config        DeploymentConfig  `json:"config"`
	Status        DeploymentStatus  `json:"status"`
	Progress      int               `json:"progress"` // per cent
	CurrentPhase  string            `json:"currentPhase,omitempty"`
	Metrics       DeploymentMetrics `json:"metrics"`
	CreatedAt     time.Time         `json:"createdAt"`
	StartedAt     time.Time         `json:"startedAt,omitzero"`
	CompletedAt   time.Time         `json:"completedAt,omitzero"` // however it ended
	DeployedBy    string            `json:"deployedBy"`

	ErrorMessage   string `json:"errorMessage,omitempty"`   // why it failed
	RollbackReason string `json:"rollbackReason,omitempty"` // why it was rolled back
}

// DefaultDeploymentAlias is moved where a deployment names no alias.
const DefaultDeploymentAlias = "production"

// DeploymentMetrics is what the target version did while it was judged, and
// what it was compared with. Durations are in milliseconds.
type DeploymentMetrics struct {
	InvocationCount uint64             `json:"invocationCount"`
	ErrorCount      uint64             `json:"errorCount"`
	ErrorRate       float64            `json:"errorRate"` // fraction
	AvgDuration     float64            `json:"avgDuration"`
	P99Duration     float64            `json:"p99Duration"`
	Baseline        *DeploymentMetrics `json:"baseline,omitempty"` // the source version's
}

// Strategy is how a deployment moves traffic.
type Strategy string

// The strategies.
const (
	AllAtOnce Strategy = "AllAtOnce"
	Canary    Strategy = "Canary"
	BlueGreen Strategy = "BlueGreen"
	Rolling   Strategy = "Rolling"
	ABTesting Strategy = "ABTesting"
)

// Strategies lists every strategy.
func Strategies() []Strategy { return []Strategy{AllAtOnce, Canary, BlueGreen, Rolling, ABTesting} }

// NoTraffic says what becomes of a phase that saw too few invocations.
type NoTraffic string

// The ways to treat a phase without evidence.
const (
	NoTrafficHold    NoTraffic = "hold"    // wait for invocations
	NoTrafficPromote NoTraffic = "promote" // go on
	NoTrafficProbe   NoTraffic = "probe"   // make invocations
)

// DeploymentConfig paces and judges a deployment. Each strategy reads its own
// part of it.
type DeploymentConfig struct {
	CanaryIncrements []int           `json:"canaryIncrements"` // per cent, rising to 100
	CanaryDuration   Duration        `json:"canaryDuration"`   // of each increment
	TestDuration     Duration        `json:"testDuration"`
	TestPayload      json.RawMessage `json:"testPayload,omitempty"`
	KeepBlue         bool            `json:"keepBlue"`
	BatchSize        int             `json:"batchSize"` // per cent
	BatchDuration    Duration        `json:"batchDuration"`

	RollbackOnErrorRate   float64   `json:"rollbackOnErrorRate"`   // fraction above which to roll back
	RollbackOnLatencyP99  float64   `json:"rollbackOnLatencyP99"`  // ms above which to roll back; 0: not judged
	RollbackOnSuccessRate float64   `json:"rollbackOnSuccessRate"` // fraction below which to roll back; 0: not judged
	MinSamples            int       `json:"minSamples"`            // invocations before there is a judgement
	NoTraffic             NoTraffic `json:"noTraffic"`
}

// The limits of a deployment.
const (
	MaxPhase       = 7 * 24 * time.Hour // of one increment, test or batch
	MaxIncrements  = 100
	MaxMinSamples  = 1_000_000
	MaxTestPayload = 256 << 10 // bytes
)

// DefaultDeploymentConfig returns the configuration of a deployment that says
// nothing.
func DefaultDeploymentConfig() DeploymentConfig {
	return DeploymentConfig{
		CanaryIncrements: []int{10, 50, 100}, CanaryDuration: Duration(5 * time.Minute),
		TestDuration: Duration(5 * time.Minute),
		BatchSize:    25, BatchDuration: Duration(time.Minute),
		RollbackOnErrorRate: 0.05, MinSamples: 20, NoTraffic: NoTrafficHold,
	}
}

// Check notes every fault of the wish that the deployment is.
func (d *Deployment) Check(faults *fault.Collector) {
	c := checker{faults}
	c.check(ValidName(d.FunctionName), "functionName", "must name a function")
	c.check(ValidAliasName(d.Alias), "alias", "must name an alias")
	c.check(d.TargetVersion != 0, "version", "must be the number of a version, from 1")
	oneOf(c, "strategy", d.Strategy, Strategies()...)
	d.Config.check(c)
}

func (g *DeploymentConfig) check(c checker) {
	inc := g.CanaryIncrements
	c.check(len(inc) > 0 && len(inc) <= MaxIncrements && inc[len(inc)-1] == 100 && rising(inc), "config.canaryIncrements",
		"must rise from at least 1 to 100 per cent")
	c.span("config.canaryDuration", g.CanaryDuration, 0, MaxPhase)
	c.span("config.testDuration", g.TestDuration, 0, MaxPhase)
	c.check(len(g.TestPayload) <= MaxTestPayload && (g.TestPayload == nil || json.Valid(g.TestPayload)), "config.testPayload",
		"must be JSON of at most %d bytes", MaxTestPayload)
	c.between("config.batchSize", g.BatchSize, 1, 100)
	c.span("config.batchDuration", g.BatchDuration, 0, MaxPhase)
	c.share("config.rollbackOnErrorRate", g.RollbackOnErrorRate)
	c.check(g.RollbackOnLatencyP99 >= 0, "config.rollbackOnLatencyP99", "must not be negative")
	c.share("config.rollbackOnSuccessRate", g.RollbackOnSuccessRate)
	c.between("config.minSamples", g.MinSamples, 0, MaxMinSamples)
	oneOf(c, "config.noTraffic", g.NoTraffic, NoTrafficHold, NoTrafficPromote, NoTrafficProbe)
}

func rising(list []int) bool {
	last := 0
	for _, n := range list {
		if n <= last {
			return false
		}
		last = n
	}
	return true
}

// DeploymentStatus is the place of a deployment in its life.
type DeploymentStatus string

// The states of a deployment.
const (
	DeploymentPending    DeploymentStatus = "Pending"
	DeploymentInProgress DeploymentStatus = "InProgress"
	DeploymentCompleted  DeploymentStatus = "Completed"
	DeploymentFailed     DeploymentStatus = "Failed"
	DeploymentRolledBack DeploymentStatus = "RolledBack"
	DeploymentCancelled  DeploymentStatus = "Cancelled"
)

// transitions lists what each state may become. What has not begun has moved
// no traffic, so it can fail or be cancelled but not be rolled back.
var transitions = map[DeploymentStatus][]DeploymentStatus{
	DeploymentPending:    {DeploymentInProgress, DeploymentFailed, DeploymentCancelled},
	DeploymentInProgress: {DeploymentCompleted, DeploymentFailed, DeploymentRolledBack, DeploymentCancelled},
}

// DeploymentStatuses lists every state.
func DeploymentStatuses() []DeploymentStatus {
	return []DeploymentStatus{
		DeploymentPending, DeploymentInProgress,
		DeploymentCompleted, DeploymentFailed, DeploymentRolledBack, DeploymentCancelled,
	}
}

// Final reports whether the state is the last of a life.
func (s DeploymentStatus) Final() bool { return len(transitions[s]) == 0 }

// CanBecome reports whether next may follow.
func (s DeploymentStatus) CanBecome(next DeploymentStatus) bool {
	return slices.Contains(transitions[s], next)
}

// Become moves the deployment to its next state at the time now. why is kept
// where the state asks for a reason: Failed and RolledBack. A move that the
// state does not allow is a Conflict fault and changes nothing.
func (d *Deployment) Become(next DeploymentStatus, why string, now time.Time) error {
	if !d.Status.CanBecome(next) {
		return fault.New(fault.Conflict, "deployment_state",
			"deployment %q of function %q is %s and cannot become %s", d.ID, d.FunctionName, d.Status, next)
	}
	d.Status = next
	switch next {
	case DeploymentInProgress:
		d.StartedAt = now
	case DeploymentCompleted:
		d.Progress = 100
	case DeploymentFailed:
		d.ErrorMessage = why
	case DeploymentRolledBack:
		d.RollbackReason = why
	}
	if next.Final() {
		d.CompletedAt = now
	}
	return nil
}
