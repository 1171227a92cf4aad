package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// functionMetrics are the metrics of invocations. Histograms leave the trigger
// out: each series of theirs costs a kilobyte.
type functionMetrics struct {
	invocations, cold, errors, throttled *prometheus.CounterVec
	duration, init, memory               *prometheus.HistogramVec
	concurrent                           *prometheus.GaugeVec
}

func newFunctionMetrics() functionMetrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"function", "version", "runtime", "trigger"})
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"function", "version", "runtime"})
	}
	return functionMetrics{
		invocations: counter("functions_invocations_total", "Invocations that ran, or whose code could not be started."),
		cold:        counter("functions_invocations_cold_start_total", "Invocations that waited for code or for an instance."),
		errors:      counter("functions_invocations_errors_total", "Invocations that failed, by the function or by the platform."),
		throttled:   counter("functions_invocations_throttled_total", "Invocations refused for want of concurrency, instances or memory."),
		duration: histogram("function_duration_seconds", "Time that handlers took.",
			[]float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 300, 900}),
		init: histogram("function_init_duration_seconds", "Time that invocations waited for code or an instance.",
			[]float64{.0001, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}),
		memory: histogram("function_memory_used_bytes", "Peak memory of invocations.", prometheus.ExponentialBuckets(1<<17, 2, 17)),
		concurrent: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "functions_concurrent_executions", Help: "Invocations that run now.",
		}, []string{"function"}),
	}
}

func (f *functionMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{f.invocations, f.cold, f.errors, f.throttled, f.duration, f.init, f.memory, f.concurrent}
}

// Series returns the series of one version and trigger. Looking them up costs
// more than counting: the caller keeps the answer.
func (m *Metrics) Series(function, version, runtime, trigger string) *Series {
	f := &m.functions
	return &Series{
		invocations: f.invocations.WithLabelValues(function, version, runtime, trigger),
		cold:        f.cold.WithLabelValues(function, version, runtime, trigger),
		errors:      f.errors.WithLabelValues(function, version, runtime, trigger),
		throttled:   f.throttled.WithLabelValues(function, version, runtime, trigger),
		duration:    f.duration.WithLabelValues(function, version, runtime),
		init:        f.init.WithLabelValues(function, version, runtime),
		memory:      f.memory.WithLabelValues(function, version, runtime),
		concurrent:  f.concurrent.WithLabelValues(function),
	}
}

// Forget drops every series of a version, so that versions which are gone cost
// nothing. Counting into a Series that was kept has no effect any more.
func (m *Metrics) Forget(function, version string) {
	labels := prometheus.Labels{"function": function, "version": version}
	f := &m.functions
	for _, c := range []*prometheus.CounterVec{f.invocations, f.cold, f.errors, f.throttled} {
		c.DeletePartialMatch(labels)
	}
	for _, h := range []*prometheus.HistogramVec{f.duration, f.init, f.memory} {
		h.DeletePartialMatch(labels)
	}
}

// ForgetFunction drops the series that a function has beside its versions'.
func (m *Metrics) ForgetFunction(function string) {
	m.functions.concurrent.DeleteLabelValues(function)
}

// Series counts the invocations of one version by one trigger, from any number
// of goroutines.
type Series struct {
	invocations, cold, errors, throttled prometheus.Counter
	duration, init, memory               prometheus.Observer
	concurrent                           prometheus.Gauge
}

// Invocation is what one invocation did.
type Invocation struct {
	Duration, Init time.Duration
	Cold, Failed   bool
	PeakMemory     int64  // bytes
	Traceparent    string // W3C trace context; may be empty
}

// Began counts an invocation that is about to run.
func (s *Series) Began() { s.concurrent.Inc() }

// Throttled counts an invocation that was refused.
func (s *Series) Throttled() { s.throttled.Inc() }

// Ended counts an invocation that Began. Its trace, where it is sampled, is
// the exemplar of its duration.
func (s *Series) Ended(i Invocation) {
	s.concurrent.Dec()
	s.invocations.Inc()
	if i.Cold {
		s.cold.Inc()
		s.init.Observe(i.Init.Seconds())
	}
	if i.Failed {
		s.errors.Inc()
	}
	observe(s.duration, i.Duration.Seconds(), i.Traceparent)
	s.memory.Observe(float64(i.PeakMemory))
}

func observe(o prometheus.Observer, value float64, traceparent string) {
	if id := sampledTrace(traceparent); id != "" {
		o.(prometheus.ExemplarObserver).ObserveWithExemplar(value, prometheus.Labels{"trace_id": id})
		return
	}
	o.Observe(value)
}

// sampledTrace returns the trace id of a traceparent whose trace is recorded
// somewhere, "" for any other: an exemplar that leads nowhere helps nobody.
// See W3C Trace Context §3.2.
func sampledTrace(traceparent string) string {
	const length, idStart, idEnd, flags = 55, 3, 35, 53
	if len(traceparent) < length {
		return ""
	}
	f, err := strconv.ParseUint(traceparent[flags:length], 16, 8)
	if err != nil || f&1 == 0 {
		return ""
	}
	return traceparent[idStart:idEnd]
}
