package node

import (
	"strconv"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/invoke"
	"github.com/skiffhq/skiff/core/store"
	"github.com/skiffhq/skiff/core/telemetry"
)

// invokeMetrics gives the invoker the series of telemetry, which knows neither
// units nor invocations.
type invokeMetrics struct{ *telemetry.Metrics }

// Series implements invoke.Metrics.
func (m invokeMetrics) Series(u *function.Unit, trigger string) invoke.Series {
	return invokeSeries{m.Metrics.Series(u.Function, versionLabel(u.Version), string(u.Runtime), trigger)}
}

// versionLabel is the version as metrics show it: "3" or "$LATEST".
func versionLabel(n function.Number) string {
	if n == 0 {
		return function.Latest
	}
	return strconv.FormatUint(uint64(n), 10)
}

type invokeSeries struct{ *telemetry.Series }

// Ended implements invoke.Series.
func (s invokeSeries) Ended(o invoke.Observation) { s.Series.Ended(telemetry.Invocation(o)) }

// readings registers what is counted elsewhere and read when metrics are asked
// for.
func (p *parts) readings() {
	m := p.metrics
	m.ReadOne(telemetry.Gauge, "functions_count", "Functions.", func() float64 {
		functions, _ := p.catalog.Counts()
		return float64(functions)
	})
	m.ReadOne(telemetry.Gauge, "functions_versions_count", "Published versions of all functions.", func() float64 {
		_, versions := p.catalog.Counts()
		return float64(versions)
	})
	m.ReadOne(telemetry.Gauge, "runners_active", "Execution hosts that can run functions.", func() float64 { return 1 })
	m.Read(telemetry.Gauge, "skiff_pool_instances", "Instances, by what they do.", "state", p.poolReadings)
	m.ReadOne(telemetry.Gauge, "skiff_memory_budget_bytes", "What functions may use together.", func() float64 {
		return float64(p.memory.Usage().Budget)
	})
	m.Read(telemetry.Gauge, "skiff_memory_used_bytes", "What of the budget is charged, by holder.", "holder", p.memoryReadings)
	m.Read(telemetry.Gauge, "skiff_invocations", "Invocations inside the appliance.", "state", func() []telemetry.Reading {
		running, waiting := p.invoker.Load()
		return []telemetry.Reading{{Label: "running", Value: float64(running - waiting)}, {Label: "waiting", Value: float64(waiting)}}
	})
	p.storeReadings()
}

// storeReadings registers the store's figures.
func (p *parts) storeReadings() {
	m := p.metrics
	one := func(kind telemetry.Kind, name, help string, value func(store.Stats) float64) {
		m.ReadOne(kind, name, help, func() float64 { return value(p.store.Stats()) })
	}
	one(telemetry.Counter, "skiff_store_commits_total", "Transactions, one sync of the disk each.",
		func(s store.Stats) float64 { return float64(s.Commits) })
	one(telemetry.Counter, "skiff_store_requests_total", "Changes in them.",
		func(s store.Stats) float64 { return float64(s.Requests) })
	one(telemetry.Counter, "skiff_store_commit_seconds_total", "Time that transactions took.",
		func(s store.Stats) float64 { return s.CommitTime.Seconds() })
	one(telemetry.Gauge, "skiff_store_free_bytes", "Free space on the store's disk, -1 where it is not known.",
		func(s store.Stats) float64 { return float64(s.FreeBytes) })
	m.Read(telemetry.Gauge, "skiff_store_bytes", "Space on disk.", "part", func() []telemetry.Reading {
		s := p.store.Stats()
		return []telemetry.Reading{{Label: "tables", Value: float64(s.LSMBytes)}, {Label: "values", Value: float64(s.VlogBytes)}}
	})
}

func (p *parts) poolReadings() []telemetry.Reading {
	s := p.pool.Stats()
	return []telemetry.Reading{
		{Label: "idle", Value: float64(s.Idle)}, {Label: "busy", Value: float64(s.Busy)},
		{Label: "starting", Value: float64(s.Starting)}, {Label: "draining", Value: float64(s.Draining)},
	}
}

func (p *parts) memoryReadings() []telemetry.Reading {
	var all []telemetry.Reading
	for _, h := range p.memory.Usage().Holders {
		all = append(all, telemetry.Reading{Label: h.Name, Value: float64(h.Bytes)})
	}
	return all
}
