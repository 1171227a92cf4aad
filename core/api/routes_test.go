package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/wire"
)

// sample is a request that its route answers with success, at a world that has
// sampled.
type sample struct {
	path   string // what replaces the route's; empty: the route's with its parts filled in
	body   string
	header string
	want   int
	// bad is a request of the same caller's that fails, as path or body.
	badPath, badBody string
	bad              int
}

var samples = map[string]sample{
	"GET /healthz":             {want: 200},
	"GET /health":              {want: 200},
	"GET /readyz":              {want: 200},
	"GET /metrics":             {want: 200},
	"GET /api/v1/openapi.json": {want: 200},
	"GET /api/v1/audit":        {want: 200, badPath: "/api/v1/audit?since=soon", bad: 400},
	"POST /api/v1/authentication/login": {body: `{"username":"ada","password":"correct horse battery"}`, want: 200,
		badBody: `{"username":"ada","password":"wrong horse battery"}`, bad: 401},
	"GET /api/v1/users":           {want: 200, badPath: "/api/v1/users?limit=0", bad: 400},
	"POST /api/v1/users":          {body: `{"username":"new%d","password":"correct horse battery","role":"Viewer"}`, want: 201, badBody: `{"username":"!"}`, bad: 400},
	"GET /api/v1/users/{name}":    {path: "/api/v1/users/ada", want: 200, badPath: "/api/v1/users/nobody", bad: 404},
	"PUT /api/v1/users/{name}":    {path: "/api/v1/users/ada", body: `{"role":"Admin"}`, want: 200, badPath: "/api/v1/users/nobody", bad: 404},
	"DELETE /api/v1/users/{name}": {path: "/api/v1/users/spare%d", want: 204, badPath: "/api/v1/users/nobody", bad: 404},
	"GET /api/v1/tokens":          {want: 200, badPath: "/api/v1/tokens?limit=x", bad: 400},
	"POST /api/v1/tokens":         {body: `{"name":"ci","ttl":"PT1H"}`, want: 201, badBody: `{"ttl":"soon"}`, bad: 400},
	"DELETE /api/v1/tokens/{id}":  {path: "/api/v1/tokens/%s", want: 204, badPath: "/api/v1/tokens/none", bad: 404},

	"GET /api/v1/functions":                    {want: 200, badPath: "/api/v1/functions?offset=x", bad: 400},
	"POST /api/v1/functions":                   {body: `{"name":"new%d","runtime":"wasm"}`, want: 201, badBody: `{"name":"hello","runtime":"wasm"}`, bad: 409},
	"GET /api/v1/functions/{name}":             {want: 200, badPath: "/api/v1/functions/nobody", bad: 404},
	"PUT /api/v1/functions/{name}":             {body: `{"timeout":9}`, want: 200, badBody: `{"timeout":0}`, bad: 400},
	"DELETE /api/v1/functions/{name}":          {path: "/api/v1/functions/spare%d?force=true", want: 204, badPath: "/api/v1/functions/nobody", bad: 404},
	"GET /api/v1/functions/{name}/metrics":     {want: 200, badPath: "/api/v1/functions/hello/metrics?window=x", bad: 400},
	"PUT /api/v1/functions/{name}/concurrency": {body: `{"reservedConcurrency":5}`, want: 200, badBody: `{"reservedConcurrency":-1}`, bad: 400},
	"PUT /api/v1/functions/{name}/environment": {body: `{"variables":{"A":"1"}}`, want: 200, badBody: `{}`, bad: 400},

	"GET /api/v1/functions/{name}/versions":                {want: 200, badPath: "/api/v1/functions/nobody/versions", bad: 404},
	"POST /api/v1/functions/{name}/versions":               {body: string(module), header: "application/wasm", want: 201, badBody: "nonsense", bad: 400},
	"GET /api/v1/functions/{name}/versions/{version}":      {want: 200, badPath: "/api/v1/functions/hello/versions/99", bad: 404},
	"DELETE /api/v1/functions/{name}/versions/{version}":   {path: "/api/v1/functions/hello/versions/%v", want: 204, badPath: "/api/v1/functions/hello/versions/1", bad: 409},
	"GET /api/v1/functions/{name}/versions/{version}/code": {want: 200, badPath: "/api/v1/functions/hello/versions/99/code", bad: 404},

	"GET /api/v1/functions/{name}/aliases":            {want: 200, badPath: "/api/v1/functions/nobody/aliases", bad: 404},
	"POST /api/v1/functions/{name}/aliases":           {body: `{"aliasName":"new%d","version":1}`, want: 201, badBody: `{"aliasName":"live","version":1}`, bad: 409},
	"GET /api/v1/functions/{name}/aliases/{alias}":    {want: 200, badPath: "/api/v1/functions/hello/aliases/none", bad: 404},
	"PUT /api/v1/functions/{name}/aliases/{alias}":    {body: `{"version":1}`, want: 200, badBody: `{"version":99}`, bad: 400},
	"DELETE /api/v1/functions/{name}/aliases/{alias}": {path: "/api/v1/functions/hello/aliases/spare%d", want: 204, badPath: "/api/v1/functions/hello/aliases/none", bad: 404},

	"POST /api/v1/functions/{name}/invoke":          {body: `{"payload":{"a":1}}`, want: 200, badBody: `{"payload":`, bad: 400},
	"POST /2015-03-31/functions/{name}/invocations": {body: `{"a":1}`, want: 200, badPath: "/2015-03-31/functions/hello/invocations?Qualifier=none", bad: 404},
}

