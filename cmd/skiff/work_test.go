package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const module = "\x00asm\x01\x00\x00\x00" // its SHA-256 is in versionJSON

var (
	noFunction = exchange{want: "GET /api/v1/functions/hello", status: 404, reply: `{"error":{"code":"NOT_FOUND","message":"no function \"hello\""}}`}
	isFunction = exchange{want: "GET /api/v1/functions/hello", reply: functionJSON, with: map[string]string{"ETag": `"7"`}}
	noAlias    = exchange{want: "GET /api/v1/functions/hello/aliases/live", status: 404, reply: `{"error":{"code":"NOT_FOUND","message":"no alias"}}`}
	isAlias    = exchange{want: "GET /api/v1/functions/hello/aliases/live", reply: aliasJSON, with: map[string]string{"ETag": `"4"`}}
	published  = exchange{want: "POST /api/v1/functions/hello/versions", mime: "application/wasm", body: module, status: 201, reply: versionJSON}
)

func TestDeploy(t *testing.T) {
	described := published
	described.want += "?description=fix+it"
	for name, tc := range map[string]struct {
		args   []string
		script []exchange
	}{
		"new": {nil, []exchange{
			noFunction,
			{want: "POST /api/v1/functions", body: `{"name":"hello","runtime":"wasm"}`, status: 201, reply: functionJSON},
			published,
		}},
		"again":       {nil, []exchange{isFunction, published}},
		"json":        {[]string{"-o", "json"}, []exchange{isFunction, published}},
		"description": {[]string{"--description", "fix it"}, []exchange{isFunction, described}},
		"configured": {[]string{"--memory", "512MiB", "--env", "C=3", "--handler", "main.handle"}, []exchange{
			isFunction, isFunction,
			{want: "PUT /api/v1/functions/hello", ifMatch: `"7"`, body: `{"handler":"main.handle","memorySize":512,"environment":{"A":"1","B":"2","C":"3"}}`, reply: functionJSON},
			published,
		}},
		"new alias": {[]string{"--alias", "live", "--strategy", "allatonce"}, []exchange{
			isFunction, published, noAlias,
			{want: "POST /api/v1/functions/hello/aliases", body: `{"aliasName":"live","version":3}`, status: 201, reply: aliasJSON},
		}},
		"moved alias": {[]string{"--alias", "live"}, []exchange{
			isFunction, published, isAlias,
			{want: "PUT /api/v1/functions/hello/aliases/live", ifMatch: `"4"`, body: `{"version":3}`, reply: aliasJSON},
		}},
		"alias moved by another": {[]string{"--alias", "live"}, []exchange{
			isFunction, published, isAlias,
			{want: "PUT /api/v1/functions/hello/aliases/live", ifMatch: `"4"`, body: `{"version":3}`, status: 412, reply: `{"error":{"code":"PRECONDITION_FAILED","message":"it was changed meanwhile"}}`},
		}},
		"refused": {nil, []exchange{isFunction, {want: published.want, mime: "application/wasm", body: module, status: 400,
			reply: `{"error":{"code":"INVALID_WASM","message":"publish version: function \"hello\": it has no export _start"}}`}}},
		"refused with its settings": {[]string{"--handler", "main.nope"}, []exchange{
			isFunction,
			{want: "PUT /api/v1/functions/hello", body: `{"handler":"main.nope"}`, reply: functionJSON},
			{want: published.want, mime: "application/wasm", body: module, status: 400, reply: `{"error":{"code":"INVALID_WASM","message":"it has no export nope"}}`},
			isFunction, // and what it was is put back
			{want: "PUT /api/v1/functions/hello", ifMatch: `"7"`, body: "*", reply: functionJSON},
		}},
		"other code": {nil, []exchange{isFunction, {want: published.want, mime: "application/wasm", body: module, status: 201, reply: `{"version":4,"versionString":"v4","codeSha256":"00"}`}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.script...)
			r := w.run(append([]string{"deploy", w.file("hello.wasm", module)}, tc.args...)...)
			w.golden("deploy-"+strings.ReplaceAll(name, " ", "-"), r)
		})
	}
}

