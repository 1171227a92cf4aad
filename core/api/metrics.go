package api

import (
	"time"

	"github.com/valyala/fasthttp/fasthttpadaptor"

	"github.com/skiffhq/skiff/core/api/openapi"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/invoke"
	"github.com/skiffhq/skiff/core/wire"
)

// metrics hands the request to whoever keeps the metrics.
func (s *Server) metrics(r *request) (response, error) {
	if s.opts.Metrics == nil {
		return response{}, fault.New(fault.NotFound, "no_metrics", "this appliance keeps no metrics")
	}
	fasthttpadaptor.NewFastHTTPHandler(s.opts.Metrics)(r.http)
	out := &r.http.Response
	return response{status: out.StatusCode(), raw: append([]byte{}, out.Body()...), kind: string(out.Header.ContentType())}, nil
}

// document answers with the OpenAPI document.
func (s *Server) document(*request) (response, error) {
	return response{raw: openapi.Document(), kind: "application/json"}, nil
}

const defaultWindow = time.Hour

// functionMetrics answers GET /functions/{name}/metrics.
func (s *Server) functionMetrics(r *request) (response, error) {
	window := defaultWindow
	if text := r.query("window"); text != "" {
		d, err := function.ParseDuration(text)
		if err != nil || d < time.Minute || d > invoke.MaxWindow {
			return response{}, invalid("window", "must be a duration from PT1M to %s", function.Duration(invoke.MaxWindow))
		}
		window = d
	}
	now := s.now()
	return response{json: wire.FunctionMetrics{
		FunctionName: r.function.Name, Window: function.Duration(window), Timestamp: now.UTC(),
		Metrics: metricValues(s.invoker.Window(r.function, window, now)),
	}}, nil
}

func metricValues(sum invoke.Summary) wire.MetricValues {
	return wire.MetricValues{
		Invocations: sum.Invocations, Errors: sum.Errors, ErrorRate: sum.ErrorRate,
		ColdStarts: sum.ColdStarts, Throttles: sum.Throttles,
		AvgDuration: milliseconds(sum.AvgDuration), P50Duration: milliseconds(sum.P50),
		P95Duration: milliseconds(sum.P95), P99Duration: milliseconds(sum.P99),
		AvgMemoryUsed: mebibytes(sum.AvgMemoryUsed), MaxMemoryUsed: mebibytes(sum.MaxMemoryUsed),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
