package function

import (
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

func TestParseHandler(t *testing.T) {
	for _, tc := range []struct {
		family Family
		in     string
		want   Handler
	}{
		{FamilyWasm, "", Handler{"main", "_start"}},
		{FamilyWasm, "bin/app.handle", Handler{"bin/app", "handle"}},
		{FamilyNode, "index.handler", Handler{"index", "handler"}},
		{FamilyNode, "src/a.b.handler", Handler{"src/a.b", "handler"}},
		{FamilyPython, "pkg.app.handler", Handler{"pkg.app", "handler"}},
		{FamilyDotnet, "My.App::My.App.Fn::Run", Handler{"My.App", "My.App.Fn::Run"}},
		{FamilyCustom, "anything at all", Handler{File: "anything at all"}},
		{FamilyNode, strings.Repeat("a", 126) + ".h", Handler{strings.Repeat("a", 126), "h"}},
	} {
		if got, err := ParseHandler(tc.family, tc.in); err != nil || got != tc.want {
			t.Errorf("%s %q: %+v, %v", tc.family, tc.in, got, err)
		}
	}
}

func TestParseHandlerRefuses(t *testing.T) {
	for family, list := range map[Family][]string{
		FamilyWasm:   {"main", ".x", "../a.b", "/a.b", "a/../b.c", "a//b.c", "a b.c", "main."},
		FamilyNode:   {"", "index", "./index.handler", "a\x00.b", strings.Repeat("a", 127) + ".h"},
		FamilyPython: {"", "app", "app/x.handler", "1app.handler", "app..handler"},
		FamilyDotnet: {"", "A::B", "A::B::C::D", "A/B::C::D"},
		FamilyCustom: {"", " a", "a\n", strings.Repeat("a", 129)},
	} {
		for _, in := range list {
			if got, err := ParseHandler(family, in); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s %q: %+v, %v", family, in, got, err)
			}
		}
	}
}

func FuzzHandler(f *testing.F) {
	for _, s := range []string{"main._start", "../x.y", "a/b.c", "a//b.c", "A::B::C", "A.B::C+D::E", "pkg.app.handler", "..a.b", " a", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, family := range []Family{FamilyWasm, FamilyNode, FamilyPython, FamilyDotnet, FamilyCustom, "unheard of"} {
			h, err := ParseHandler(family, s)
			if err != nil {
				continue
			}
			whole := family == FamilyCustom || family == "unheard of" // their own program reads it
			if len(s) > maxHandler || h.File == "" || (h.Export == "") != whole {
				t.Errorf("%s: %q gives %+v", family, s, h)
			}
			if whole {
				continue
			}
			for part := range strings.SplitSeq(h.File, "/") {
				if part == ".." || part == "" {
					t.Errorf("%s: %q gives %+v", family, s, h)
				}
			}
		}
	})
}