// sampled fills a world with what the samples speak of.
func sampled(t testing.TB) *world {
	w := newWorld(t, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(res http.ResponseWriter, _ *http.Request) {
			res.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = res.Write([]byte("up 1\n"))
		})
		o.Ready = func() []wire.Component { return []wire.Component{{Name: "store", Ready: true}} }
	})
	_, err := w.ids.CreateUser(t.Context(), identity.NewUser{Name: "ada", Password: "correct horse battery", Role: function.RoleAdmin})
	w.must(err)
	w.makeFunction("hello")
	return w
}

// spares makes what the sample with the number n deletes, and returns its path
// and body.
func (w *world) spares(s sample, rt *route, n int) (path, body string) {
	w.t.Helper()
	path = strings.NewReplacer("{name}", "hello", "{version}", "1", "{alias}", "live").Replace(rt.path)
	if s.path != "" {
		path = s.path
	}
	switch {
	case strings.Contains(path, "%v"):
		w.do(201, "admin", "POST", "functions/hello/versions", string(module), "Content-Type: application/wasm")
		v := read[wire.Version](w.t, w.do(201, "admin", "POST", "functions/hello/versions", string(module), "Content-Type: application/wasm"))
		path = fmt.Sprintf(path, v.Version-1)
	case strings.Contains(path, "users/spare"):
		w.seedUser(fmt.Sprintf("spare%d", n))
	case strings.Contains(path, "functions/spare"):
		w.do(201, "admin", "POST", "functions", fmt.Sprintf(`{"name":"spare%d","runtime":"wasm"}`, n))
	case strings.Contains(path, "aliases/spare"):
		w.do(201, "admin", "POST", "functions/hello/aliases", fmt.Sprintf(`{"aliasName":"spare%d","version":1}`, n))
	}
	if strings.Contains(path, "%d") {
		path = fmt.Sprintf(path, n)
	}
	if body = s.body; strings.Contains(body, "%d") {
		body = fmt.Sprintf(body, n)
	}
	return path, body
}

func (w *world) seedUser(name string) {
	w.t.Helper()
	_, err := w.ids.CreateUser(w.t.Context(), identity.NewUser{Name: name, Password: "correct horse battery", Role: function.RoleViewer})
	w.must(err)
}

// tokenOf makes a token for the sample that revokes one.
func (w *world) tokenOf(path, who string) string {
	w.t.Helper()
	if !strings.Contains(path, "%s") {
		return path
	}
	if who == "" || who == "revoked" {
		who = "admin"
	}
	tok := read[wire.Token](w.t, w.do(201, who, "POST", "tokens", `{}`))
	return fmt.Sprintf(path, tok.TokenID)
}

// roles are who may use what, written down a second time on purpose: the
// contract's words, not the table's.
func expected(rt *route, who string) int {
	role := people[who].Role
	any := rt.open || role == function.RoleAdmin
	switch {
	case rt.open:
	case who == "" || who == "revoked":
		return 401
	case strings.Contains(rt.path, "/users") || strings.Contains(rt.path, "/audit"):
	case strings.Contains(rt.path, "/aliases/") && rt.method != "GET":
		any = any || role == function.RoleDeveloper || role == function.RoleOperator
	case rt.method == "DELETE" && strings.HasSuffix(rt.path, "/functions/{name}"):
	case strings.Contains(rt.path, "/functions") && rt.method != "GET" && !strings.Contains(rt.path, "/invo"):
		any = any || role == function.RoleDeveloper
	default:
		any = true
	}
	switch {
	case !any:
		return 403
	case who == "stranger" && strings.Contains(rt.path, "/functions/{name}"):
		return 404
	case who == "stranger" && rt.method == "POST" && strings.HasSuffix(rt.path, "/functions"):
		return 403
	}
	return 0
}

