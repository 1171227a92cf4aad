package catalog

import (
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// withVersions has a function "hello" with n versions.
func withVersions(t testing.TB, n int) *fixture {
	f := newFixture(t)
	f.create("hello")
	for i := range n {
		f.publish("hello", string(rune('a'+i)))
	}
	return f
}

func TestAliasLivesItsLife(t *testing.T) {
	f := withVersions(t, 2)
	ctx := t.Context()
	a := f.alias("hello", "prod", function.AliasSpec{Version: 1, Description: ptr("main")})
	if a.FunctionName != "hello" || a.Revision != 1 || !a.CreatedAt.Equal(f.clock.now()) || f.resolve("hello", "prod") != f.resolve("hello", "v1") {
		t.Errorf("got %+v", a)
	}
	f.clock.advance(time.Second)
	b, err := f.UpdateAlias(ctx, "hello", "prod", ptr(uint64(1)), function.AliasSpec{Version: 2})
	if err != nil || b.Revision != 2 || b.Description != "main" || b.CreatedAt != a.CreatedAt || !b.UpdatedAt.Equal(f.clock.now()) {
		t.Errorf("got %+v, %v", b, err)
	}
	if a.Version != 1 || f.resolve("hello", "prod") != f.resolve("hello", "v2") {
		t.Error("what a reader held has changed, or the alias has not")
	}
	_, err = f.UpdateAlias(ctx, "hello", "prod", ptr(uint64(1)), function.AliasSpec{Version: 1})
	wantFault(t, err, fault.Conflict, fault.ReasonPrecondition)
	wantFault(t, f.DeleteAlias(ctx, "hello", "prod", ptr(uint64(1))), fault.Conflict, fault.ReasonPrecondition)
	f.wantSame()
	if err := f.DeleteAlias(ctx, "hello", "prod", ptr(uint64(2))); err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Resolve("hello", "prod")
	wantFault(t, err, fault.NotFound, "alias_not_found")
	if got := f.retired.take(); len(got) != 1 { // the first $LATEST
		t.Errorf("aliases retired units: %v", got)
	}
	f.wantSame()
}

func TestAliasesAreListedByName(t *testing.T) {
	f := withVersions(t, 1)
	for _, name := range []string{"m", "z", "a"} {
		f.alias("hello", name, function.AliasSpec{Version: 1})
	}
	list, err := f.Aliases("hello")
	if err != nil || len(list) != 3 || list[0].Name != "a" || list[1].Name != "m" || list[2].Name != "z" {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestAliasRefusals(t *testing.T) {
	f := withVersions(t, 1)
	f.alias("hello", "prod", function.AliasSpec{Version: 1})
	_, err := f.CreateAlias(t.Context(), "hello", "prod", function.AliasSpec{Version: 1})
	wantFault(t, err, fault.Conflict, "alias_exists")
	for field, tc := range map[string]struct {
		name string
		spec function.AliasSpec
	}{
		"aliasName":     {"v7", function.AliasSpec{Version: 1}},
		"version":       {"new", function.AliasSpec{Version: 2}},
		"routingConfig": {"new", function.AliasSpec{Routing: map[function.Number]int{1: 50, 2: 25, 3: 25}}},
	} {
		_, err := f.CreateAlias(t.Context(), "hello", tc.name, tc.spec)
		wantFault(t, err, fault.Invalid, "validation")
		if d := fault.Of(err).Details; len(d) != 1 || d[0].Field != field {
			t.Errorf("%s: details %v", field, d)
		}
	}
	_, err = f.UpdateAlias(t.Context(), "hello", "prod", nil, function.AliasSpec{})
	wantFault(t, err, fault.Invalid, "validation")
	f.wantSame()
}

func TestWeightedAliasDrawsByItsWeights(t *testing.T) {
	f := withVersions(t, 3)
	f.alias("hello", "prod", function.AliasSpec{Version: 3, Routing: map[function.Number]int{1: 90, 2: 10}})
	const draws = 20_000
	seen := map[function.Number]int{}
	for range draws {
		seen[f.resolve("hello", "prod").Version]++
	}
	// Six standard deviations of 2,000 are 255.
	if n := seen[2]; n < 2000-255 || n > 2000+255 || seen[1]+n != draws {
		t.Errorf("drawn: %v", seen)
	}
}
