package wasm_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/bootstrap/wasm/guests"
)

// greeters are the reactors that greet by name.
var greeters = []guests.Kind{guests.Go, guests.AssemblyScript}

// reactors are all that follow the reactor ABI.
var reactors = []guests.Kind{guests.Go, guests.C, guests.AssemblyScript}

func TestGreetersGreetByName(t *testing.T) {
	tests := []struct{ name, payload, want string }{
		{"a name", `{"name":"Ada"}`, `{"message":"Hello, Ada"}`},
		{"white space and other fields", " {\n\"a\":[1,-2.5e+3,{\"name\":\"no\"},true,null],\t\"name\" : \"Ada\" } ", `{"message":"Hello, Ada"}`},
		{"the last of equal fields counts", `{"name":"Ada","name":"Bob"}`, `{"message":"Hello, Bob"}`},
		{"quotes and backslashes", `{"name":"A\"d\\a"}`, `{"message":"Hello, A\"d\\a"}`},
		{"escapes", `{"name":"\u0041d\u0061\/"}`, `{"message":"Hello, Ada/"}`},
		{"beyond ASCII", `{"name":"Ádá 🛶"}`, `{"message":"Hello, Ádá 🛶"}`},
		{"a surrogate pair", `{"name":"\ud83d\udef6"}`, `{"message":"Hello, 🛶"}`},
	}
	for _, kind := range greeters {
		guest := start(t, example(t, kind))
		for _, tt := range tests {
			t.Run(string(kind)+"/"+tt.name, func(t *testing.T) {
				got := guest.do(tt.payload, map[int32]string{0: "req-1"})
				if got.failed || got.result != tt.want {
					t.Errorf("got %q (failed %t), want %q", got.result, got.failed, tt.want)
				}
				if len(got.logs) != 1 || got.logs[0].level != 1 || !strings.HasSuffix(got.logs[0].text, "for request req-1") {
					t.Errorf("logs %v, want one line of level 1 with the request", got.logs)
				}
			})
		}
	}
}

func TestGreetersRefuseBadInput(t *testing.T) {
	missing := `"name" is missing`
	for _, kind := range greeters {
		guest := start(t, example(t, kind))
		for _, payload := range []string{`{}`, `{"name":""}`, `{"x":{"name":"Ada"}}`} {
			guest.do(payload, nil).wantError(t, "BadRequest", missing)
		}
		bad := []string{`nonsense`, `[]`, `"Ada"`, `{"name":"Ada"`, `{"name":"Ada"}}`, `{"name":"Ada",}`, `{"name":"\x"}`,
			`{"name":"\u12"}`, "{\"name\":\"a\nb\"}", `{"a":01,"name":"Ada"}`, `{"a":1.,"name":"Ada"}`, `{"a":,"name":"b"}`, `{"name"}`, `{`}
		for _, payload := range bad {
			if got := guest.do(payload, nil); !got.failed {
				t.Errorf("%s: %q is answered with %q, want an error result", kind, payload, got.result)
			}
		}
		if got := guest.do(`{"name":"Ada"}`, nil); got.failed {
			t.Errorf("%s: after bad input, a good request fails with %q", kind, got.result)
		}
	}
}

// The parser of the AssemblyScript SDK takes what Go's takes, on texts that
// are nearly JSON.
func TestAssemblyScriptJudgesJSONAsGoDoes(t *testing.T) {
	guest := start(t, example(t, guests.AssemblyScript))
	random := rand.New(rand.NewPCG(1, 2))
	const seed = `{"a":[0,-1.5e+3,true,false,null,{"b":"\u00e9\n"}],"name":"Ada" , "c":{}}`
	const letters = "{}[]\",:\\0123eE+-.truefalsn u"
	for range 3000 {
		text := []byte(seed)
		for range 1 + random.IntN(3) {
			at := random.IntN(len(text))
			switch random.IntN(3) {
			case 0:
				text[at] = letters[random.IntN(len(letters))]
			case 1:
				text = slices.Delete(text, at, at+1)
			case 2:
				text = slices.Insert(text, at, letters[random.IntN(len(letters))])
			}
		}
		var fields map[string]any
		err := json.Unmarshal(text, &fields)
		name, _ := fields["name"].(string)
		if got := guest.do(string(text), nil); got.failed != (err != nil || name == "") {
			t.Errorf("%s: answered with %s; Go says %v", text, got.result, err)
		}
	}
}

func TestGreetersOnAnEmptyPayload(t *testing.T) {
	start(t, example(t, guests.Go)).do("", nil).wantError(t, "BadRequest", `"name" is missing`)
	start(t, example(t, guests.AssemblyScript)).do("", nil).wantError(t, "BadRequest", "the payload is no JSON object")
}

func TestCEchoes(t *testing.T) {
	guest := start(t, example(t, guests.C))
	for _, payload := range []string{`{"name":"Ada"}`, "x", "\x00\xff", strings.Repeat("long ", 20_000)} {
		if got := guest.do(payload, nil); got.failed || got.result != payload {
			t.Errorf("%.40q is answered with %.40q (failed %t)", payload, got.result, got.failed)
		}
	}
	guest.do("", nil).wantError(t, "BadRequest", "the payload is empty")
}

