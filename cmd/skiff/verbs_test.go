package main

import "testing"

// The shapes of the contract, as an appliance answers them.
const (
	functionJSON = `{"name":"hello","description":"says hello","runtime":"wasm","handler":"main._start","memorySize":256,"timeout":30,` +
		`"environment":{"B":"2","A":"1"},"tags":{"area":"web"},"team":"default","allowedRoles":[],"network":"none","isolation":"request",` +
		`"instanceConcurrency":1,"reservedConcurrency":5,"scaling":{"minInstances":0,"maxInstances":100,"targetConcurrency":10,` +
		`"scaleUpCooldown":"PT30S","scaleDownCooldown":"PT5M","preProvisionedConcurrency":0,"keepWarmEnabled":false,"keepWarmInterval":"PT5M"},` +
		`"retry":{"maxAttempts":3,"minDelay":"PT1S","maxDelay":"PT5M","maxAge":"PT6H"},"deadLetter":{},"publishedVersion":3,"ownerId":"ada",` +
		`"createdAt":"2026-02-01T10:00:00Z","updatedAt":"2026-02-02T10:00:00Z","totalInvocations":42,"lastInvokedAt":null}`
	versionJSON = `{"functionName":"hello","version":3,"versionString":"v3","codeSha256":"93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476",` +
		`"codeSize":8,"codeLocation":"/api/v1/functions/hello/versions/3/code","runtime":"wasm","handler":"main._start","memorySize":256,"timeout":30,` +
		`"environment":{"A":"1"},"description":"fix","status":"Active","invocationCount":7,"createdAt":"2026-02-02T10:00:00Z","createdBy":"ada"}`
	aliasJSON = `{"functionName":"hello","aliasName":"live","version":3,"description":"","createdAt":"2026-02-02T10:00:00Z","updatedAt":"2026-02-03T10:00:00Z"}`
	splitJSON = `{"functionName":"hello","aliasName":"beta","version":3,"routingConfig":{"10":10,"9":90},"description":"try\u001b[31m\nout","createdAt":"2026-02-02T10:00:00Z","updatedAt":"2026-02-03T10:00:00Z"}`
	userJSON  = `{"username":"ada","role":"Admin","teams":["default","web"],"createdAt":"2026-02-02T10:00:00Z","updatedAt":"2026-02-03T10:00:00Z"}`
	tokenJSON = `{"tokenId":"t-1","name":"ci","user":"ada","token":"eyJ.x.y","role":"Viewer","teams":["default"],"createdAt":"2026-02-02T10:00:00Z","expiresAt":"2026-02-03T10:00:00Z"}`
	oldToken  = `{"tokenId":"t-2","user":"ada","role":"Admin","teams":["default"],"createdAt":"2026-02-02T10:00:00Z","expiresAt":null,"revokedAt":"2026-02-03T10:00:00Z"}`
)

