package telemetry

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	srv := httptest.NewServer(m.Handler())
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v: %s", resp.Status, err, body)
	}
	return string(body)
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("no line %q in\n%s", line, grep(text, line[:strings.IndexAny(line, "{ ")]))
		}
	}
}

func grep(text, part string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func TestInvocationsAreCounted(t *testing.T) {
	m := NewMetrics()
	s := m.Series("hello", "3", "wasm", "api")
	s.Began()
	wantLines(t, scrape(t, m), `functions_concurrent_executions{function="hello"} 1`)
	s.Ended(Invocation{Duration: 3 * time.Millisecond, Init: 20 * time.Millisecond, Cold: true, Failed: true, PeakMemory: 1 << 20,
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	s.Began()
	s.Ended(Invocation{Duration: time.Millisecond})
	s.Throttled()
	const all = `{function="hello",runtime="wasm",trigger="api",version="3"}`
	text := scrape(t, m)
	wantLines(t, text,
		"functions_invocations_total"+all+" 2", "functions_invocations_cold_start_total"+all+" 1",
		"functions_invocations_errors_total"+all+" 1", "functions_invocations_throttled_total"+all+" 1",
		`functions_concurrent_executions{function="hello"} 0`,
		`function_init_duration_seconds_count{function="hello",runtime="wasm",version="3"} 1`,
		`function_memory_used_bytes_sum{function="hello",runtime="wasm",version="3"} 1.048576e+06`)
	if line := grep(text, `function_duration_seconds_bucket`); !strings.Contains(line, `# {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.003`) {
		t.Errorf("no exemplar in\n%s", line)
	}
}

func TestForgottenVersionsCostNothing(t *testing.T) {
	m := NewMetrics()
	for _, version := range []string{"1", "2"} {
		s := m.Series("hello", version, "wasm", "api")
		s.Began()
		s.Ended(Invocation{})
	}
	m.Forget("hello", "1")
	m.ForgetFunction("hello")
	if text := grep(scrape(t, m), `function="hello"`); strings.Contains(text, `version="1"`) || !strings.Contains(text, `version="2"`) || strings.Contains(text, "concurrent") {
		t.Errorf("left:\n%s", text)
	}
}

func TestRequestsAndReadings(t *testing.T) {
	m := NewMetrics()
	m.Request("/api/v1/functions/{name}", "GET", 200, time.Millisecond)
	m.ReadOne(Gauge, "functions_count", "Functions.", func() float64 { return 7 })
	m.Read(Gauge, "skiff_pool_instances", "Instances.", "state", func() []Reading { return []Reading{{"idle", 2}, {"busy", 1}} })
	m.ReadOne(Counter, "skiff_store_commits_total", "Commits.", func() float64 { return 5 })
	wantLines(t, scrape(t, m),
		`skiff_http_requests_total{method="GET",route="/api/v1/functions/{name}",status="200"} 1`,
		"functions_count 7", `skiff_pool_instances{state="idle"} 2`, "skiff_store_commits_total 5", "# TYPE skiff_store_commits counter", "go_goroutines ", "process_resident_memory_bytes ")
}

func TestSeriesServeManyGoroutines(t *testing.T) {
	m := NewMetrics()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s := m.Series("hello", "1", "wasm", "api")
			for range 200 {
				s.Began()
				s.Ended(Invocation{Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
			}
			m.Forget("other", "1")
		})
	}
	wg.Wait()
	wantLines(t, scrape(t, m), `functions_invocations_total{function="hello",runtime="wasm",trigger="api",version="1"} 1600`)
}

func TestTraceIDs(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "00": "", "00-abc-def-01": "", "00-0af7651916cd43dd8448eb211c80319c": "",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00": "", // nobody records it
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-zz": "",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": "0af7651916cd43dd8448eb211c80319c",
	} {
		if got := sampledTrace(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestLogObeysLevelAndFormat(t *testing.T) {
	var b bytes.Buffer
	log := NewLog(&b, "warn", "json")
	log.Info("unheard")
	log.Warn("heard", KeyFunction, "hello")
	if got := b.String(); strings.Contains(got, "unheard") || !strings.Contains(got, `"msg":"heard","function":"hello"`) {
		t.Errorf("%s", got)
	}
	b.Reset()
	NewLog(&b, "nonsense", "text").Info("heard")
	if !strings.Contains(b.String(), "level=INFO msg=heard") {
		t.Errorf("%s", b.String())
	}
}

func BenchmarkEnded(b *testing.B) {
	s := NewMetrics().Series("hello", "1", "wasm", "api")
	b.ReportAllocs()
	for b.Loop() {
		s.Began()
		s.Ended(Invocation{Duration: time.Millisecond, PeakMemory: 1 << 20})
	}
}
