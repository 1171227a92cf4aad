package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/wire"
)

func read[T any](t testing.TB, a *answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return v
}

func TestFunctionLifeFromCreateToDelete(t *testing.T) {
	w := newWorld(t, nil)
	a := w.do(201, "developer", "POST", "functions", `{"name":"hello","runtime":"wasm","memorySize":128,"environment":{"A":"1"},"reservedConcurrency":3}`)
	if f := read[wire.Function](t, a); f.Name != "hello" || f.MemorySize != 128 || f.OwnerID != "developer" || f.Environment["A"] != "1" || f.Team != "default" {
		t.Errorf("created %+v", f)
	}
	if a.Header.Get("Location") != "/api/v1/functions/hello" || a.Header.Get("ETag") == "" {
		t.Errorf("headers %v", a.Header)
	}
	w.do(409, "developer", "POST", "functions", `{"name":"hello","runtime":"wasm"}`)
	a = w.do(200, "developer", "PUT", "functions/hello", `{"timeout":60,"reservedConcurrency":null}`)
	if f := read[wire.Function](t, a); f.Timeout != 60 || f.MemorySize != 128 || f.ReservedConcurrency != nil {
		t.Errorf("updated %+v", f)
	}
	a = w.do(200, "developer", "PUT", "functions/hello/concurrency", `{"reservedConcurrency":5,"keepWarmEnabled":true,"keepWarmInterval":"10m"}`)
	if f := read[wire.Function](t, a); *f.ReservedConcurrency != 5 || !f.Scaling.KeepWarmEnabled || f.Scaling.KeepWarmInterval.String() != "PT10M" {
		t.Errorf("concurrency %+v", f)
	}
	a = w.do(200, "developer", "PUT", "functions/hello/environment", `{"variables":{"B":"2"}}`)
	if f := read[wire.Function](t, a); len(f.Environment) != 1 || f.Environment["B"] != "2" {
		t.Errorf("environment %v", f.Environment)
	}
	w.do(204, "admin", "DELETE", "functions/hello?force=true")
	w.do(404, "admin", "GET", "functions/hello")
}

func TestEnvironmentIsShownToDevelopersOnly(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	for who, shown := range map[string]bool{"admin": true, "developer": true, "operator": false, "viewer": false} {
		for _, path := range []string{"functions/hello", "functions", "functions/hello/versions", "functions/hello/versions/1"} {
			if got := bytes.Contains(w.do(200, who, "GET", path).body, []byte("SECRET")); got != shown {
				t.Errorf("%s of %s shows the environment: %v", path, who, got)
			}
		}
	}
}

func TestFunctionsOfOtherTeamsAreNotThere(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	missing := w.do(404, "stranger", "GET", "functions/nobody")
	hidden := w.do(404, "stranger", "GET", "functions/hello")
	strip := func(a *answer, name string) string {
		return strings.ReplaceAll(read[wire.Error](t, a).Error.Message, name, "X")
	}
	if strip(missing, "nobody") != strip(hidden, "hello") {
		t.Errorf("%s and %s differ", missing.body, hidden.body)
	}
	if l := read[wire.Functions](t, w.do(200, "stranger", "GET", "functions")); l.Total != 0 {
		t.Errorf("a stranger counts %d functions", l.Total)
	}
	a := w.do(403, "stranger", "POST", "functions", `{"name":"mine","runtime":"wasm"}`)
	if !strings.Contains(string(a.body), "elsewhere") {
		t.Errorf("no hint at one's own teams: %s", a.body)
	}
	w.do(201, "stranger", "POST", "functions", `{"name":"mine","runtime":"wasm","team":"elsewhere"}`)
	w.do(403, "stranger", "PUT", "functions/mine", `{"team":"default"}`)
	w.do(404, "viewer", "GET", "functions/mine")
	w.do(200, "admin", "GET", "functions/mine")
}

func TestChangesObeyIfMatch(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	for _, path := range []string{"functions/hello", "functions/hello/aliases/live"} {
		body := map[bool]string{true: `{"version":1}`, false: `{"description":"x"}`}[strings.Contains(path, "alias")]
		old := w.do(200, "developer", "GET", path).Header.Get("ETag")
		now := w.do(200, "developer", "PUT", path, body, "If-Match: "+old).Header.Get("ETag")
		if now == old || now == "" {
			t.Errorf("%s: ETag %s after %s", path, now, old)
		}
		for _, wrong := range []string{old, `"x"`, "W/" + now, "nonsense"} {
			if a := w.do(412, "developer", "PUT", path, body, "If-Match: "+wrong); a.code() != "PRECONDITION_FAILED" {
				t.Errorf("%s", a.body)
			}
		}
		w.do(200, "developer", "PUT", path, body, `If-Match: "999", `+now)
		w.do(200, "developer", "PUT", path, body, `If-Match: *`)
	}
	w.do(412, "operator", "DELETE", "functions/hello/aliases/live", "", `If-Match: "999"`)
	w.do(204, "operator", "DELETE", "functions/hello/aliases/live")
}