func TestDeployDirectory(t *testing.T) {
	w := newWorld(t, noFunction)
	w.file("hello/index.js", "exports.handler = async () => 1")
	w.file("hello/.git/HEAD", "x")
	dir := filepath.Join(w.env["HOME"], "hello")
	r := w.run("deploy", dir)
	if r.code != exitUsage || !strings.Contains(r.err, "--runtime node22") {
		t.Errorf("without a runtime: %+v", r)
	}
	w.script = []exchange{noFunction,
		{want: "POST /api/v1/functions", body: `{"name":"hello","runtime":"node22"}`, status: 201, reply: functionJSON},
		{want: published.want, mime: "application/zip", body: "*", status: 201, reply: `{"version":1,"versionString":"v1","codeSha256":"x"}`},
	}
	w.run("deploy", dir+"/", "--runtime", "node22")
	z, err := zip.NewReader(bytes.NewReader(w.seen), int64(len(w.seen)))
	if err != nil || len(z.File) != 1 || z.File[0].Name != "index.js" {
		t.Errorf("uploaded %d bytes, %v", len(w.seen), err)
	}
}

func TestNamesOfFunctionsFromPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"/a/hello.wasm": "hello", "/a/My Code.ZIP": "My-Code", "/a/api/": "api", "/a/x.y.wasm": "x-y", "/a/_x_": "_x_", "/a/ü": "",
		"/a/" + strings.Repeat("n", 70): strings.Repeat("n", 64), ".": filepath.Base(here), "/a/@scope": "scope",
	} {
		if got := nameFor(in); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestProgressIsForPeople(t *testing.T) {
	w := newWorld(t, isFunction, published, isFunction, published)
	path := w.file("hello.wasm", module)
	if r := w.run("deploy", path); strings.Contains(r.err, "uploading") {
		t.Errorf("in a pipe: %q", r.err)
	}
	w.tty = true
	if r := w.run("deploy", path); !strings.Contains(r.err, "uploading") || strings.Contains(r.out, "uploading") {
		t.Errorf("on a terminal: %q", r.err)
	}
}

// invoked is an invocation by the raw path.
func invoked(payload, query string) exchange {
	return exchange{
		want: "POST /2015-03-31/functions/hello/invocations" + query, mime: "application/json", body: payload,
		header: map[string]string{"X-Amz-Invocation-Type": "RequestResponse", "X-Skiff-Report": "true"},
		reply:  "{\"out\": 1 }",
		with: map[string]string{
			"X-Amz-Executed-Version": "3", "X-Amzn-RequestId": "r-1",
			"X-Skiff-Report": `{"executionTime":1.2345,"billedDuration":2,"memoryUsed":12.34,"wasColdStart":true}`,
		},
	}
}

func TestInvoke(t *testing.T) {
	plain := invoked("{}", "")
	tail := invoked("{}", "?Qualifier=live")
	tail.header = map[string]string{"X-Amz-Log-Type": "Tail"}
	tail.with["X-Amz-Log-Result"] = "bGluZSAxChtbMzFtbGluZSAyCg==" // "line 1\n\x1b[31mline 2\n"
	bare := invoked("{}", "?Qualifier=3")
	delete(bare.with, "X-Skiff-Report")
	failed := invoked("{}", "")
	failed.with["X-Amz-Function-Error"] = "Handled"
	failed.reply = `{"errorMessage":"no such thing","errorType":"KeyError","stackTrace":["at a","at b"]}`
	odd := invoked("{}", "")
	odd.with["X-Amz-Function-Error"] = "Unhandled"
	odd.reply = "crash"
	for name, tc := range map[string]struct {
		args []string
		x    exchange
		code int
	}{
		"plain":      {[]string{"hello", "--data", "{}"}, plain, 0},
		"tail":       {[]string{"hello:live", "--data", "{}", "--tail"}, tail, 0},
		"no report":  {[]string{"hello:v3", "-d", "{}"}, bare, 0},
		"failed":     {[]string{"hello", "--data", "{}"}, failed, 1},
		"failed odd": {[]string{"hello", "--data", "{}"}, odd, 1},
		"refused":    {[]string{"hello", "--data", "{}"}, exchange{want: plain.want, mime: plain.mime, body: "{}", status: 503, reply: `{"error":{"code":"RUNTIME_UNAVAILABLE","message":"invoke function \"hello\": this host has no image for node22"}}`, with: map[string]string{"Retry-After": "30"}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.x)
			r := w.run(append([]string{"invoke"}, tc.args...)...)
			if r.code != tc.code {
				t.Errorf("exit %d", r.code)
			}
			w.golden("invoke-"+strings.ReplaceAll(name, " ", "-"), r)
		})
	}
}