// TestVerbs holds what commands send to the contract, and what they print to
// testdata/verb-NAME.golden.
func TestVerbs(t *testing.T) {
	for name, tc := range map[string]struct {
		args   []string
		script []exchange
	}{
		"function-create": {
			[]string{"function", "create", "hello", "--runtime", "wasm", "--memory", "1G", "--timeout", "2m", "--env", "A=1", "--env", "B=x=y", "--tag", "area=web",
				"--allow-role", "viewer,Admin", "--reserved-concurrency", "5", "--max-instances", "9", "--keep-warm", "--retry-max-age", "1h", "--isolation", "instance"},
			[]exchange{{want: "POST /api/v1/functions", status: 201, reply: functionJSON,
				body: `{"name":"hello","tags":{"area":"web"},"allowedRoles":["Viewer","Admin"],"runtime":"wasm","memorySize":1024,"timeout":120,` +
					`"environment":{"A":"1","B":"x=y"},"isolation":"instance","reservedConcurrency":5,` +
					`"scaling":{"maxInstances":9,"keepWarmEnabled":true},"retry":{"maxAge":"PT1H"}}`}},
		},
		"function-list": {
			[]string{"function", "list", "--runtime", "wasm", "--tag", "area=web", "--prefix", "h"},
			[]exchange{
				{want: "GET /api/v1/functions?limit=100&prefix=h&runtime=wasm&tag=area%3Dweb", reply: `{"functions":[` + functionJSON + `],"total":2,"limit":100,"offset":0,"nextCursor":"hello"}`},
				{want: "GET /api/v1/functions?cursor=hello&limit=100&prefix=h&runtime=wasm&tag=area%3Dweb", reply: `{"functions":[{"name":"new","runtime":"node22","memorySize":128,"timeout":5,"team":"web"}],"total":2}`},
			},
		},
		"function-list-limited": {
			[]string{"function", "list", "--limit", "1", "-o", "json"},
			[]exchange{{want: "GET /api/v1/functions?limit=1", reply: `{"functions":[{"name":"a"}],"total":9,"limit":1,"offset":0,"nextCursor":"a"}`}},
		},
		"function-list-none": {[]string{"function", "list"}, []exchange{{want: "GET /api/v1/functions?limit=100", reply: `{"functions":[],"total":0}`}}},
		"function-get": {
			[]string{"function", "get", "hello"},
			[]exchange{{want: "GET /api/v1/functions/hello", reply: functionJSON, with: map[string]string{"ETag": `"7"`}}},
		},
		"function-get-json": {[]string{"function", "get", "hello", "-o", "json"}, []exchange{{want: "GET /api/v1/functions/hello", reply: functionJSON}}},
		"function-update": {
			[]string{"function", "update", "hello", "--memory", "512", "--reserved-concurrency", "none", "--if-match", "7"},
			[]exchange{{want: "PUT /api/v1/functions/hello", ifMatch: `"7"`, body: `{"memorySize":512,"reservedConcurrency":null}`, reply: functionJSON}},
		},
		"function-update-merged": {
			[]string{"function", "update", "hello", "--env", "C=3", "--unset-env", "A", "--unset-tag", "area"},
			[]exchange{
				{want: "GET /api/v1/functions/hello", reply: functionJSON, with: map[string]string{"ETag": `"7"`}},
				{want: "PUT /api/v1/functions/hello", ifMatch: `"7"`, body: `{"tags":{},"environment":{"B":"2","C":"3"}}`, reply: functionJSON},
			},
		},
		"function-delete":       {[]string{"function", "delete", "hello"}, []exchange{{want: "DELETE /api/v1/functions/hello", status: 204}}},
		"function-delete-force": {[]string{"function", "delete", "hello", "--force"}, []exchange{{want: "DELETE /api/v1/functions/hello?force=true", status: 204}}},

		"version-list": {
			[]string{"version", "list", "hello"},
			[]exchange{
				{want: "GET /api/v1/functions/hello/versions", reply: `{"functionName":"hello","versions":[` + versionJSON + `],"total":2,"nextCursor":"3"}`},
				{want: "GET /api/v1/functions/hello/versions?cursor=3", reply: `{"functionName":"hello","versions":[{"version":2,"versionString":"v2","codeSize":5242880}],"total":2}`},
			},
		},
		"version-get":    {[]string{"version", "get", "hello", "v3"}, []exchange{{want: "GET /api/v1/functions/hello/versions/3", reply: versionJSON}}},
		"version-delete": {[]string{"version", "delete", "hello", "3"}, []exchange{{want: "DELETE /api/v1/functions/hello/versions/3", status: 204}}},

		"alias-create": {
			[]string{"alias", "create", "hello", "beta", "--routing", "9=90,v10=10%", "--description", "try"},
			[]exchange{{want: "POST /api/v1/functions/hello/aliases", body: `{"aliasName":"beta","routingConfig":{"10":10,"9":90},"description":"try"}`, status: 201, reply: splitJSON}},
		},
		"alias-list": {
			[]string{"alias", "list", "hello"},
			[]exchange{{want: "GET /api/v1/functions/hello/aliases", reply: `{"functionName":"hello","aliases":[` + splitJSON + `,` + aliasJSON + `],"total":2}`}},
		},
		"alias-get": {
			[]string{"alias", "get", "hello", "live"},
			[]exchange{{want: "GET /api/v1/functions/hello/aliases/live", reply: aliasJSON, with: map[string]string{"ETag": `"7"`}}},
		},
		"alias-update": {
			[]string{"alias", "update", "hello", "live", "--version", "v3", "--if-match", `"7"`},
			[]exchange{{want: "PUT /api/v1/functions/hello/aliases/live", ifMatch: `"7"`, body: `{"version":3}`, reply: aliasJSON}},
		},
		"alias-update-description": {
			[]string{"alias", "update", "hello", "beta", "--description", ""},
			[]exchange{
				{want: "GET /api/v1/functions/hello/aliases/beta", reply: splitJSON, with: map[string]string{"ETag": `"8"`}},
				{want: "PUT /api/v1/functions/hello/aliases/beta", ifMatch: `"8"`, body: `{"version":3,"routingConfig":{"10":10,"9":90},"description":""}`, reply: splitJSON},
			},
		},
		"alias-delete": {
			[]string{"alias", "delete", "hello", "live", "--if-match", "7"},
			[]exchange{{want: "DELETE /api/v1/functions/hello/aliases/live", ifMatch: `"7"`, status: 204}},
		},

		"token-create": {
			[]string{"token", "create", "--role", "viewer", "--team", "a,b", "--ttl", "24h", "--name", "ci"},
			[]exchange{{want: "POST /api/v1/tokens", body: `{"name":"ci","role":"Viewer","teams":["a","b"],"ttl":"P1D"}`, status: 201, reply: tokenJSON}},
		},
		"token-create-json": {[]string{"token", "create", "-o", "json"}, []exchange{{want: "POST /api/v1/tokens", body: `{}`, status: 201, reply: tokenJSON}}},
		"token-list": {
			[]string{"token", "list"},
			[]exchange{
				{want: "GET /api/v1/tokens", reply: `{"tokens":[` + oldToken + `],"nextCursor":"t-2"}`},
				{want: "GET /api/v1/tokens?cursor=t-2", reply: `{"tokens":[` + tokenJSON + `]}`},
			},
		},
		"token-revoke": {[]string{"token", "revoke", "t-1"}, []exchange{{want: "DELETE /api/v1/tokens/t-1", status: 204}}},

		"user-list":   {[]string{"user", "list"}, []exchange{{want: "GET /api/v1/users", reply: `{"users":[` + userJSON + `]}`}}},
		"user-get":    {[]string{"user", "get", "ada"}, []exchange{{want: "GET /api/v1/users/ada", reply: userJSON}}},
		"user-update": {[]string{"user", "update", "ada", "--role", "admin", "--team", "default", "--team", "web"}, []exchange{{want: "PUT /api/v1/users/ada", body: `{"role":"Admin","teams":["default","web"]}`, reply: userJSON}}},
		"user-delete": {[]string{"user", "delete", "ada"}, []exchange{{want: "DELETE /api/v1/users/ada", status: 204}}},

		"metrics": {
			[]string{"metrics", "hello", "--window", "15m"},
			[]exchange{{want: "GET /api/v1/functions/hello/metrics?window=PT15M", reply: `{"functionName":"hello","window":"PT15M","timestamp":"2026-03-01T12:00:00Z","metrics":{"invocations":1000,"errors":5,"errorRate":0.005,` +
				`"coldStarts":2,"throttles":1,"avgDuration":1.2345,"p50Duration":0.9,"p95Duration":12.34,"p99Duration":1234.5,"avgMemoryUsed":12.3,"maxMemoryUsed":20}}`}},
		},
		"audit": {
			[]string{"audit", "--since", "24h", "--actor", "ada", "--limit", "2"},
			[]exchange{
				{want: "GET /api/v1/audit?actor=ada&limit=2&since=2026-02-28T12%3A00%3A00Z", reply: `{"entries":[{"id":"2","timestamp":"2026-03-01T11:00:00Z","actor":"ada","action":"version.publish","target":"function/hello","result":"ok","remote":"127.0.0.1","details":{"version":"v3","codeSha256":"93a4"}}],"nextCursor":"2"}`},
				{want: "GET /api/v1/audit?actor=ada&cursor=2&limit=1&since=2026-02-28T12%3A00%3A00Z", reply: `{"entries":[{"id":"1","timestamp":"2026-03-01T10:00:00Z","actor":"ada","action":"login","target":"user/ada","result":"denied"}],"nextCursor":"1"}`},
			},
		},
		"audit-all": {[]string{"audit", "--limit", "0", "-o", "json"}, []exchange{{want: "GET /api/v1/audit?limit=500", reply: `{"entries":[]}`}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.script...)
			r := w.run(tc.args...)
			w.golden("verb-"+name, r)
		})
	}
}