func TestFaultsNameWhatWasAttempted(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.RateLimits = RateLimits{Write: 4} })
	w.makeFunction("hello")
	for _, tc := range []struct {
		status       int
		as, method   string
		path, header string
		want         string
	}{
		{403, "viewer", "DELETE", "functions/hello", "", "DELETE /api/v1/functions/hello: the role Viewer"},
		{412, "admin", "PUT", "functions/hello", `"0"`, "PUT /api/v1/functions/hello: it was changed"},
		{412, "operator", "PUT", "functions/hello/aliases/live", `"0"`, "PUT /api/v1/functions/hello/aliases/live: it was changed"},
		{404, "operator", "GET", "functions/hello/aliases/x", "", `function \"hello\" has no alias \"x\"`},
		{404, "viewer", "GET", "functions/hello/versions/9", "", `function \"hello\" has no version`},
		{429, "admin", "PUT", "functions/hello", "", "PUT /api/v1/functions/hello: more than 4"},
		{403, "viewer", "DELETE", "functions/" + strings.Repeat("x", 500), "", strings.Repeat("x", 180) + ": the role"},
	} {
		body := map[bool]string{true: `{}`}[tc.method == "PUT"]
		a := w.do(tc.status, tc.as, tc.method, tc.path, body, "If-Match: "+tc.header)
		if !strings.Contains(string(a.body), tc.want) {
			t.Errorf("%s, want %s", a.body, tc.want)
		}
		if again := a.Header.Get("Retry-After"); (again != "") != (tc.status == 429) {
			t.Errorf("%d: Retry-After %q", tc.status, again)
		}
		e := read[wire.Error](t, a).Error
		if e.TraceID == "" || a.Header.Get("X-Request-Id") != e.TraceID || e.Timestamp.IsZero() {
			t.Errorf("%d: trace %q, header %v", tc.status, e.TraceID, a.Header)
		}
	}
}

func TestListsPage(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 5 {
		w.makeFunction(fmt.Sprintf("f%d", i))
	}
	l := read[wire.Functions](t, w.do(200, "viewer", "GET", "functions?limit=2&offset=1"))
	if l.Total != 5 || len(l.Functions) != 2 || l.Functions[0].Name != "f1" || l.Limit != 2 || l.Offset != 1 {
		t.Errorf("page %+v", l)
	}
	var names []string
	for cursor := ""; ; {
		l := read[wire.Functions](t, w.do(200, "viewer", "GET", "functions?limit=2&cursor="+cursor))
		for _, f := range l.Functions {
			names = append(names, f.Name)
		}
		if cursor = l.NextCursor; cursor == "" {
			break
		}
	}
	if !slices.Equal(names, []string{"f0", "f1", "f2", "f3", "f4"}) {
		t.Errorf("by cursor %v", names)
	}
	for _, bad := range []string{"limit=0", "limit=101", "limit=x", "offset=-1", "limit=1.5"} {
		if a := w.do(400, "viewer", "GET", "functions?"+bad); len(a.fields()) != 1 {
			t.Errorf("%s: %s", bad, a.body)
		}
	}
	if a := w.do(400, "viewer", "GET", "functions?limit=0&offset=-1"); len(a.fields()) != 2 {
		t.Errorf("both: %s", a.body)
	}
}

