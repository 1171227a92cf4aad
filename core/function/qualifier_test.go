package function

import (
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

func TestParseQualifier(t *testing.T) {
	for in, want := range map[string]Qualifier{
		"": {}, "$LATEST": {}, "7": {Version: 7}, "v7": {Version: 7}, "4294967295": {Version: 1<<32 - 1},
		"prod": {Alias: "prod"}, "v": {Alias: "v"}, "v7a": {Alias: "v7a"}, "V7": {Alias: "V7"},
		strings.Repeat("a", 64): {Alias: strings.Repeat("a", 64)},
	} {
		got, err := ParseQualifier(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"0", "v0", "07", "4294967296", "12345678901", "$latest", "a b", "a:b", "ä", strings.Repeat("a", 65)} {
		if q, err := ParseQualifier(in); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %+v, %v", in, q, err)
		}
	}
}

func TestParseReference(t *testing.T) {
	name, q, err := ParseReference("hello:v3")
	if name != "hello" || q.Version != 3 || err != nil {
		t.Errorf("%q %v %v", name, q, err)
	}
	if name, q, err := ParseReference("hello"); name != "hello" || !q.IsLatest() || err != nil {
		t.Errorf("%q %v %v", name, q, err)
	}
	for _, in := range []string{"", ":", "a:", ":1", "a:b:c", "a/b"} {
		if _, _, err := ParseReference(in); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestQualifierParsingAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = ParseQualifier("production"); _, _ = ParseQualifier("v12") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzQualifier(f *testing.F) {
	for _, s := range []string{"", "$LATEST", "7", "v7", "prod", "v", "0", "a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQualifier(s)
		if err != nil {
			return
		}
		if again, err := ParseQualifier(q.String()); err != nil || again != q {
			t.Errorf("%q → %+v → %+v, %v", s, q, again, err)
		}
		if q.Alias != "" && (q.Version != 0 || !ValidAliasName(q.Alias)) {
			t.Errorf("%q gives %+v", s, q)
		}
		if name, ref, err := ParseReference("f:" + s); s != "" && (err != nil || name != "f" || ref != q) {
			t.Errorf("f:%s gives %q and %+v, %v", s, name, ref, err)
		}
	})
}
