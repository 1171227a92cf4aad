package catalog

import (
	"slices"
	"testing"

	"github.com/skiffhq/skiff/core/function"
)

func listFixture(t *testing.T) *fixture {
	f := newFixture(t)
	for _, c := range []struct {
		name, runtime, handler, team string
		tags                         map[string]string
	}{
		{"b1", "wasm", "", "line1", map[string]string{"env": "prod"}},
		{"a1", "node20", "a.b", "line1", map[string]string{"env": "test"}},
		{"a2", "wasm", "", "line2", map[string]string{"env": "prod", "x": ""}},
		{"b2", "node20", "a.b", "line2", nil},
		{"a-", "wasm", "", "line1", nil},
	} {
		p := &function.Patch{Runtime: &c.runtime, Handler: &c.handler, Team: &c.team, Tags: c.tags}
		if _, err := f.Create(t.Context(), "ada", c.name, p); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func namesOf(p Page) []string {
	list := []string{}
	for _, f := range p.Functions {
		list = append(list, f.Name)
	}
	return list
}

func TestFunctionsAreSelected(t *testing.T) {
	f := listFixture(t)
	line1 := func(team string) bool { return team == "line1" }
	for _, tc := range []struct {
		q    Query
		want []string
	}{
		{Query{}, []string{"a-", "a1", "a2", "b1", "b2"}},
		{Query{Runtime: "Nodejs20.x"}, []string{"a1", "b2"}},
		{Query{Runtime: "ruby"}, []string{}},
		{Query{Tag: "env"}, []string{"a1", "a2", "b1"}},
		{Query{Tag: "env=prod"}, []string{"a2", "b1"}},
		{Query{Tag: "x="}, []string{"a2"}},
		{Query{Tag: "env="}, []string{}},
		{Query{Prefix: "a"}, []string{"a-", "a1", "a2"}},
		{Query{Prefix: "b2"}, []string{"b2"}},
		{Query{Prefix: "c"}, []string{}},
		{Query{Visible: line1}, []string{"a-", "a1", "b1"}},
		{Query{Visible: line1, Runtime: "wasm", Prefix: "a", Tag: "env"}, []string{}},
	} {
		p := f.Functions(tc.q)
		if !slices.Equal(namesOf(p), tc.want) || p.Total != len(tc.want) || p.NextCursor != "" {
			t.Errorf("%+v: %v of %d, cursor %q", tc.q, namesOf(p), p.Total, p.NextCursor)
		}
	}
}

func TestPagesFollowEachOther(t *testing.T) {
	f := listFixture(t)
	for _, tc := range []struct {
		q    Query
		want []string
		next string
	}{
		{Query{Limit: 2}, []string{"a-", "a1"}, "a1"},
		{Query{Limit: 2, Offset: 2}, []string{"a2", "b1"}, "b1"},
		{Query{Limit: 2, Offset: 3}, []string{"b1", "b2"}, ""},
		{Query{Limit: 2, Offset: 5}, []string{}, ""},
		{Query{Limit: 2, Offset: -1}, []string{"a-", "a1"}, "a1"},
		{Query{Limit: 2, Cursor: "a1"}, []string{"a2", "b1"}, "b1"},
		{Query{Limit: 2, Cursor: "b1"}, []string{"b2"}, ""},
		{Query{Limit: 1, Cursor: "a1x"}, []string{"a2"}, "a2"}, // deleted since
		{Query{Limit: 1, Cursor: "a1", Offset: 1}, []string{"b1"}, "b1"},
		{Query{Limit: 5}, []string{"a-", "a1", "a2", "b1", "b2"}, ""},
	} {
		p := f.Functions(tc.q)
		if !slices.Equal(namesOf(p), tc.want) || p.Total != 5 || p.NextCursor != tc.next {
			t.Errorf("%+v: %v of %d, cursor %q", tc.q, namesOf(p), p.Total, p.NextCursor)
		}
	}
	if got := f.Functions(Query{Prefix: "none"}).Functions; got == nil {
		t.Error("an empty page is nil, which JSON shows as null")
	}
}
