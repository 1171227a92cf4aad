package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/configs"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "skiff.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func env(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

func TestSourcesOverrideEachOther(t *testing.T) {
	file := write(t, "listen: 127.0.0.1:1\ndataDir: /file\nrateLimits:\n  reads: 1\n  writes: 2\nmemory: {budget: 1GiB}\ntls:\n")
	c, err := Load(Sources{
		File: file,
		Env:  env(map[string]string{"SKIFF_LISTEN": "127.0.0.1:2", "SKIFF_RATE_LIMITS_READS": "3", "SKIFF_AUTH_TOKEN_TTL": "PT1H"}),
		Set:  func(c *Config) error { c.Listen = "127.0.0.1:3"; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen, want.DataDir, want.Memory.Budget = "127.0.0.1:3", "/file", 1<<30
	want.RateLimits.Reads, want.RateLimits.Writes = 3, 2
	want.Auth.TokenTTL = function.Duration(time.Hour)
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
}

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	file := write(t, "lisen: x\nrateLimits:\n  read: 5\n  writes: many\nlog: text\ntls: {certFile: a}\ninvoke:\n  concurrency: [1]\n")
	_, err := Load(Sources{File: file, Env: env(map[string]string{"SKIFF_MEMORY_BUDGET": "1MiB", "SKIFF_INVOKE_QUEUE_TIMEOUT": "soon"})})
	f := fault.Of(err)
	got := map[string]string{}
	for _, d := range f.Details {
		got[d.Field] = d.Message
	}
	for field, part := range map[string]string{
		"lisen": "did you mean listen?", "rateLimits.read": "did you mean rateLimits.reads?", "rateLimits.writes": "whole number",
		"log": "must be a group", "tls": "both", "invoke.concurrency": "single value", "memory.budget": "64MiB", "SKIFF_INVOKE_QUEUE_TIMEOUT": "ISO 8601",
	} {
		if !strings.Contains(got[field], part) {
			t.Errorf("%s: %q, want %q in it", field, got[field], part)
		}
	}
	if f.Class != fault.Invalid || len(got) != 8 || !strings.Contains(got["lisen"], "skiff.yaml:1") {
		t.Errorf("%v %+v", f.Class, f.Details)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	for name, path := range map[string]string{
		"missing": filepath.Join(t.TempDir(), "none.yaml"), "no YAML": write(t, "a: [b"), "a list": write(t, "- a"),
	} {
		if _, err := Load(Sources{File: path}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c, err := Load(Sources{File: write(t, "# nothing\n")}); err != nil || !reflect.DeepEqual(*c, Default()) {
		t.Errorf("an empty file: %+v, %v", c, err)
	}
}

func TestDevStaysOnLoopback(t *testing.T) {
	for listen, ok := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:8080": true, "localhost:1": true,
		"0.0.0.0:8080": false, ":8080": false, "192.0.2.1:8080": false, "skiff.example:80": false,
	} {
		_, err := Load(Sources{Set: func(c *Config) error { c.Dev, c.Listen = true, listen; return nil }})
		if (err == nil) != ok {
			t.Errorf("%s: %v", listen, err)
		}
		if _, err := Load(Sources{Set: func(c *Config) error { c.Listen = listen; return nil }}); err != nil {
			t.Errorf("%s outside --dev: %v", listen, err)
		}
	}
}

func TestBytes(t *testing.T) {
	for in, want := range map[string]Bytes{"0": 0, "1024": 1024, "64MiB": 64 << 20, "1.5 GiB": 3 << 29, "2GB": 2e9, "5kB": 5000, "7B": 7} {
		if got, err := ParseBytes(in); err != nil || got != want {
			t.Errorf("%q: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "1XB", "9999999TiB", "NaN"} {
		if got, err := ParseBytes(in); err == nil {
			t.Errorf("%q: %d", in, got)
		}
	}
	for in, want := range map[Bytes]string{0: "0B", 1 << 30: "1GiB", 1536 << 20: "1536MiB", 1000: "1000B"} {
		if got := in.String(); got != want {
			t.Errorf("%d: %q", in, got)
		}
	}
}

func TestNamesOfEnvironmentVariables(t *testing.T) {
	for path, want := range map[string]string{
		"listen": "SKIFF_LISTEN", "dataDir": "SKIFF_DATA_DIR", "auth.tokenTTL": "SKIFF_AUTH_TOKEN_TTL", "rateLimits.invokeFunction": "SKIFF_RATE_LIMITS_INVOKE_FUNCTION",
	} {
		if got := EnvName(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// The shipped file must name every setting, with its default.
func TestShippedFileShowsTheDefaults(t *testing.T) {
	var lines []string
	for line := range strings.Lines(string(configs.Settings)) {
		if setting := regexp.MustCompile(`^#( *[A-Za-z]+:.*\n)`).FindStringSubmatch(line); setting != nil {
			lines = append(lines, setting[1])
		}
	}
	text := strings.Join(lines, "")
	c, err := Load(Sources{File: write(t, text)})
	if err != nil || !reflect.DeepEqual(*c, Default()) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, s := range settings(reflect.ValueOf(&Config{}).Elem(), "") {
		name := s.path[strings.LastIndexByte(s.path, '.')+1:]
		if !regexp.MustCompile(`(?m)^ *` + name + `:`).MatchString(text) {
			t.Errorf("the file lacks %s", s.path)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("listen: a:1\ntls: {certFile: x}\n")
	f.Add("a: &b [*b]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load(Sources{File: write(t, text)})
		if err == nil && c == nil || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%v, %v", c, err)
		}
	})
}

func TestSettingsGivenTwiceAreRefusedWithTheirPlace(t *testing.T) {
	file := write(t, "listen: 127.0.0.1:1\nlog:\n  level: info\n  level: debug\nlisten: 127.0.0.1:2\nlog: {format: json}\n")
	_, err := Load(Sources{File: file})
	var got []string
	if err != nil {
		for _, d := range fault.Of(err).Details {
			got = append(got, d.Field+" "+d.Message[:strings.Index(d.Message, " (")]+d.Message[strings.LastIndex(d.Message, ":"):])
		}
	}
	want := []string{"log.level is given twice:4)", "listen is given twice:5)", "log is given twice:6)"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q: %v", got, want, err)
	}
}
