package main

import (
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

func TestParseMegabytes(t *testing.T) {
	for in, want := range map[string]int{"256": 256, "256MB": 256, "256 MiB": 256, "512m": 512, "1G": 1024, "2gib": 2048, " 64 ": 64, "0": 0} {
		if got, err := parseMegabytes(in); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "much", "-1", "1.5G", "1T", "99999999999", "G"} {
		if got, err := parseMegabytes(in); err == nil {
			t.Errorf("%q: got %d", in, got)
		}
	}
}

func TestParseSeconds(t *testing.T) {
	for in, want := range map[string]int{"30": 30, "2m": 120, "PT1M": 60, "1h": 3600, "-5": -5} { // the server has the limits
		if got, err := parseSeconds(in); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "1.5", "1500ms", "soon"} {
		if got, err := parseSeconds(in); err == nil {
			t.Errorf("%q: got %d", in, got)
		}
	}
}

func TestParseRouting(t *testing.T) {
	for in, want := range map[string]map[function.Number]int{
		"5=100": {5: 100}, "5=90,6=10": {5: 90, 6: 10}, "v5=90%, v6=10%": {5: 90, 6: 10}, "1=0,2=100": {1: 0, 2: 100},
	} {
		if got, err := parseRouting(in); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"": "such as 5=90,6=10", "5": "such as", "live=100": "such as", "5=x": "such as", "5=-10,6=110": "such as", "0=100": "such as",
		"5=90": "not 90", "5=60,6=60": "not 120", "5=50,v5=50": "version 5 twice", "5=90,": "such as",
	} {
		if got, err := parseRouting(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
}

func FuzzParseRouting(f *testing.F) {
	f.Add("5=90,v6=10%")
	f.Fuzz(func(t *testing.T, s string) {
		shares, err := parseRouting(s)
		sum := 0
		for n, share := range shares {
			if sum += share; n == 0 || share < 0 {
				t.Errorf("%q: version %d has %d", s, n, share)
			}
		}
		if err == nil && sum != 100 {
			t.Errorf("%q: the sum is %d", s, sum)
		}
	})
}

func TestChoicesKnowTheirWordsInAnyCase(t *testing.T) {
	parse := choice(function.Roles()...)
	for in, want := range map[string]function.Role{"admin": "Admin", "VIEWER": "Viewer", "Operator": "Operator"} {
		if got, err := parse(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{"Develper": "did you mean Developer?", "root": "must be Admin, Developer, Operator or Viewer"} {
		if _, err := parse(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", in, err)
		}
	}
}

// parsed returns the flags of function update after reading a command line.
func parsed(t *testing.T, args ...string) *functionFlags {
	t.Helper()
	cmd := &cobra.Command{Use: "x"}
	f := new(functionFlags)
	f.bindAll(cmd)
	f.bindUnset(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if f.given(cmd) != (len(args) > 0) {
		t.Errorf("%v: given is %v", args, f.given(cmd))
	}
	return f
}

// TestEveryFunctionFlagReachesThePatch sets each flag alone: only what it
// names may be sent.
func TestEveryFunctionFlagReachesThePatch(t *testing.T) {
	seen := map[string]bool{}
	for args, want := range map[string]string{
		"--runtime=node22": `{"runtime":"node22"}`, "--handler=a.b": `{"handler":"a.b"}`, "--memory=1G": `{"memorySize":1024}`,
		"--timeout=2m": `{"timeout":120}`, "--env=A=x=y": `{"environment":{"A":"x=y","OLD":"1"}}`, "--description=": `{"description":""}`,
		"--tag=a=b": `{"tags":{"a":"b","old":"1"}}`, "--team=web": `{"team":"web"}`, "--allow-role=admin,viewer": `{"allowedRoles":["Admin","Viewer"]}`,
		"--allow-role=none": `{"allowedRoles":[]}`,
		"--network=egress":  `{"network":"egress"}`, "--isolation=instance": `{"isolation":"instance"}`, "--instance-concurrency=4": `{"instanceConcurrency":4}`,
		"--reserved-concurrency=5": `{"reservedConcurrency":5}`, "--reserved-concurrency=None": `{"reservedConcurrency":null}`,
		"--min-instances=1": `{"scaling":{"minInstances":1}}`, "--max-instances=2": `{"scaling":{"maxInstances":2}}`,
		"--target-concurrency=3": `{"scaling":{"targetConcurrency":3}}`, "--scale-up-cooldown=10s": `{"scaling":{"scaleUpCooldown":"PT10S"}}`,
		"--scale-down-cooldown=1m": `{"scaling":{"scaleDownCooldown":"PT1M"}}`, "--pre-provisioned=2": `{"scaling":{"preProvisionedConcurrency":2}}`,
		"--keep-warm": `{"scaling":{"keepWarmEnabled":true}}`, "--keep-warm=false": `{"scaling":{"keepWarmEnabled":false}}`,
		"--keep-warm-interval=5m": `{"scaling":{"keepWarmInterval":"PT5M"}}`, "--retry-attempts=2": `{"retry":{"maxAttempts":2}}`,
		"--retry-min-delay=1s": `{"retry":{"minDelay":"PT1S"}}`, "--retry-max-delay=1m": `{"retry":{"maxDelay":"PT1M"}}`,
		"--retry-max-age=1h": `{"retry":{"maxAge":"PT1H"}}`, "--dead-letter=q": `{"deadLetter":{"target":"q"}}`,
		"--unset-env=OLD": `{"environment":{}}`, "--unset-tag=old,other": `{"tags":{}}`,
	} {
		f := parsed(t, args)
		old := &wire.Function{Environment: map[string]string{"OLD": "1"}, Tags: map[string]string{"old": "1"}}
		if got := encoded(t, f.onto(old)); got != want {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(args, "--"), "=")
		seen[name] = true
	}
	for _, name := range parsed(t).names {
		if !seen[name] {
			t.Errorf("--%s is not tested", name)
		}
	}
}

func TestEnvironmentOfAnotherIsNotChanged(t *testing.T) {
	old := map[string]string{"A": "1", "B": "2"}
	if got := merge(old, map[string]string{"B": "3", "C": "4"}, []string{"A", "C"}); !maps.Equal(got, map[string]string{"B": "3", "C": "4"}) {
		t.Errorf("got %v", got)
	}
	if len(old) != 2 || old["B"] != "2" || merge(old, nil, nil) != nil {
		t.Errorf("the old one is %v", old)
	}
}

func TestTagsGetTheirQuotesBack(t *testing.T) {
	for in, want := range map[string]client.ETag{"": "", "7": `"7"`, `"7"`: `"7"`, "*": "*", `W/"7"`: `W/"7"`} {
		if got := tagOf(in); got != want {
			t.Errorf("%q: got %s", in, got)
		}
	}
}

func TestFlagsThatTakeALoneValueKeepTheLast(t *testing.T) {
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var n *int
	optional(fs, &n, flag{"n", "N", "number"}, parseInt)
	if n != nil || fs.Lookup("n").Value.Type() != "N" {
		t.Errorf("before: %v", n)
	}
	if err := fs.Parse([]string{"--n=1", "--n=2"}); err != nil || *n != 2 || fs.Lookup("n").Value.String() != "2" {
		t.Errorf("got %v, %v", n, err)
	}
	if err := fs.Parse([]string{"--n=x"}); err == nil || *n != 2 {
		t.Errorf("got %v, %v", *n, err)
	}
}

func TestWordsForPeople(t *testing.T) {
	for in, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", time.Minute: "1m", 90 * time.Second: "1m30s", 10 * time.Minute: "10m",
		time.Hour: "1h", 24 * time.Hour: "24h", time.Hour + time.Second: "1h0m1s",
	} {
		if got := durationText(function.Duration(in)); got != want {
			t.Errorf("%v: got %s", in, got)
		}
	}
	for in, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1536: "1.5 KiB", 5 << 20: "5.0 MiB"} {
		if got := bytesText(in); got != want {
			t.Errorf("%d: got %s", in, got)
		}
	}
	for in, want := range map[float64]string{0: "0 ms", 0.12345: "0.123 ms", 12.34: "12.3 ms", 99.96: "100 ms", 1234.5: "1234 ms"} {
		if got := ms(in); got != want {
			t.Errorf("%v: got %s", in, got)
		}
	}
	if got := short("größer", 4); got != "grö…" {
		t.Errorf("got %s", got)
	}
	if got := clean("a\x1b[2J\tb\u202ec\nd"); got != "a\uFFFD[2J b\uFFFDc\nd" {
		t.Errorf("got %q", got)
	}
}

func TestParseSince(t *testing.T) {
	a := newApp(streams{}, func(string) string { return "" })
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a.now = func() time.Time { return now }
	for in, want := range map[string]time.Time{
		"": {}, "24h": now.Add(-24 * time.Hour), "P1D": now.Add(-24 * time.Hour), "2026-02-03T04:05:06Z": time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		"2026-02-03": time.Date(2026, 2, 3, 0, 0, 0, 0, time.Local), "2026-02-03 10:30": time.Date(2026, 2, 3, 10, 30, 0, 0, time.Local),
	} {
		if got, err := a.parseSince(in); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
}