func TestInvokeTakesThePayloadFromWhereItIs(t *testing.T) {
	binary := "\x00\xff raw\n"
	w := newWorld(t, invoked(binary, ""), invoked(binary, ""), invoked("", ""), invoked("", ""))
	file := w.file("event", binary)
	w.in = binary
	for _, args := range [][]string{{"invoke", "hello"}, {"invoke", "hello", "--file", file}, {"invoke", "hello", "--data", ""}} {
		if r := w.run(args...); r.code != 0 || r.out != "{\"out\": 1 }" {
			t.Errorf("%v: got %+v", args, r)
		}
	}
	w.tty = true // nobody waits for what a person might type
	if r := w.run("invoke", "hello"); r.code != 0 || r.out != "{\"out\": 1 }\n" {
		t.Errorf("at a terminal: %+v", r)
	}
}

func TestInvokeAsJSON(t *testing.T) {
	result := `{"statusCode":200,"body":{"a":"<b>"},"executionTime":1.5,"billedDuration":2,"memoryUsed":3,"wasColdStart":false,"requestId":"r","executedVersion":"3","logStreamName":"s"}`
	failed := strings.Replace(result, `"logStreamName":"s"`, `"logStreamName":"s","functionError":"Unhandled"`, 1)
	w := newWorld(t,
		exchange{want: "POST /api/v1/functions/hello/invoke?tail=true", body: `{"payload":"{\"x\": 1}","alias":"live"}`, reply: result},
		exchange{want: "POST /api/v1/functions/hello/invoke", body: `{"payload":"text"}`, reply: failed})
	r := w.run("invoke", "hello:live", "--data", `{"x": 1}`, "--tail", "-o", "json")
	w.golden("invoke-json", r)
	if r := w.run("invoke", "hello", "--data", "text", "-o", "json"); r.code != exitFunction {
		t.Errorf("got %+v", r)
	}
	if r := w.run("invoke", "hello", "--data", "\xff", "-o", "json"); r.code != exitUsage {
		t.Errorf("got %+v", r)
	}
}

func TestPayloadsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.in = strings.Repeat("x", maxPayload+1)
	for _, args := range [][]string{{"invoke", "hello"}, {"invoke", "hello", "--data", w.in}} {
		if r := w.run(args...); r.code != exitUsage || !strings.Contains(r.err, "6.0 MiB") {
			t.Errorf("got %d, %.100s", r.code, r.err)
		}
	}
}

func TestDownload(t *testing.T) {
	sum := sha256.Sum256([]byte(module))
	if !strings.Contains(versionJSON, hex.EncodeToString(sum[:])) {
		t.Fatalf("the SHA-256 of the module is %x", sum)
	}
	version := exchange{want: "GET /api/v1/functions/hello/versions/3", reply: versionJSON}
	code := exchange{want: "GET /api/v1/functions/hello/versions/3/code", reply: module, with: map[string]string{"Content-Type": "application/wasm"}}
	damaged := code
	damaged.reply = "\x00asm"
	w := newWorld(t, version, code, version, code, version, code, version, code, version, damaged)
	t.Chdir(w.env["HOME"])
	get := func(args ...string) result {
		return w.run(append([]string{"version", "download", "hello", "3"}, args...)...)
	}
	if r := get(); r.code != 0 || !strings.HasPrefix(r.out, "hello-v3.wasm") {
		t.Errorf("got %+v", r)
	}
	if r := get(); r.code != exitUsage || !strings.Contains(r.err, "--force") {
		t.Errorf("existing file: %+v", r)
	}
	if r := get("--force"); r.code != 0 {
		t.Errorf("forced: %+v", r)
	}
	if r := get("--file", "-"); r.code != 0 || r.out != module {
		t.Errorf("to standard output: %+v", r)
	}
	if r := get("--file", "other"); r.code != exitPlatform || !strings.Contains(r.err, "SHA-256") {
		t.Errorf("damaged: %+v", r)
	}
	if _, err := os.Stat("other"); !os.IsNotExist(err) {
		t.Errorf("damaged code was kept: %v", err)
	}
}

func TestTimesAreLocalForPeople(t *testing.T) {
	w := newWorld(t, exchange{want: "GET /api/v1/users/ada", reply: userJSON})
	w.tty = true
	want := time.Date(2026, 2, 2, 10, 0, 0, 0, time.UTC).Local().Format("2006-01-02 15:04")
	if r := w.run("user", "get", "ada"); !strings.Contains(r.out, want+"\n") {
		t.Errorf("got %s", r.out)
	}
}
