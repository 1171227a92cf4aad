package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/skiffhq/skiff/core/api/openapi"
	"github.com/skiffhq/skiff/core/fault"
)

// contract checks requests and answers against the document.
func contract(t *testing.T) validator.Validator {
	t.Helper()
	doc, err := libopenapi.NewDocument(openapi.Document())
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	for _, err := range errs {
		t.Fatal(err)
	}
	return v
}

func TestDocumentIsValid(t *testing.T) {
	if ok, errs := contract(t).ValidateDocument(); !ok {
		for _, e := range errs {
			t.Errorf("%s: %s", e.Message, e.Reason)
			for _, s := range e.SchemaValidationErrors {
				t.Errorf("  %s %s", s.FieldPath, s.Reason)
			}
		}
	}
}

// described is the document as far as tests read it.
type described struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas struct {
			Error struct {
				Properties struct {
					Error struct {
						Properties struct {
							Code struct {
								Enum []string `json:"enum"`
							} `json:"code"`
						} `json:"properties"`
					} `json:"error"`
				} `json:"properties"`
			} `json:"Error"`
		} `json:"schemas"`
		Responses map[string]json.RawMessage `json:"responses"`
	} `json:"components"`
}

func description(t *testing.T) described {
	t.Helper()
	var d described
	if err := json.Unmarshal(openapi.Document(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocumentHasEveryRouteAndNoOther(t *testing.T) {
	d := description(t)
	count := 0
	for i := range table {
		rt := &table[i]
		op := d.Paths[rt.path][strings.ToLower(rt.method)]
		if op == nil {
			t.Errorf("the document lacks %s %s", rt.method, rt.path)
			continue
		}
		count++
		if open := bytes.Contains(op, []byte(`"security":[]`)); open != rt.open {
			t.Errorf("%s %s: the document says open %v", rt.method, rt.path, open)
		}
	}
	for _, methods := range d.Paths {
		for method := range methods {
			if method != "parameters" {
				count--
			}
		}
	}
	if count != 0 {
		t.Errorf("the document has %d operations that are no routes", -count)
	}
}

func TestDocumentHasEveryCode(t *testing.T) {
	known := map[string]bool{}
	d := description(t)
	for _, code := range d.Components.Schemas.Error.Properties.Error.Properties.Code.Enum {
		known[code] = true
	}
	var all []outcome
	for _, o := range byReason {
		all = append(all, o)
	}
	for class, o := range byClass {
		if class != fault.Canceled { // nobody reads that one
			all = append(all, o)
		}
	}
	for _, o := range all {
		if !known[o.code] {
			t.Errorf("the schema lacks %s", o.code)
		}
		status := http.StatusText(o.status)
		if r := d.Components.Responses[itoa(o.status)]; !bytes.Contains(r, []byte(`"`+o.code+`"`)) {
			t.Errorf("the response %d (%s) lacks an example of %s", o.status, status, o.code)
		}
	}
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// check validates one answer, and the request where it was meant to be right.
func (w *world) check(v validator.Validator, c call, want int) {
	w.t.Helper()
	req := w.request(c)
	res, err := w.client.Do(req)
	w.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.must(err)
	if res.StatusCode != want {
		w.t.Errorf("%s %s: %d, want %d: %.300s", c.method, c.path, res.StatusCode, want, body)
		return
	}
	again := w.request(c)
	if want < 300 {
		if ok, errs := v.ValidateHttpRequest(again); !ok {
			for _, e := range errs {
				w.t.Errorf("%s %s: the request does not fit: %s: %s %v", c.method, c.path, e.Message, e.Reason, e.SchemaValidationErrors)
			}
		}
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	if ok, errs := v.ValidateHttpResponse(w.request(c), res); !ok {
		for _, e := range errs {
			w.t.Errorf("%s %s answers %d: %s: %s %v: %.300s", c.method, c.path, want, e.Message, e.Reason, e.SchemaValidationErrors, body)
		}
	}
}

func TestEveryAnswerFitsTheDocument(t *testing.T) {
	v := contract(t)
	w := sampled(t)
	for i := range table {
		rt := &table[i]
		s := samples[rt.method+" "+rt.path]
		kind := s.header
		if kind == "" && s.body != "" {
			kind = "application/json"
		}
		header := map[string]string{}
		if kind != "" {
			header["Content-Type"] = kind
		}
		path, body := w.spares(s, rt, 1000+i)
		c := call{as: "admin", method: rt.method, path: w.tokenOf(path, "admin"), body: body, header: header}
		w.check(v, c, s.want)
		if !rt.open {
			c.as = ""
			w.check(v, c, 401)
			c.as = "admin"
		}
		if s.bad == 0 {
			continue
		}
		if s.badPath != "" {
			c.path = s.badPath
		}
		if s.badBody != "" {
			c.body = s.badBody
		}
		w.check(v, c, s.bad)
	}
}

func TestDocumentNeedsNoToken(t *testing.T) {
	w := newWorld(t, nil)
	for _, as := range []string{"", "viewer", "revoked"} {
		a := w.do(200, as, "GET", "openapi.json")
		if !bytes.Equal(a.body, openapi.Document()) || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("as %q: %.80s", as, a.body)
		}
	}
}
