package main

import (
	"context"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestHelp(t *testing.T) {
	version = "v1.2.3"
	t.Cleanup(func() { version = "" })
	for name, args := range map[string][]string{
		"root": nil, "root-flag": {"--help"}, "deploy": {"help", "deploy"}, "alias": {"help", "alias"}, "alias-update": {"alias", "update", "-h"},
		"invoke": {"invoke", "--help"}, "function-update": {"function", "update", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.golden("help-"+name, w.run(args...))
		})
	}
	w := newWorld(t)
	if r := w.run("--version"); r.out != "skiff v1.2.3 "+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH+"\n" || r.code != 0 {
		t.Errorf("got %+v", r)
	}
}

// TestEveryCommandIsExplained walks the tree: a short text, an example that
// begins with the command, and names for the values of flags.
func TestEveryCommandIsExplained(t *testing.T) {
	root := newRootCommand(newApp(streams{strings.NewReader(""), io.Discard, io.Discard}, os.Getenv))
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
		if !c.HasSubCommands() && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: example %q", c.CommandPath(), c.Example)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 81 {
				t.Errorf("%s: line is too long: %s", c.CommandPath(), line)
			}
		}
		if usage := c.Flags().FlagUsages(); strings.Contains(usage, " string ") || strings.Contains(usage, " int ") {
			t.Errorf("%s: flags without a name for their value:\n%s", c.CommandPath(), usage)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// TestWrongUsage sends nothing, ends with 2 and says what may have been meant.
func TestWrongUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"unknown-command":        {"functoin"},
		"unknown-verb":           {"alias", "upate", "a", "b"},
		"no-verb":                {"token"},
		"unknown-flag":           {"deploy", ".", "--fuction", "x"},
		"unknown-short-flag":     {"deploy", "-z"},
		"flag-without-value":     {"invoke", "hello", "--data"},
		"missing-argument":       {"version", "get", "hello"},
		"too-many-arguments":     {"logout", "now"},
		"wrong-number":           {"function", "create", "x", "--memory", "much"},
		"wrong-duration":         {"metrics", "x", "--window", "soon"},
		"wrong-choice":           {"token", "create", "--role", "Viewr"},
		"wrong-pair":             {"function", "create", "x", "--env", "A"},
		"wrong-output":           {"user", "list", "-o", "yaml"},
		"wrong-routing-sum":      {"alias", "create", "a", "b", "--routing", "5=80,6=10"},
		"wrong-routing":          {"alias", "create", "a", "b", "--routing", "live=100"},
		"wrong-routing-twice":    {"alias", "create", "a", "b", "--routing", "5=80,v5=20"},
		"wrong-version":          {"version", "delete", "a", "live"},
		"wrong-reference":        {"invoke", "a b"},
		"wrong-since":            {"audit", "--since", "yesterday"},
		"wrong-limit":            {"function", "list", "--limit", "-1"},
		"wrong-server":           {"function", "list", "--server", "ftp://x"},
		"wrong-timeout":          {"function", "create", "x", "--timeout", "1500ms"},
		"wrong-bool":             {"function", "create", "x", "--keep-warm=perhaps"},
		"wrong-reserved":         {"function", "create", "x", "--reserved-concurrency", "some"},
		"alias-without-version":  {"alias", "create", "a", "b"},
		"alias-without-change":   {"alias", "update", "a", "b"},
		"update-without-change":  {"function", "update", "a"},
		"user-without-role":      {"user", "create", "ada"},
		"user-without-change":    {"user", "update", "ada"},
		"user-without-password":  {"user", "create", "ada", "--role", "Viewer"},
		"unknown-shell":          {"completion", "fsh"},
		"unknown-help":           {"help", "deplyo"},
		"two-payloads":           {"invoke", "a", "--data", "x", "--file", "y"},
		"payload-file-missing":   {"invoke", "a", "--file", "/nowhere/x"},
		"login-without-terminal": {"login"},
		"deploy-missing-path":    {"deploy", "/nowhere/x.wasm"},
		"deploy-strategy":        {"deploy", ".", "--strategy", "Canary"},
		"deploy-bad-name":        {"deploy", ".", "--function", "a b"},
		"deploy-bad-alias":       {"deploy", ".", "--function", "a", "--alias", "v3"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.run(args...)
			if r.code != exitUsage || r.out != "" {
				t.Errorf("exit %d, out %q", r.code, r.out)
			}
			w.golden("usage-"+name, r)
		})
	}
}

