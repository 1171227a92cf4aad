// Reactor adds a greeting to the JSON object that it is given.
package main

import (
	"encoding/json"
	"unsafe"
)

var in, out []byte

//go:wasmexport skiff_alloc
func alloc(n uint32) uint32 {
	in = make([]byte, max(n, 1))
	return uint32(uintptr(unsafe.Pointer(&in[0])))
}

//go:wasmexport handle
func handle(_, n uint32) uint64 {
	var m map[string]any
	if err := json.Unmarshal(in[:n], &m); err != nil {
		return answer([]byte(err.Error()), 1<<31)
	}
	m["hello"] = "world"
	b, _ := json.Marshal(m)
	return answer(b, 0)
}

func answer(b []byte, flag uint64) uint64 {
	out = b
	return uint64(uintptr(unsafe.Pointer(&out[0])))<<32 | uint64(len(out)) | flag
}

func main() {}
