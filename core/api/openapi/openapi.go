// Package openapi holds the OpenAPI 3.1 document of the API, in parts by
// subject. It is the source of truth for shapes: core/api's tests hold every
// route and every answer to it.
package openapi

import (
	"embed"
	"encoding/json"
	"fmt"
	"sync"
)

//go:embed *.json
var parts embed.FS

// Document returns the whole document as JSON. It is shared and not to be
// changed.
var Document = sync.OnceValue(func() []byte {
	names, err := parts.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("openapi: list the parts: %v", err))
	}
	whole := map[string]any{}
	for _, entry := range names {
		data, err := parts.ReadFile(entry.Name())
		var part map[string]any
		if err == nil {
			err = json.Unmarshal(data, &part)
		}
		if err != nil {
			panic(fmt.Sprintf("openapi: %s: %v", entry.Name(), err))
		}
		merge(whole, part)
	}
	data, err := json.Marshal(whole)
	if err != nil {
		panic(fmt.Sprintf("openapi: %v", err))
	}
	return data
})

// merge adds what is in part; objects that are in both are merged.
func merge(whole, part map[string]any) {
	for key, value := range part {
		into, both := whole[key].(map[string]any)
		from, object := value.(map[string]any)
		if both && object {
			merge(into, from)
			continue
		}
		if _, taken := whole[key]; taken {
			panic(fmt.Sprintf("openapi: %q is said twice", key))
		}
		whole[key] = value
	}
}
