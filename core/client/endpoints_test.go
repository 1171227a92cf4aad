package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

func ptr[T any](v T) *T { return &v }

// TestEndpoints holds every method to what it sends, and the answer to what it
// returns: a call gives a value of the answer that tells it was read.
func TestEndpoints(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	for name, tc := range map[string]struct {
		x    exchange
		call func(ctx context.Context, c *Client) (any, error)
		want any
	}{
		"login": {
			exchange{want: "POST /api/v1/authentication/login", body: `{"username":"ada","password":"p<w"}`, reply: `{"token":"t"}`},
			func(ctx context.Context, c *Client) (any, error) {
				r, err := c.Login(ctx, "ada", "p<w")
				return r.Token, err
			}, "t",
		},
		"create function": {
			exchange{want: "POST /api/v1/functions", body: `{"name":"hello","runtime":"wasm","memorySize":128}`, status: 201, reply: `{"name":"hello"}`},
			func(ctx context.Context, c *Client) (any, error) {
				f, err := c.CreateFunction(ctx, wire.CreateFunction{Name: "hello", Patch: function.Patch{Runtime: ptr("wasm"), MemoryMB: ptr(128)}})
				return f.Name, err
			}, "hello",
		},
		"list functions": {
			exchange{want: "GET /api/v1/functions?limit=5&offset=10&prefix=h&runtime=wasm&tag=a%3Db", reply: `{"total":7}`},
			func(ctx context.Context, c *Client) (any, error) {
				p, err := c.Functions(ctx, FunctionQuery{Runtime: "wasm", Tag: "a=b", Prefix: "h", Limit: 5, Offset: 10})
				return p.Total, err
			}, 7,
		},
		"get function": {
			exchange{want: "GET /api/v1/functions/hello", reply: `{"name":"hello"}`, with: map[string]string{"ETag": `"3"`}},
			func(ctx context.Context, c *Client) (any, error) {
				f, tag, err := c.Function(ctx, "hello")
				return f.Name + string(tag), err
			}, `hello"3"`,
		},
		"update function": {
			exchange{want: "PUT /api/v1/functions/hello", body: `{"reservedConcurrency":null}`, header: map[string]string{"If-Match": `"3"`}, reply: `{"name":"hello"}`},
			func(ctx context.Context, c *Client) (any, error) {
				f, err := c.UpdateFunction(ctx, "hello", `"3"`, function.Patch{ReservedConcurrency: function.Null[int]()})
				return f.Name, err
			}, "hello",
		},
		"delete function": {
			exchange{want: "DELETE /api/v1/functions/hello", status: 204},
			func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteFunction(ctx, "hello", false) }, nil,
		},
		"delete function at once": {
			exchange{want: "DELETE /api/v1/functions/hello?force=true", status: 204},
			func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteFunction(ctx, "hello", true) }, nil,
		},
		"environment": {
			exchange{want: "PUT /api/v1/functions/hello/environment", body: `{"variables":{}}`, reply: `{"name":"hello"}`},
			func(ctx context.Context, c *Client) (any, error) {
				f, err := c.SetEnvironment(ctx, "hello", nil)
				return f.Name, err
			}, "hello",
		},
		"concurrency": {
			exchange{want: "PUT /api/v1/functions/hello/concurrency", body: `{"reservedConcurrency":4}`, reply: `{"name":"hello"}`},
			func(ctx context.Context, c *Client) (any, error) {
				f, err := c.SetConcurrency(ctx, "hello", wire.PutConcurrency{ReservedConcurrency: function.Some(4)})
				return f.Name, err
			}, "hello",
		},
		"metrics": {
			exchange{want: "GET /api/v1/functions/hello/metrics?window=PT15M", reply: `{"window":"PT15M","metrics":{"invocations":9}}`},
			func(ctx context.Context, c *Client) (any, error) {
				m, err := c.Metrics(ctx, "hello", 15*time.Minute)
				return m.Metrics.Invocations, err
			}, uint64(9),
		},
		"list versions": {
			exchange{want: "GET /api/v1/functions/hello/versions?cursor=c&limit=2", reply: `{"total":3}`},
			func(ctx context.Context, c *Client) (any, error) {
				v, err := c.Versions(ctx, "hello", Page{Limit: 2, Cursor: "c"})
				return v.Total, err
			}, 3,
		},
		"get version": {
			exchange{want: "GET /api/v1/functions/hello/versions/6", reply: `{"version":6}`},
			func(ctx context.Context, c *Client) (any, error) {
				v, err := c.Version(ctx, "hello", 6)
				return v.Version, err
			}, function.Number(6),
		},
		"delete version": {
			exchange{want: "DELETE /api/v1/functions/hello/versions/6", status: 204},
			func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteVersion(ctx, "hello", 6) }, nil,
		},
		"publish JSON": {
			exchange{want: "POST /api/v1/functions/hello/versions", body: `{"code":"AGFzbQ==","environment":{"A":"1"}}`, status: 201, reply: `{"version":2}`},
			func(ctx context.Context, c *Client) (any, error) {
				v, err := c.PublishJSON(ctx, "hello", wire.PublishVersion{Code: "AGFzbQ==", Environment: map[string]string{"A": "1"}})
				return v.Version, err
			}, function.Number(2),
		},
		"create alias": {
			exchange{want: "POST /api/v1/functions/hello/aliases", body: `{"aliasName":"live","routingConfig":{"5":90,"6":10}}`, status: 201, reply: `{"aliasName":"live"}`},
			func(ctx context.Context, c *Client) (any, error) {
				a, err := c.CreateAlias(ctx, "hello", wire.PutAlias{AliasName: "live", RoutingConfig: map[function.Number]int{5: 90, 6: 10}})
				return a.AliasName, err
			}, "live",
		},
		"list aliases": {
			exchange{want: "GET /api/v1/functions/hello/aliases", reply: `{"total":1}`},
			func(ctx context.Context, c *Client) (any, error) {
				a, err := c.Aliases(ctx, "hello", Page{})
				return a.Total, err
			}, 1,
		},
		"get alias": {
			exchange{want: "GET /api/v1/functions/hello/aliases/li%2Fve", reply: `{"routingConfig":{"5":100}}`, with: map[string]string{"ETag": `"8"`}},
			func(ctx context.Context, c *Client) (any, error) {
				a, tag, err := c.Alias(ctx, "hello", "li/ve")
				return a.RoutingConfig[5] + len(tag), err
			}, 103,
		},
		"update alias": {
			exchange{want: "PUT /api/v1/functions/hello/aliases/live", body: `{"version":6}`, header: map[string]string{"If-Match": `"8"`}, reply: `{"version":6}`},
			func(ctx context.Context, c *Client) (any, error) {
				a, err := c.UpdateAlias(ctx, "hello", "live", `"8"`, wire.PutAlias{AliasName: "live", Version: 6})
				return a.Version, err
			}, function.Number(6),
		},
		"delete alias": {
			exchange{want: "DELETE /api/v1/functions/hello/aliases/live", header: map[string]string{"If-Match": `"8"`}, status: 204},
			func(ctx context.Context, c *Client) (any, error) {
				return nil, c.DeleteAlias(ctx, "hello", "live", `"8"`)
			}, nil,
		},
		"create user": {
			exchange{want: "POST /api/v1/users", body: `{"username":"ada","password":"p","role":"Viewer"}`, status: 201, reply: `{"username":"ada"}`},
			func(ctx context.Context, c *Client) (any, error) {
				u, err := c.CreateUser(ctx, wire.CreateUser{Username: "ada", Password: "p", Role: function.RoleViewer})
				return u.Username, err
			}, "ada",
		},
		"list users": {
			exchange{want: "GET /api/v1/users?limit=1", reply: `{"nextCursor":"x"}`},
			func(ctx context.Context, c *Client) (any, error) {
				u, err := c.Users(ctx, Page{Limit: 1})
				return u.NextCursor, err
			}, "x",
		},
		"get user": {
			exchange{want: "GET /api/v1/users/ada", reply: `{"username":"ada"}`},
			func(ctx context.Context, c *Client) (any, error) {
				u, err := c.User(ctx, "ada")
				return u.Username, err
			}, "ada",
		},
		"update user": {
			exchange{want: "PUT /api/v1/users/ada", body: `{"password":"n","oldPassword":"o"}`, reply: `{"username":"ada"}`},
			func(ctx context.Context, c *Client) (any, error) {
				u, err := c.UpdateUser(ctx, "ada", wire.UpdateUser{Password: ptr("n"), OldPassword: "o"})
				return u.Username, err
			}, "ada",
		},
		"delete user": {
			exchange{want: "DELETE /api/v1/users/ada", status: 204},
			func(ctx context.Context, c *Client) (any, error) { return nil, c.DeleteUser(ctx, "ada") }, nil,
		},
		"create token": {
			exchange{want: "POST /api/v1/tokens", body: `{"name":"ci","role":"Viewer","teams":["a"],"ttl":"PT1H"}`, status: 201, reply: `{"token":"t"}`},
			func(ctx context.Context, c *Client) (any, error) {
				k, err := c.CreateToken(ctx, wire.CreateToken{Name: "ci", Role: function.RoleViewer, Teams: []string{"a"}, TTL: ptr(function.Duration(time.Hour))})
				return k.Token, err
			}, "t",
		},
		"list tokens": {
			exchange{want: "GET /api/v1/tokens", reply: `{"tokens":[{"tokenId":"i"}]}`},
			func(ctx context.Context, c *Client) (any, error) {
				k, err := c.Tokens(ctx, Page{})
				return len(k.Tokens), err
			}, 1,
		},
		"revoke token": {
			exchange{want: "DELETE /api/v1/tokens/id-1", status: 204},
			func(ctx context.Context, c *Client) (any, error) { return nil, c.RevokeToken(ctx, "id-1") }, nil,
		},
		"audit": {
			exchange{want: "GET /api/v1/audit?actor=ada&limit=3&since=2026-01-02T02%3A04%3A05Z", reply: `{"entries":[{"id":"1"}]}`},
			func(ctx context.Context, c *Client) (any, error) {
				a, err := c.Audit(ctx, AuditQuery{Since: since, Actor: "ada", Page: Page{Limit: 3}})
				return len(a.Entries), err
			}, 1,
		},
		"ready": {
			exchange{want: "GET /readyz", reply: `{"ready":true}`},
			func(ctx context.Context, c *Client) (any, error) { r, err := c.Ready(ctx); return r.Ready, err }, true,
		},
		"not ready": {
			exchange{want: "GET /readyz", status: 503, reply: `{"components":[{"name":"store","reason":"disk"}]}`, with: map[string]string{"Retry-After": "1"}},
			func(ctx context.Context, c *Client) (any, error) {
				r, err := c.Ready(ctx)
				return r.Components[0].Reason, err
			}, "disk",
		},
		"OpenAPI": {
			exchange{want: "GET /api/v1/openapi.json", reply: `{"openapi":"3.1.0"}`},
			func(ctx context.Context, c *Client) (any, error) { d, err := c.OpenAPI(ctx); return string(d), err }, `{"openapi":"3.1.0"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.call(t.Context(), serve(t, tc.x))
			if err != nil || got != tc.want {
				t.Errorf("got %v, %v; want %v", got, err, tc.want)
			}
		})
	}
}

func TestPublishStreamsAndTellsHowFarItIs(t *testing.T) {
	code := strings.Repeat("x", 300<<10)
	c := serve(t, exchange{
		want: "POST /api/v1/functions/hello/versions?description=a+b", header: map[string]string{"Content-Type": "application/wasm"},
		body: code, status: 201, reply: `{"version":4,"codeSize":307200}`,
	})
	var told []int64
	v, err := c.Publish(t.Context(), "hello", Publication{
		Code: strings.NewReader(code), Size: int64(len(code)), Type: TypeWasm, Description: "a b",
		Progress: func(sent int64) { told = append(told, sent) },
	})
	if err != nil || v.Version != 4 {
		t.Fatalf("got %v, %v", v, err)
	}
	if len(told) < 2 || told[len(told)-1] != int64(len(code)) {
		t.Errorf("told %v", told)
	}
}

func TestCodeIsHandedOverAsItComes(t *testing.T) {
	c := serve(t, exchange{want: "GET /api/v1/functions/hello/versions/2/code", reply: "\x00asm", with: map[string]string{"Content-Type": "application/wasm"}})
	code, err := c.Code(t.Context(), "hello", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer code.Close()
	data, err := io.ReadAll(code)
	if err != nil || string(data) != "\x00asm" || code.Size != 4 || code.Type != TypeWasm {
		t.Errorf("got %q, %d, %s, %v", data, code.Size, code.Type, err)
	}
}

func TestPagesAreReadAsFarAsAskedFor(t *testing.T) {
	first := exchange{want: "GET /api/v1/functions?limit=2", reply: `{"functions":[{"name":"a"},{"name":"b"}],"nextCursor":"b"}`}
	last := exchange{want: "GET /api/v1/functions?cursor=b&limit=2", reply: `{"functions":[{"name":"c"}]}`}
	failed := exchange{want: last.want, status: 500}
	for _, tc := range []struct {
		exchanges []exchange
		stop      string
		want      string
	}{
		{[]exchange{first, last}, "", "abc"},
		{[]exchange{first}, "a", "a"},
		{[]exchange{first, failed}, "", "ab!"},
	} {
		c := serve(t, tc.exchanges...)
		if got := names(t.Context(), c, tc.stop); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

// names reads pages to their end or to the function stop.
func names(ctx context.Context, c *Client, stop string) (got string) {
	for page, err := range c.FunctionPages(ctx, FunctionQuery{Limit: 2}) {
		if err != nil {
			return got + "!"
		}
		for _, f := range page.Functions {
			got += f.Name
			if f.Name == stop {
				return got
			}
		}
	}
	return got
}

func TestInvoke(t *testing.T) {
	result := `{"statusCode":200,"body":{"a": "<"},"executedVersion":"6"}`
	for name, tc := range map[string]struct {
		in   Invocation
		want string
		body string
	}{
		"latest":  {Invocation{Payload: json.RawMessage(`{"x":"<"}`)}, "", `{"payload":{"x":"<"}}`},
		"alias":   {Invocation{Qualifier: function.Qualifier{Alias: "live"}}, "", `{"alias":"live"}`},
		"version": {Invocation{Qualifier: function.Qualifier{Version: 6}, Tail: true}, "?tail=true", `{"version":6}`},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, exchange{want: "POST /api/v1/functions/hello/invoke" + tc.want, body: tc.body, reply: result})
			tc.in.Function = "hello"
			r, err := c.Invoke(t.Context(), tc.in)
			if err != nil || string(r.Body) != `{"a": "<"}` || r.ExecutedVersion != "6" {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

func TestDryRunAnswersNothing(t *testing.T) {
	c := serve(t, exchange{want: "POST /api/v1/functions/hello/invoke", body: `{"invocationType":"DryRun"}`, status: 204})
	if r, err := c.Invoke(t.Context(), Invocation{Function: "hello", DryRun: true}); r != nil || err != nil {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestInvokeRawKeepsBytes(t *testing.T) {
	c := serve(t, exchange{
		want: "POST /2015-03-31/functions/hello/invocations?Qualifier=6", body: "\x00 in",
		header: map[string]string{"X-Amz-Invocation-Type": "RequestResponse", "X-Amz-Log-Type": "Tail", "Content-Type": "application/octet-stream", "X-Skiff-Report": "true"},
		reply:  " {\"out\" : 1}\n\xff",
		with:   map[string]string{"X-Amz-Executed-Version": "6", "X-Amz-Function-Error": "Unhandled", "X-Amzn-RequestId": "r-1", "X-Amz-Log-Result": "bG9n", "X-Skiff-Report": `{"billedDuration":3,"wasColdStart":true}`},
	})
	r, err := c.InvokeRaw(t.Context(), RawInvocation{
		Function: "hello", Qualifier: function.Qualifier{Version: 6}, Payload: []byte("\x00 in"), Type: "application/octet-stream", Tail: true, Report: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Report == nil || r.Report.BilledDuration != 3 || !r.Report.WasColdStart {
		t.Errorf("report %+v", r.Report)
	}
	if !bytes.Equal(r.Body, []byte(" {\"out\" : 1}\n\xff")) || string(r.Log) != "log" || r.ExecutedVersion != "6" || r.FunctionError != "Unhandled" || r.RequestID != "r-1" {
		t.Errorf("got %+v", r)
	}
}

func TestInvokeRawWithoutPayload(t *testing.T) {
	c := serve(t, exchange{want: "POST /2015-03-31/functions/hello/invocations", header: map[string]string{"X-Amz-Log-Type": "", "X-Skiff-Report": ""}, reply: "null"})
	if r, err := c.InvokeRaw(t.Context(), RawInvocation{Function: "hello"}); err != nil || string(r.Body) != "null" || r.Report != nil {
		t.Errorf("got %v, %v", r, err)
	}
	for _, header := range []string{"X-Amz-Log-Result", "X-Skiff-Report"} {
		c = serve(t, exchange{want: "POST /2015-03-31/functions/x/invocations", with: map[string]string{header: "%"}})
		if _, err := c.InvokeRaw(t.Context(), RawInvocation{Function: "x"}); err == nil {
			t.Errorf("a broken %s was taken", header)
		}
	}
}

func TestInvocationsAreNotRepeated(t *testing.T) {
	busy := map[string]string{"Retry-After": "1"}
	c := serve(t,
		exchange{want: "POST /api/v1/functions/f/invoke", body: "{}", status: http.StatusServiceUnavailable, with: busy},
		exchange{want: "POST /2015-03-31/functions/f/invocations", status: http.StatusServiceUnavailable, with: busy})
	c.retries = 3
	_, err := c.Invoke(t.Context(), Invocation{Function: "f"})
	_, errRaw := c.InvokeRaw(t.Context(), RawInvocation{Function: "f"})
	if !HasStatus(err, http.StatusServiceUnavailable) || !HasStatus(errRaw, http.StatusServiceUnavailable) {
		t.Errorf("got %v, %v", err, errRaw)
	}
}