func TestReactorsCopeWithFiveMiB(t *testing.T) {
	payload := `{"name":"` + strings.Repeat("a", 5<<20) + `"}`
	for _, kind := range reactors {
		t.Run(string(kind), func(t *testing.T) {
			guest := start(t, example(t, kind))
			for range 3 {
				got := guest.do(payload, nil)
				if got.failed || len(got.result) < 5<<20 {
					t.Fatalf("%.60q of %d bytes (failed %t)", got.result, len(got.result), got.failed)
				}
			}
			if got := guest.do(`{"name":"Ada"}`, nil); got.failed || len(got.result) > 60 {
				t.Errorf("a small request afterwards: %.80q", got.result)
			}
		})
	}
}

// Go's collector lets the heap reach its smallest goal, 4 MiB, before it runs
// for the first time, about 8,000 calls of the example; after that nothing may
// grow any more.
func TestReactorsDoNotGrow(t *testing.T) {
	tests := []struct {
		kind   guests.Kind
		warmUp int
		growth uint32 // bytes during that
	}{{guests.Go, 10_000, 6 << 20}, {guests.C, 0, 0}, {guests.AssemblyScript, 0, 0}}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			guest := start(t, example(t, tt.kind))
			first := guest.module.Memory().Size()
			guest.repeat(tt.warmUp)
			warm := guest.module.Memory().Size()
			guest.repeat(5000)
			last := guest.module.Memory().Size()
			if warm-first > tt.growth || last != warm {
				t.Errorf("memory grew from %d to %d bytes in %d calls, to %d in 5,000 more", first, warm, tt.warmUp, last)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	tests := []struct {
		name           string
		kind           guests.Kind
		stdin          string
		stdout, stderr string
		exit           uint32
	}{
		{"go greets", guests.GoCommand, `{"name":"Ada"}`, "{\"message\":\"Hello, Ada\"}\n", "greeting \"Ada\" for request req-1\n", 0},
		{"go without a name", guests.GoCommand, `{}`, "", "\"name\" is missing\n", 1},
		{"go with bad input", guests.GoCommand, `nonsense`, "", "decode the event: invalid character 'o' in literal null (expecting 'u')\n", 1},
		{"go without input", guests.GoCommand, "", "", "decode the event: EOF\n", 1},
		{"c counts", guests.CCommand, "one two\nthree", "{\"bytes\":13,\"words\":3,\"lines\":1}\n", "counted 13 bytes for request req-1\n", 0},
		{"c counts bytes of any kind", guests.CCommand, "\x00\xff \n", "{\"bytes\":4,\"words\":1,\"lines\":1}\n", "counted 4 bytes for request req-1\n", 0},
		{"c without input", guests.CCommand, "", "", "there is no text to count\n", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, exit := command(t, example(t, tt.kind), tt.stdin)
			if stdout != tt.stdout || stderr != tt.stderr || exit != tt.exit {
				t.Errorf("got %q, %q, exit %d; want %q, %q, %d", stdout, stderr, exit, tt.stdout, tt.stderr, tt.exit)
			}
		})
	}
}

func TestCommandsCopeWithFiveMiB(t *testing.T) {
	name := strings.Repeat("a", 5<<20)
	stdout, _, exit := command(t, example(t, guests.GoCommand), `{"name":"`+name+`"}`)
	if exit != 0 || stdout != `{"message":"Hello, `+name+"\"}\n" {
		t.Errorf("go: %.60q of %d bytes, exit %d", stdout, len(stdout), exit)
	}
	stdout, _, exit = command(t, example(t, guests.CCommand), name)
	if exit != 0 || stdout != "{\"bytes\":5242880,\"words\":1,\"lines\":0}\n" {
		t.Errorf("c: %.60q, exit %d", stdout, exit)
	}
}

// Guests import what the host gives and nothing else, and export what it
// looks for, with the right types.
func TestModulesKeepToTheABI(t *testing.T) {
	for _, kind := range guests.Kinds() {
		m := example(t, kind)
		for _, f := range m.ImportedFunctions() {
			from, name, _ := f.Import()
			if from != "wasi_snapshot_preview1" && (from != "skiff" || name != "log" && name != "meta") {
				t.Errorf("%s imports %s.%s", kind, from, name)
			}
		}
		if _, ok := m.ExportedMemories()["memory"]; !ok {
			t.Errorf("%s does not export its memory", kind)
		}
		_, export, _ := strings.Cut(kind.Handler(), ".")
		if _, ok := m.ExportedFunctions()[export]; !ok {
			t.Errorf("%s does not export its handler %s", kind, export)
		}
		if !slices.Contains(reactors, kind) {
			continue
		}
		if got := signature(m, "handle"); got != "i32,i32:i64" {
			t.Errorf("%s: handle is %s", kind, got)
		}
		if got := signature(m, "skiff_alloc"); got != "i32:i32" {
			t.Errorf("%s: skiff_alloc is %s", kind, got)
		}
	}
}