func TestEveryRouteForEveryRole(t *testing.T) {
	w := sampled(t)
	who := append(slices.Sorted(maps.Keys(people)), "")
	n := 0
	for i := range table {
		rt := &table[i]
		s, ok := samples[rt.method+" "+rt.path]
		if !ok {
			t.Errorf("no sample for %s %s", rt.method, rt.path)
			continue
		}
		for _, as := range who {
			n++
			path, body := w.spares(s, rt, n)
			path = w.tokenOf(path, as)
			want := expected(rt, as)
			if want == 0 {
				want = s.want
			}
			a := w.call(call{as: as, method: rt.method, path: path, body: body, header: map[string]string{"Content-Type": s.header}})
			if a.StatusCode != want {
				t.Errorf("%s %s as %q: %d, want %d: %.300s", rt.method, path, as, a.StatusCode, want, a.body)
			}
			if a.StatusCode == http.StatusUnauthorized && a.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s: 401 without WWW-Authenticate", rt.method, path)
			}
		}
	}
	if len(samples) != len(table) {
		t.Errorf("%d samples for %d routes", len(samples), len(table))
	}
}

func TestEveryRouteTellsOtherMethodsApart(t *testing.T) {
	w := newWorld(t, nil)
	allowed := map[string][]string{}
	for i := range table {
		path := strings.NewReplacer("{name}", "hello", "{version}", "1", "{alias}", "live", "{id}", "x").Replace(table[i].path)
		allowed[path] = append(allowed[path], table[i].method)
		if table[i].method == "GET" {
			allowed[path] = append(allowed[path], "HEAD")
		}
	}
	for path, methods := range allowed {
		slices.Sort(methods)
		for _, method := range []string{"PATCH", "OPTIONS", "DELETE", "PUT", "BREW"} {
			if slices.Contains(methods, method) {
				continue
			}
			a := w.call(call{as: "admin", method: method, path: path})
			if a.StatusCode != http.StatusMethodNotAllowed || a.code() != "METHOD_NOT_ALLOWED" || a.Header.Get("Allow") != strings.Join(methods, ", ") {
				t.Errorf("%s %s: %d %s, Allow %q, want %v", method, path, a.StatusCode, a.code(), a.Header.Get("Allow"), methods)
			}
		}
	}
}

func TestUsersChangeThemselves(t *testing.T) {
	w := sampled(t)
	a := w.do(200, "", "POST", "authentication/login", `{"username":"ada","password":"correct horse battery"}`)
	w.tokens["ada"] = read[wire.LoginResult](t, a).Token
	w.do(200, "admin", "PUT", "users/ada", `{"role":"Viewer"}`)
	w.do(200, "ada", "GET", "users/ada")
	w.do(403, "ada", "GET", "users/viewer")
	w.do(403, "ada", "PUT", "users/ada", `{"role":"Admin"}`)
	w.do(403, "ada", "PUT", "users/ada", `{"password":"another horse battery","oldPassword":"wrong"}`)
	w.do(403, "ada", "PUT", "users/viewer", `{"password":"another horse battery","oldPassword":"wrong"}`)
	w.do(200, "ada", "PUT", "users/ada", `{"password":"another horse battery","oldPassword":"correct horse battery"}`)
	w.do(200, "", "POST", "authentication/login", `{"username":"ada","password":"another horse battery"}`)
	w.do(200, "admin", "PUT", "users/ada", `{"password":"a third horse battery","role":"Admin"}`)
	w.do(401, "ada", "GET", "users/ada")
}

func TestPasswordOfOnesOwnIsChangedAloneOrNotAtAll(t *testing.T) {
	w := sampled(t)
	logIn := func(want int, password string) *answer {
		return w.do(want, "", "POST", "authentication/login", `{"username":"ada","password":"`+password+`"}`)
	}
	w.tokens["ada"] = read[wire.LoginResult](t, logIn(200, "correct horse battery")).Token
	for _, rest := range []string{`"role":"Nobody"`, `"role":"Viewer"`, `"teams":["x"]`} {
		a := w.do(400, "ada", "PUT", "users/ada", `{"password":"another horse battery","oldPassword":"correct horse battery",`+rest+`}`)
		if f := a.fields(); len(f) != 1 || f[0] != "oldPassword" {
			t.Errorf("%s: %v", rest, f)
		}
	}
	logIn(200, "correct horse battery")
	w.do(200, "ada", "PUT", "users/ada", `{"password":"another horse battery","oldPassword":"correct horse battery"}`)
	logIn(200, "another horse battery")
}
