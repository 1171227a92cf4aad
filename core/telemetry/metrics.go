package telemetry

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the appliance's metrics in Prometheus' form. All methods may be
// called by many goroutines.
type Metrics struct {
	registry  *prometheus.Registry
	functions functionMetrics
	requests  *prometheus.CounterVec
	latency   *prometheus.HistogramVec

	mu       sync.RWMutex // guards answered
	answered map[answer]answerSeries
}

// answer is what requests are counted by; there are few different ones.
type answer struct {
	route, method string
	status        int
}

// answerSeries are kept, as looking them up by their labels costs more than
// counting.
type answerSeries struct {
	count   prometheus.Counter
	latency prometheus.Observer
}

// NewMetrics returns metrics with nothing counted.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		answered:  map[answer]answerSeries{},
		functions: newFunctionMetrics(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skiff_http_requests_total", Help: "Requests to the API, by route, method and status.",
		}, []string{"route", "method", "status"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "skiff_http_request_duration_seconds", Help: "Time to answer a request to the API.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m.requests, m.latency)
	m.registry.MustRegister(m.functions.collectors()...)
	return m
}

// Handler answers with the metrics, in OpenMetrics where the client takes it:
// exemplars are in that form only.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Request counts a request to the API. route is the pattern, never the path:
// it must be of a small set.
func (m *Metrics) Request(route, method string, status int, took time.Duration) {
	key := answer{route, method, status}
	m.mu.RLock()
	s, known := m.answered[key]
	m.mu.RUnlock()
	if !known {
		s = answerSeries{m.requests.WithLabelValues(route, method, strconv.Itoa(status)), m.latency.WithLabelValues(route)}
		m.mu.Lock()
		m.answered[key] = s
		m.mu.Unlock()
	}
	s.count.Inc()
	s.latency.Observe(took.Seconds())
}

// Reading is one value of a metric that is read when metrics are asked for.
type Reading struct {
	Label string // value of the metric's label, where it has one
	Value float64
}

// Kind tells what a value that is read means.
type Kind = prometheus.ValueType

// The kinds.
const (
	Counter = prometheus.CounterValue
	Gauge   = prometheus.GaugeValue
)

// Read adds a metric whose values read returns whenever metrics are asked for.
// label is the name of its one label, "" for a single value without one. read
// must be quick and safe for concurrent use. Names must be new: a second one is
// a broken invariant and panics.
func (m *Metrics) Read(kind Kind, name, help, label string, read func() []Reading) {
	var labels []string
	if label != "" {
		labels = []string{label}
	}
	m.registry.MustRegister(&reader{prometheus.NewDesc(name, help, labels, nil), kind, label != "", read})
}

// ReadOne is Read for a single value.
func (m *Metrics) ReadOne(kind Kind, name, help string, read func() float64) {
	m.Read(kind, name, help, "", func() []Reading { return []Reading{{Value: read()}} })
}

// reader implements prometheus.Collector.
type reader struct {
	desc     *prometheus.Desc
	kind     Kind
	labelled bool
	read     func() []Reading
}

// Describe implements prometheus.Collector.
func (r *reader) Describe(to chan<- *prometheus.Desc) { to <- r.desc }

// Collect implements prometheus.Collector.
func (r *reader) Collect(to chan<- prometheus.Metric) {
	for _, v := range r.read() {
		var labels []string
		if r.labelled {
			labels = []string{v.Label}
		}
		to <- prometheus.MustNewConstMetric(r.desc, r.kind, v.Value, labels...)
	}
}
