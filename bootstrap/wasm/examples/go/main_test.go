package main

import (
	"testing"

	"github.com/skiffhq/skiff/bootstrap/wasm/skiff"
)

func TestGreet(t *testing.T) {
	got := skiff.Invoke(nil, skiff.Meta{RequestID: "req-1"}, []byte(`{"name":"Ada"}`))
	if string(got.Payload) != `{"message":"Hello, Ada"}` {
		t.Errorf("got %s, %v", got.Payload, got.Err)
	}
}

func TestGreetNeedsAName(t *testing.T) {
	if got := skiff.Invoke(nil, skiff.Meta{}, []byte(`{}`)); got.Err == nil || got.Err.Type != "BadRequest" {
		t.Errorf("got %s, %v, want a BadRequest", got.Payload, got.Err)
	}
}
