package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

type base struct {
	Memory *int                   `json:"memorySize"`
	Keep   function.Nullable[int] `json:"keep"`
}

type inner struct {
	Min  *int               `json:"min"`
	Wait *function.Duration `json:"wait"`
}

type body struct {
	base
	Name   string            `json:"name"`
	Tags   map[string]string `json:"tags"`
	Roles  []function.Role   `json:"roles"`
	Inner  *inner            `json:"inner"`
	Raw    json.RawMessage   `json:"raw"`
	On     bool              `json:"on"`
	Hidden string            `json:"-"`
}

func details(t *testing.T, in string, to any) map[string]string {
	t.Helper()
	var c fault.Collector
	Decode([]byte(in), to, &c)
	got := map[string]string{}
	if err := c.Err("read"); err != nil {
		for _, d := range fault.Of(err).Details {
			got[d.Field] = d.Message
		}
	}
	return got
}

func TestDecodeReadsWhatIsRight(t *testing.T) {
	var b struct {
		function.Patch
		Name string `json:"name"`
	}
	got := details(t, `{"name":"x","memorySize":128,"reservedConcurrency":null,"scaling":{"minInstances":2,"scaleUpCooldown":"10s"},
		"environment":{"A":"1"},"tags":{},"allowedRoles":["Admin"],"description":null}`, &b)
	if len(got) != 0 {
		t.Fatalf("faults %v", got)
	}
	if b.Name != "x" || *b.MemoryMB != 128 || !b.ReservedConcurrency.Set || b.ReservedConcurrency.Value != nil ||
		*b.Scaling.MinInstances != 2 || b.Environment["A"] != "1" || b.Tags == nil || b.Description != nil {
		t.Fatalf("read %+v", b)
	}
}

func TestDecodeTellsEverythingAtOnce(t *testing.T) {
	var b body
	got := details(t, `{"name":5,"Name":"x","inner":{"min":"a","wait":"soon","max":1},"tags":{"a":1,"b":null},"roles":"Admin","on":1,"name":"y"}`, &b)
	want := map[string]string{
		"name": "is given twice", "Name": "is not known here", "inner.min": "must be a whole number",
		"inner.wait": `must be an ISO 8601 duration such as "PT10M", or "10m"`, "inner.max": "is not known here",
		"tags.a": "must be a string", "tags.b": "must not be null", "roles": "must be a list", "on": "must be true or false",
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

func TestDecodeNamesTheFieldOfAWrongType(t *testing.T) {
	for in, want := range map[string]string{
		`{"roles":[1]}`:          "roles: must be a list, and each of it a string",
		`{"inner":[]}`:           "inner: must be an object",
		`{"inner":7}`:            "inner: must be an object",
		`{"tags":"x"}`:           "tags: must be an object",
		`{"tags":{"a":1,"a":2}}`: "tags.a: is given twice",
		`[]`:                     "body: must be an object",
		`"x"`:                    "body: must be an object",
		`null`:                   "body: must be an object",
		`{"Hidden":"x"}`:         "Hidden: is not known here",
		`{"-":"x"}`:              "-: is not known here",
	} {
		got := details(t, in, &body{})
		field, message, _ := strings.Cut(want, ": ")
		if !strings.HasPrefix(got[field], message) {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
}

func TestDecodeRefusesWhatIsNoJSON(t *testing.T) {
	for _, in := range []string{"", " ", "{", `{"name":"x"`, `{"name":"x"}{}`, `{"name":"x"} x`, "{'name':1}", `{"name":"x",}`, "\xff", "{\"name\":\"\xff\"}",
		strings.Repeat("[", 20000)} {
		if got := details(t, in, &body{}); got[Body] == "" || len(got) != 1 {
			t.Errorf("%.20q: %v", in, got)
		}
	}
}

func TestLongNamesAreCut(t *testing.T) {
	got := details(t, `{"`+strings.Repeat("ä", 5000)+`":1}`, &body{})
	for field := range got {
		if len(field) > maxShown+8 {
			t.Errorf("%d bytes of a name come back", len(field))
		}
	}
}

func TestRawValuesAreCopied(t *testing.T) {
	in := []byte(`{"raw":{"a":[1,2]}}`)
	var b body
	var c fault.Collector
	Decode(in, &b, &c)
	clear(in)
	if string(b.Raw) != `{"a":[1,2]}` {
		t.Fatalf("got %q", b.Raw)
	}
}

func FuzzDecode(f *testing.F) {
	for _, in := range []string{`{"name":"x"}`, `{"inner":{"min":1,"min":2}}`, `{"tags":{"":null}}`, `{"raw":[{}]}`, "[", "\x00"} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var c fault.Collector
		var strict, loose body
		Decode(in, &strict, &c)
		if c.Err("") != nil {
			return
		}
		if err := json.Unmarshal(in, &loose); err != nil {
			t.Fatalf("%q was accepted: %v", in, err)
		}
	})
}
