package function

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

func hundred(n int) map[Number]int {
	m := map[Number]int{}
	for i := range n {
		m[Number(i+1)] = 1
	}
	return m
}

func TestAliasSpecCheck(t *testing.T) {
	long := strings.Repeat("d", MaxDescription+1)
	fits := long[1:]
	for _, tc := range []struct {
		spec AliasSpec
		want string
	}{
		{AliasSpec{Version: 1}, ""},
		{AliasSpec{Version: 1, Description: &fits}, ""},
		{AliasSpec{Routing: map[Number]int{5: 90, 6: 10}}, ""},
		{AliasSpec{Version: 5, Routing: map[Number]int{5: 1, 6: 99}}, ""},
		{AliasSpec{Routing: map[Number]int{5: 100}}, ""},
		{AliasSpec{Routing: hundred(100)}, ""},
		{AliasSpec{}, "version"},
		{AliasSpec{Routing: map[Number]int{}}, "version"},
		{AliasSpec{Version: 1, Description: &long}, "description"},
		{AliasSpec{Routing: map[Number]int{5: 90, 6: 9}}, "routingConfig"},
		{AliasSpec{Routing: map[Number]int{5: 90, 6: 11}}, "routingConfig"},
		{AliasSpec{Routing: map[Number]int{5: 100, 6: 0}}, "routingConfig"},
		{AliasSpec{Routing: map[Number]int{5: 101, 6: -1}}, "routingConfig"},
		{AliasSpec{Routing: map[Number]int{0: 100}}, "routingConfig"},
		{AliasSpec{Routing: hundred(101)}, "routingConfig"},
		{AliasSpec{Description: &long, Routing: map[Number]int{0: 1}}, "description routingConfig"},
	} {
		var faults fault.Collector
		tc.spec.Check(&faults)
		if got := strings.Join(fields(&faults), " "); got != tc.want {
			t.Errorf("%+v: faults in %q, want %q", tc.spec, got, tc.want)
		}
	}
}

func TestAliasNamesCannotBeTakenForVersions(t *testing.T) {
	for name, ok := range map[string]bool{
		"prod": true, "v": true, "v7a": true, strings.Repeat("a", 64): true,
		"": false, "7": false, "v7": false, "$LATEST": false, "a b": false, strings.Repeat("a", 65): false,
	} {
		var faults fault.Collector
		if CheckAliasName(name, &faults); (len(detailsOf(&faults)) == 0) != ok {
			t.Errorf("%q: %v", name, detailsOf(&faults))
		}
	}
}

func TestAliasSpecApply(t *testing.T) {
	text := "new"
	for _, tc := range []struct {
		spec AliasSpec
		want Alias
	}{
		{AliasSpec{Version: 3}, Alias{Version: 3, Description: "old"}},
		{AliasSpec{Version: 3, Description: &text}, Alias{Version: 3, Description: "new"}},
		{AliasSpec{Routing: map[Number]int{1: 90, 2: 10}}, Alias{Version: 1, Routing: map[Number]int{1: 90, 2: 10}, Description: "old"}},
		{AliasSpec{Routing: map[Number]int{1: 50, 2: 50}}, Alias{Version: 2, Routing: map[Number]int{1: 50, 2: 50}, Description: "old"}},
		{AliasSpec{Version: 7, Routing: map[Number]int{1: 100}}, Alias{Version: 7, Routing: map[Number]int{1: 100}, Description: "old"}},
	} {
		got := Alias{Version: 9, Routing: map[Number]int{9: 100}, Description: "old"}
		if tc.spec.Apply(&got); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%+v: %+v, want %+v", tc.spec, got, tc.want)
		}
	}
}

func TestAliasNamesItsVersions(t *testing.T) {
	a := Alias{Version: 2, Routing: map[Number]int{3: 50, 1: 25, 2: 25}}
	if got := a.Versions(); !slices.Equal(got, []Number{1, 2, 3}) {
		t.Errorf("got %v", got)
	}
}

func TestVersionCheck(t *testing.T) {
	v := Version{Description: strings.Repeat("d", MaxDescription), Settings: Settings{Environment: environmentOf(MaxEnvironment)}}
	var faults fault.Collector
	if v.Check(&faults); fields(&faults) != nil {
		t.Errorf("just in: faults in %v", fields(&faults))
	}
	v.Description += "d"
	v.Environment = environmentOf(MaxEnvironment + 1)
	if v.Check(&faults); !slices.Equal(fields(&faults), []string{"description", "environment"}) {
		t.Errorf("just out: faults in %v", fields(&faults))
	}
}

func TestMergeEnvironment(t *testing.T) {
	base := map[string]string{"A": "1", "B": "1"}
	got := MergeEnvironment(base, map[string]string{"B": "2", "C": "2"})
	if want := map[string]string{"A": "1", "B": "2", "C": "2"}; !reflect.DeepEqual(got, want) || base["B"] != "1" {
		t.Errorf("got %v, base %v", got, base)
	}
}

func TestSettingsEqualSeesEveryField(t *testing.T) {
	base := validFunction().Settings
	for i := range reflect.TypeFor[Settings]().NumField() {
		other := base
		switch v := reflect.ValueOf(&other).Elem().Field(i); v.Kind() {
		case reflect.String:
			v.SetString("other")
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Map:
			v.Set(reflect.ValueOf(map[string]string{"A": "1"}))
		default:
			t.Fatalf("teach the test a %s", v.Kind())
		}
		if base.Equal(&other) || !base.Equal(&base) {
			t.Errorf("%s is not compared", reflect.TypeFor[Settings]().Field(i).Name)
		}
	}
}
