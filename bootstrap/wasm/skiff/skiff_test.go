package skiff

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os/exec"
	"strings"
	"testing"
)

type person struct {
	Name string `json:"name"`
}

type greeting struct {
	Message string `json:"message"`
}

func greet(_ *Context, p person) (greeting, error) {
	switch p.Name {
	case "":
		return greeting{}, Errorf("BadRequest", "name is missing")
	case "boom":
		panic("boom")
	}
	return greeting{"Hello, " + p.Name}, nil
}

func TestInvokeAnswersInJSON(t *testing.T) {
	tests := []struct{ name, payload, want, wantType, wantMessage string }{
		{name: "a name", payload: `{"name":"Ada"}`, want: `{"message":"Hello, Ada"}`},
		{name: "unknown fields", payload: `{"name":"Ada","age":36}`, want: `{"message":"Hello, Ada"}`},
		{name: "empty is the zero value", wantType: "BadRequest", wantMessage: "name is missing"},
		{name: "null is the zero value", payload: `null`, wantType: "BadRequest", wantMessage: "name is missing"},
		{name: "not JSON", payload: `{`, wantType: TypeUnmarshal, wantMessage: "decode the payload: unexpected end of JSON input"},
		{name: "the wrong type", payload: `{"name":1}`, wantType: TypeUnmarshal,
			wantMessage: "decode the payload: json: cannot unmarshal number into Go struct field person.name of type string"},
		{name: "a panic", payload: `{"name":"boom"}`, wantType: TypePanic, wantMessage: "boom"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Invoke(JSON(greet), Meta{}, []byte(tt.payload))
			if string(got.Payload) != tt.want {
				t.Errorf("got %q, want %q", got.Payload, tt.want)
			}
			checkError(t, got.Err, tt.wantType, tt.wantMessage)
		})
	}
}

func checkError(t *testing.T, got *Error, wantType, wantMessage string) {
	t.Helper()
	if wantType == "" {
		if got != nil {
			t.Errorf("fails with %s: %q", got.Type, got.Message)
		}
		return
	}
	if got == nil || got.Type != wantType || got.Message != wantMessage {
		t.Errorf("got %+v, want %s: %q", got, wantType, wantMessage)
	}
}

func TestJSONRefusesWhatCannotBeEncoded(t *testing.T) {
	h := JSON(func(*Context, struct{}) (float64, error) { return math.NaN(), nil })
	got := Invoke(h, Meta{}, nil)
	checkError(t, got.Err, TypeMarshal, "encode the result: json: unsupported value: NaN")
	if got.Payload != nil {
		t.Errorf("a failure has the payload %q", got.Payload)
	}
}

type quotaError struct{ left int }

func (e quotaError) Error() string { return fmt.Sprintf("%d left", e.left) }

func TestErrorsBecomeErrorResults(t *testing.T) {
	tests := []struct {
		name        string
		err         error
		wantType    string
		wantMessage string
	}{
		{"without a type", errors.New("no"), TypeError, "no"},
		{"wrapped without a type", fmt.Errorf("a: %w", errors.New("b")), TypeError, "a: b"},
		{"joined", errors.Join(errors.New("a"), errors.New("b")), TypeError, "a\nb"},
		{"of a type of its own", quotaError{3}, "quotaError", "3 left"},
		{"a pointer to one", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, "PathError", "open x: file does not exist"},
		{"a wrapped type", fmt.Errorf("charge: %w", quotaError{0}), "quotaError", "charge: 0 left"},
		{"an Error", Errorf("NotFound", "no %d", 7), "NotFound", "no 7"},
		{"a wrapped Error", fmt.Errorf("get: %w", Errorf("NotFound", "no 7")), "NotFound", "get: no 7"},
		{"an Error without a type", &Error{Message: "m"}, TypeError, "m"},
		{"text that is not UTF-8", errors.New("a\xffb"), TypeError, "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := func(*Context, []byte) ([]byte, error) { return []byte("ignored"), tt.err }
			checkError(t, Invoke(h, Meta{}, nil).Err, tt.wantType, tt.wantMessage)
		})
	}
}

func TestPanicsCarryTheStackOfTheHandler(t *testing.T) {
	tests := []struct {
		name        string
		h           Handler
		wantMessage string
	}{
		{"a text", func(*Context, []byte) ([]byte, error) { panic("boom") }, "boom"},
		{"an error", func(*Context, []byte) ([]byte, error) { panic(errors.New("boom")) }, "boom"},
		{"a run-time error", func(_ *Context, p []byte) ([]byte, error) { return p[5:], nil }, "runtime error: slice bounds out of range [5:0]"},
		{"a nil map", func(*Context, []byte) ([]byte, error) { noMap()[0] = 1; return nil, nil }, "assignment to entry in nil map"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Invoke(tt.h, Meta{}, nil).Err
			checkError(t, got, TypePanic, tt.wantMessage)
			if len(got.StackTrace) != 1 || !strings.Contains(got.StackTrace[0], "skiff_test.go:") {
				t.Errorf("stack trace %q, want the handler's frame alone", got.StackTrace)
			}
		})
	}
}

func TestDeepStacksAreCut(t *testing.T) {
	var dig func(n int) int
	dig = func(n int) int {
		if n == 0 {
			panic("bottom")
		}
		return dig(n-1) + 1
	}
	got := Invoke(func(*Context, []byte) ([]byte, error) { dig(500); return nil, nil }, Meta{}, nil).Err
	if len(got.StackTrace) != maxFrames {
		t.Errorf("%d frames, want %d", len(got.StackTrace), maxFrames)
	}
}

func TestAGuestHasOneHandler(t *testing.T) {
	t.Cleanup(func() { registered = nil })
	checkError(t, Invoke(nil, Meta{}, nil).Err, TypeNoHandler, errNoHandler.Message)
	Handle(greet)
	if got := Invoke(nil, Meta{}, []byte(`{"name":"Ada"}`)); string(got.Payload) != `{"message":"Hello, Ada"}` {
		t.Errorf("the handler given to Handle answers %q, %v", got.Payload, got.Err)
	}
	mustPanic(t, "a second handler", func() { HandleRaw(JSON(greet)) })
	mustPanic(t, "no handler", func() { HandleRaw(nil) })
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s is taken", what)
		}
	}()
	f()
}

// A guest carries everything that the SDK imports, and users of the SDK would
// have to fetch it.
func TestOnlyTheStandardLibraryIsImported(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if got := strings.Fields(string(out)); len(got) != 1 {
		t.Errorf("the SDK imports %q beside the standard library", got)
	}
}

// noMap returns nil, out of the sight of checks that would find the mistake.
func noMap() map[int]int { return nil }
