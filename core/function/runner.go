package function

import (
	"fmt"
	"time"
)

// RunnerKind names what a runner's sandboxes are.
type RunnerKind string

// The kinds of runner.
const (
	RunnerWasm      RunnerKind = "wasm"
	RunnerContainer RunnerKind = "container"
)

// Runner is an execution host and what lives on it.
type Runner struct {
	NodeID        string           `json:"nodeId"`
	Kind          RunnerKind       `json:"kind"`
	Hostname      string           `json:"hostname"`
	Health        Health           `json:"health"`
	Resources     Resources        `json:"resources"`
	Metrics       RunnerMetrics    `json:"metrics"`
	Instances     []RunnerInstance `json:"instances"`
	LastHeartbeat time.Time        `json:"lastHeartbeat"`
	StartedAt     time.Time        `json:"startedAt"`
}

// Health is how a runner does.
type Health struct {
	Healthy           bool    `json:"isHealthy"`
	Reason            string  `json:"reason,omitempty"` // why not, and what to do
	CPUUsage          float64 `json:"cpuUsage"`         // fraction of all cores
	MemoryUsage       float64 `json:"memoryUsage"`      // fraction of its budget
	ActiveContainers  int     `json:"activeContainers"` // live instances, whatever their kind
	QueuedInvocations int     `json:"queuedInvocations"`
}

// Resources is what a runner may use.
type Resources struct {
	TotalCPUCores float64 `json:"totalCpuCores"`
	TotalMemoryMB int     `json:"totalMemoryMB"` // MiB
	MaxContainers int     `json:"maxContainers"` // instances; 0: bounded by memory alone
}

// RunnerMetrics counts what a runner did since it started.
type RunnerMetrics struct {
	Invocations uint64 `json:"invocations"`
	Errors      uint64 `json:"errors"`
	ColdStarts  uint64 `json:"coldStarts"`
}

// RunnerInstance is a live instance on a runner.
type RunnerInstance struct {
	ID           string    `json:"instanceId"`
	FunctionName string    `json:"functionName"`
	Version      Number    `json:"version"` // 0 for $LATEST
	State        string    `json:"state"`
	Memory       int64     `json:"memory"` // bytes
	InFlight     int       `json:"inFlight"`
	StartedAt    time.Time `json:"startedAt"`
}

// HeartbeatTimeout is the age of a heartbeat from which a runner counts as
// lost.
const HeartbeatTimeout = 30 * time.Second

// MaxRunnerMemoryUsage is the fraction of its budget from which a runner counts
// as full.
const MaxRunnerMemoryUsage = 0.98

// At returns the runner's health at the time now: what it said itself, unless
// it has been silent for too long or says that it is full.
func (r *Runner) At(now time.Time) Health {
	h := r.Health
	silent := now.Sub(r.LastHeartbeat)
	switch {
	case !h.Healthy:
	case silent >= HeartbeatTimeout:
		h.Healthy = false
		h.Reason = fmt.Sprintf("no heartbeat for %d seconds", silent/time.Second)
	case h.MemoryUsage >= MaxRunnerMemoryUsage:
		h.Healthy = false
		h.Reason = "its memory is used up: raise memory.budget or lower memorySize"
	case r.Resources.MaxContainers > 0 && h.ActiveContainers > r.Resources.MaxContainers:
		h.Healthy = false
		h.Reason = "it holds more instances than it may"
	}
	return h
}
