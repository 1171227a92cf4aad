package openapi

import (
	"encoding/json"
	"testing"
)

func TestDocumentIsOneJSONObject(t *testing.T) {
	var doc struct {
		OpenAPI    string                    `json:"openapi"`
		Paths      map[string]any            `json:"paths"`
		Components map[string]map[string]any `json:"components"`
	}
	if err := json.Unmarshal(Document(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || len(doc.Paths) < 20 || len(doc.Components["schemas"]) < 30 || len(doc.Components["responses"]) < 13 {
		t.Errorf("version %q, %d paths", doc.OpenAPI, len(doc.Paths))
	}
}

func TestPartsMayNotContradictEachOther(t *testing.T) {
	whole := map[string]any{"a": map[string]any{"x": 1}}
	merge(whole, map[string]any{"a": map[string]any{"y": 2}, "b": 3})
	if a := whole["a"].(map[string]any); len(a) != 2 || whole["b"] != 3 {
		t.Errorf("merged to %v", whole)
	}
	defer func() {
		if recover() == nil {
			t.Error("a second value was taken")
		}
	}()
	merge(whole, map[string]any{"a": map[string]any{"x": 4}})
}
