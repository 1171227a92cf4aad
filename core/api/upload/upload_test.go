package upload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func split(t *testing.T, body string) (rest Rest, code string) {
	t.Helper()
	var out bytes.Buffer
	rest, err := Split(iotest.OneByteReader(strings.NewReader(body)), "code", &out, 1<<10)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return rest, out.String()
}

func TestSplitTakesTheFieldOut(t *testing.T) {
	for body, want := range map[string]string{
		`{"code":"aGVsbG8=","description":"x"}`:                     `{"code":"","description":"x"}`,
		`{"description":"x","code":"aGVsbG8="}`:                     `{"description":"x","code":""}`,
		` { "environment" : {"code":"no"} , "code" : "aGVsbG8=" } `: ` { "environment" : {"code":"no"} , "code" : "" } `,
		`{"a":["code",{"code":"x"}],"code":"aGVs\r\nbG8="}`:         `{"a":["code",{"code":"x"}],"code":""}`,
		`{"a":"code\",:\\","code":"\u0061GVsbG8\u003d"}`:            `{"a":"code\",:\\","code":""}`,
		`{"xcode":"1","cod":"2","codes":"3","code":"aGVsbG8="}`:     `{"xcode":"1","cod":"2","codes":"3","code":""}`,
	} {
		rest, code := split(t, body)
		if string(rest.JSON) != want || !rest.Found || rest.Problem != nil || code != "hello" {
			t.Errorf("%s: rest %s, found %v, problem %v, code %q", body, rest.JSON, rest.Found, rest.Problem, code)
		}
	}
}

func TestSplitUnescapesSlashes(t *testing.T) {
	if rest, code := split(t, `{"code":"\/\/8="}`); rest.Problem != nil || code != "\xff\xff" {
		t.Errorf("%+v, %q", rest, code)
	}
}

func TestSplitLeavesWhatIsNotTheField(t *testing.T) {
	for _, body := range []string{
		`{"code":5}`, `{"code":null}`, `{"code":["aGVsbG8="]}`, `{"x":"code"}`, `["code","aGVsbG8="]`, `"code"`, `{}`, ``, `{"code"`, `}{`, `{"code":{"code":"eA=="}}`,
	} {
		if rest, code := split(t, body); rest.Found || string(rest.JSON) != body || code != "" {
			t.Errorf("%s: %+v, code %q", body, rest, code)
		}
	}
}

func TestSecondFieldStaysToBeRefused(t *testing.T) {
	if rest, _ := split(t, `{"code":"eA==","code":"eQ=="}`); string(rest.JSON) != `{"code":"","code":"eQ=="}` {
		t.Errorf("rest %s", rest.JSON)
	}
}

func TestSplitRefusesBadBase64(t *testing.T) {
	for _, text := range []string{"a", "aGVsbG8", "a$==", "eA==eA==", "eB==", "=", "eA=", `\\`, `\t`, `\u00e4`, `\uzzzz`, "eA== ", strings.Repeat("A", 4094) + "==" + "AAAA"} {
		if rest, _ := split(t, `{"code":"`+text+`"}`); rest.Problem == nil {
			t.Errorf("%.20q was accepted", text)
		}
	}
	if rest, code := split(t, `{"code":""}`); rest.Problem != nil || !rest.Found || code != "" {
		t.Errorf("empty: %+v", rest)
	}
}

func TestSplitBoundsTheRest(t *testing.T) {
	body := io.MultiReader(strings.NewReader(`{"description":"`), endless{})
	if _, err := Split(body, "code", io.Discard, 1000); !errors.Is(err, ErrRestTooLarge) {
		t.Errorf("got %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

func TestSpoolBoundsTheField(t *testing.T) {
	body := io.MultiReader(strings.NewReader(`{"code":"`), endless{})
	spool := NewSpool(t.TempDir(), 3<<20)
	defer spool.Close()
	if _, err := Split(body, "code", spool, 1000); !errors.Is(err, ErrCodeTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestSplitPassesErrorsOfTheBodyOn(t *testing.T) {
	broken := errors.New("broken")
	if _, err := Split(iotest.ErrReader(broken), "code", io.Discard, 10); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestLargeUploadsGoThroughAFileWithoutAName(t *testing.T) {
	for _, size := range []int{0, 1, memoryBytes, memoryBytes + 1, 3*memoryBytes + 7} {
		dir := t.TempDir()
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(rand.Uint32())
		}
		body, _ := json.Marshal(map[string]any{"code": want, "description": "x"})
		spool := NewSpool(dir, int64(size))
		rest, err := Split(bytes.NewReader(body), "code", spool, 1000)
		if err != nil || rest.Problem != nil || !rest.Found {
			t.Fatalf("%d bytes: %+v, %v", size, rest, err)
		}
		in, err := spool.Reader()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d came back, %v", size, len(got), err)
		}
		if names, _ := os.ReadDir(dir); len(names) != 0 {
			t.Errorf("%d bytes: %v is left", size, names)
		}
		if err := spool.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSpoolTellsOfADiskThatFails(t *testing.T) {
	spool := NewSpool(t.TempDir()+"/missing", 10<<20)
	defer spool.Close()
	if _, err := spool.Write(make([]byte, memoryBytes+1)); err == nil {
		t.Error("no error")
	}
}

func FuzzSplit(f *testing.F) {
	for _, body := range []string{`{"code":"aGVsbG8=","a":{"code":1}}`, `{"code":"\u0061\/","code":""}`, `{"\"code":"x"}`, `[{`, `"`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var out bytes.Buffer
		rest, err := Split(bytes.NewReader(body), "code", &out, 1<<20)
		if err != nil || !json.Valid(body) {
			return
		}
		if !json.Valid(rest.JSON) {
			t.Fatalf("%q became %q", body, rest.JSON)
		}
		var in struct {
			Code json.RawMessage `json:"code"`
		}
		var text string
		if json.Unmarshal(body, &in) != nil || !rest.Found || rest.Problem != nil || json.Unmarshal(in.Code, &text) != nil || bytes.Count(body, []byte("ode\"")) != 1 {
			return
		}
		want, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !bytes.Equal(want, out.Bytes()) {
			t.Fatalf("%q: got %q, want %q, %v", body, out.Bytes(), want, err)
		}
	})
}