func TestRefusalsOfTheAppliance(t *testing.T) {
	refusal := func(status int, code, rest string) exchange {
		return exchange{want: "GET /api/v1/functions/hello", status: status, reply: `{"error":{"code":"` + code + `","message":"read function \"hello\"",` + rest + `"traceId":"abc","timestamp":"2026-03-01T12:00:00Z"}}`}
	}
	busy := refusal(429, "RATE_LIMIT_EXCEEDED", "")
	busy.with = map[string]string{"Retry-After": "90"}
	for name, x := range map[string]exchange{
		"details":       refusal(400, "VALIDATION_ERROR", `"details":[{"field":"name","message":"must be shorter"},{"field":"timeout","message":"must be\u001b[2J less"}],`),
		"unauthorized":  refusal(401, "UNAUTHORIZED", ""),
		"forbidden":     refusal(403, "FORBIDDEN", ""),
		"not-found":     refusal(404, "NOT_FOUND", ""),
		"changed":       refusal(412, "PRECONDITION_FAILED", ""),
		"busy":          busy,
		"internal":      refusal(500, "INTERNAL_ERROR", ""),
		"somebody-else": {want: "GET /api/v1/functions/hello", status: 502, reply: "<html>bad gateway</html>"},
		"not-json":      {want: "GET /api/v1/functions/hello", reply: "<html>welcome</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, x)
			r := w.run("function", "get", "hello")
			if r.code != exitPlatform || r.out != "" {
				t.Errorf("exit %d, out %q", r.code, r.out)
			}
			w.golden("refused-"+name, r)
		})
	}
}

func TestAnApplianceThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.server.Close()
	w.golden("unreachable", w.run("function", "list"))
}

func TestInterruption(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := w.runContext(ctx, "function", "list"); r.code != exitPlatform || r.err != "error: interrupted\n" {
		t.Errorf("got %+v", r)
	}
}

func TestColoursAreForPeopleWhoWantThem(t *testing.T) {
	for name, tc := range map[string]struct {
		tty  bool
		env  map[string]string
		want string
	}{
		"terminal": {true, nil, "\x1b[31;1merror:\x1b[0m "},
		"pipe":     {false, nil, "error: "},
		"NO_COLOR": {true, map[string]string{"NO_COLOR": "1"}, "error: "},
		"dumb":     {true, map[string]string{"TERM": "dumb"}, "error: "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tty = tc.tty
			for k, v := range tc.env {
				w.env[k] = v
			}
			if r := w.run("nope"); !strings.HasPrefix(r.err, tc.want) {
				t.Errorf("got %q", r.err)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	words := []string{"create", "delete", "get", "list", "update"}
	for in, want := range map[string]string{"craete": "create", "delet": "delete", "LIST": "list", "lst": "list", "xyzzy": "", "upadte": "update", "": ""} {
		if got := nearest(in, words); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestRunIsWhatMainCalls(t *testing.T) {
	var out, errs strings.Builder
	code := run(t.Context(), []string{"completion", "bash"}, streams{strings.NewReader(""), &out, &errs}, func(string) string { return "" })
	if code != 0 || !strings.Contains(out.String(), "__start_skiff") || errs.Len() > 0 {
		t.Errorf("exit %d, %s", code, errs.String())
	}
	for _, shell := range []string{"zsh", "fish", "powershell"} {
		out.Reset()
		if code := run(t.Context(), []string{"completion", shell}, streams{strings.NewReader(""), &out, &errs}, os.Getenv); code != 0 || out.Len() < 1000 {
			t.Errorf("%s: exit %d, %d bytes", shell, code, out.Len())
		}
	}
}

func TestCompletion(t *testing.T) {
	list := exchange{want: "GET /api/v1/functions?limit=100&prefix=he", reply: `{"functions":[{"name":"hello","description":"says\nhello"},{"name":"help"}]}`}
	aliases := exchange{want: "GET /api/v1/functions/hello/aliases", reply: `{"aliases":[` + aliasJSON + `]}`}
	versions := exchange{want: "GET /api/v1/functions/hello/versions", reply: `{"versions":[` + versionJSON + `]}`}
	for name, tc := range map[string]struct {
		args   []string
		script []exchange
		want   string
	}{
		"functions":         {[]string{"function", "get", "he"}, []exchange{list}, "hello\tsays hello\nhelp\n:4\n"},
		"nothing more":      {[]string{"function", "get", "hello", ""}, nil, ":4\n"},
		"references":        {[]string{"invoke", "hello:"}, []exchange{aliases, versions}, "hello:live\tv3\nhello:3\tfix\n:4\n"},
		"aliases":           {[]string{"alias", "delete", "hello", "l"}, []exchange{aliases}, "live\tv3\n:4\n"},
		"versions":          {[]string{"version", "get", "hello", ""}, []exchange{versions}, "3\tfix\n:4\n"},
		"versions of flags": {[]string{"alias", "update", "hello", "live", "--version", ""}, []exchange{versions}, "3\tfix\n:4\n"},
		"formats":           {[]string{"user", "list", "-o", ""}, nil, "table\njson\n:4\n"},
		"roles":             {[]string{"token", "create", "--role", ""}, nil, "Admin\nDeveloper\nOperator\nViewer\n:4\n"},
		"files":             {[]string{"deploy", ""}, nil, ":0\n"},
		"shells":            {[]string{"completion", "b"}, nil, "bash\n:4\n"},
		"help":              {[]string{"help", "alias", ""}, nil, "create\tCreate an alias\ndelete\tDelete an alias; its versions stay\nget\tShow an alias and its ETag\nlist\tList the aliases of a function\nupdate\tPoint an alias elsewhere\n:4\n"},
		"refused":           {[]string{"function", "get", "he"}, []exchange{{want: list.want, status: 401}}, ":4\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.script...)
			if r := w.run(append([]string{"__complete"}, tc.args...)...); r.out != tc.want {
				t.Errorf("got\n%swant\n%s", r.out, tc.want)
			}
		})
	}
}