func TestVersionsAndAliasesPage(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	for i := range 4 {
		w.do(201, "developer", "POST", "functions/hello/versions", string(module), "Content-Type: application/wasm")
		w.do(201, "developer", "POST", "functions/hello/aliases", fmt.Sprintf(`{"aliasName":"a%d","version":"v1"}`, i))
	}
	v := read[wire.Versions](t, w.do(200, "viewer", "GET", "functions/hello/versions?limit=2"))
	v2 := read[wire.Versions](t, w.do(200, "viewer", "GET", "functions/hello/versions?cursor="+v.NextCursor))
	if v.Total != 5 || v.Versions[0].Version != 5 || len(v2.Versions) != 3 || v2.Versions[0].Version != 3 || v2.NextCursor != "" {
		t.Errorf("versions %+v, then %+v", v, v2)
	}
	a := read[wire.Aliases](t, w.do(200, "viewer", "GET", "functions/hello/aliases?limit=2"))
	a2 := read[wire.Aliases](t, w.do(200, "viewer", "GET", "functions/hello/aliases?limit=3&cursor="+a.NextCursor))
	if a.Total != 5 || a.Aliases[0].AliasName != "a0" || len(a2.Aliases) != 3 || a2.Aliases[2].AliasName != "live" {
		t.Errorf("aliases %+v, then %+v", a, a2)
	}
	w.do(400, "viewer", "GET", "functions/hello/versions?cursor=x")
}

func TestCodeIsPublishedInEveryForm(t *testing.T) {
	w := newWorld(t, nil)
	w.do(201, "developer", "POST", "functions", `{"name":"hello","runtime":"wasm"}`)
	encoded := base64.StdEncoding.EncodeToString(module)
	for i, tc := range []struct{ kind, path, body string }{
		{"application/json", "", `{"code":"` + encoded + `","description":"first","environment":{"A":"1"}}`},
		{"", "", `{"description":"first","environment":{"A":"1"},"code":"` + encoded + `"}`},
		{"application/wasm", "?description=first", string(module)},
		{"application/octet-stream; x=y", "?description=first", string(module)},
	} {
		a := w.do(201, "developer", "POST", "functions/hello/versions"+tc.path, tc.body, "Content-Type: "+tc.kind)
		v := read[wire.Version](t, a)
		if int(v.Version) != i+1 || v.VersionString != fmt.Sprintf("v%d", i+1) || v.Description != "first" || v.CodeSize != 8 || v.CreatedBy != "developer" {
			t.Errorf("%s: %+v", tc.kind, v)
		}
		code := w.do(200, "viewer", "GET", v.CodeLocation)
		if !bytes.Equal(code.body, module) || code.Header.Get("Content-Type") != kindWasm || code.ContentLength != 8 {
			t.Errorf("download of %s: %q, %v", tc.kind, code.body, code.Header)
		}
	}
	w.do(200, "viewer", "GET", "functions/hello/versions/v2")
	w.do(204, "developer", "DELETE", "functions/hello/versions/v2")
	w.do(404, "viewer", "GET", "functions/hello/versions/2")
	w.do(400, "viewer", "GET", "functions/hello/versions/latest")
}

func TestAliasesAreWeighted(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	w.do(201, "developer", "POST", "functions/hello/versions", string(module), "Content-Type: application/wasm")
	a := read[wire.Alias](t, w.do(200, "operator", "PUT", "functions/hello/aliases/live", `{"routingConfig":{"1":90,"v2":10}}`))
	if a.RoutingConfig[1] != 90 || a.RoutingConfig[2] != 10 {
		t.Errorf("%+v", a)
	}
	for body, field := range map[string]string{
		`{"routingConfig":{"1":90}}`: "routingConfig", `{"routingConfig":{"x":100}}`: "routingConfig", `{"version":"x"}`: "version",
		`{"routingConfig":{"1":50,"v1":50}}`: "routingConfig", `{"version":1.5}`: "version", `{"aliasName":"other","version":1}`: "aliasName",
		`{"version":-1}`: "version", `{"routingConfig":{"1":"50"}}`: "routingConfig.1",
	} {
		if a := w.do(400, "operator", "PUT", "functions/hello/aliases/live", body); !slices.ContainsFunc(a.fields(), func(f string) bool { return strings.HasPrefix(f, field) }) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
}

func TestMetricsCountInvocations(t *testing.T) {
	w := newWorld(t, nil)
	w.makeFunction("hello")
	w.do(200, "viewer", "POST", "functions/hello/invoke", `{}`)
	m := read[wire.FunctionMetrics](t, w.do(200, "viewer", "GET", "functions/hello/metrics?window=15m"))
	if m.Metrics.Invocations != 1 || m.Window.String() != "PT15M" || m.Metrics.MaxMemoryUsed != 1 {
		t.Errorf("%+v", m)
	}
	if f := read[wire.Function](t, w.do(200, "viewer", "GET", "functions/hello")); f.TotalInvocations != 1 || f.LastInvokedAt == nil {
		t.Errorf("%+v", f)
	}
	for _, window := range []string{"x", "PT1S", "P2D", "-5m"} {
		w.do(400, "viewer", "GET", "functions/hello/metrics?window="+window)
	}
}
