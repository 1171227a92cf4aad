package skiff

import "unsafe"

// The guest's side of the ABI; bootstrap/wasm/README.md has the whole of it.

// errorBit marks the length of an error result.
const errorBit = 1 << 31

// firstInput is the room for a payload that every guest has from the start,
// so that a common request allocates none. Bytes.
const firstInput = 16 << 10

// input is where the host writes the payload. It is kept here, away from the
// collector, and used again for every call; it grows to the largest payload.
var input = make([]byte, firstInput)

// output keeps the result from the collector until the host has copied it,
// which is before it calls again.
var output []byte

//go:wasmimport skiff log
//go:noescape
func hostLog(level int32, text string)

//go:wasmimport skiff meta
//go:noescape
func hostMeta(key int32, buf unsafe.Pointer, capacity uint32) int32

//go:wasmexport skiff_alloc
func alloc(n uint32) unsafe.Pointer {
	output = nil
	if int(n) > len(input) {
		input = nil // let the collector have the old one first
		input = make([]byte, n)
	}
	return unsafe.Pointer(unsafe.SliceData(input))
}

//go:wasmexport handle
func handle(ptr unsafe.Pointer, n uint32) uint64 {
	ctx := newContext(meta)
	result, failed := run(registered, ctx, unsafe.Slice((*byte)(ptr), n))
	ctx.finish()
	output = result
	packed := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(result))))<<32 | uint64(len(result))
	if failed {
		packed |= errorBit
	}
	return packed
}

// meta asks the host for a value, again with more room where the first was
// not enough. A length of 0 means that the host knows no value.
func meta(key int32) string {
	var short [64]byte
	n := hostMeta(key, unsafe.Pointer(&short), uint32(len(short)))
	if n <= 0 {
		return ""
	}
	if int(n) <= len(short) {
		return string(short[:n])
	}
	long := make([]byte, n)
	n = min(n, hostMeta(key, unsafe.Pointer(unsafe.SliceData(long)), uint32(n)))
	return string(long[:max(n, 0)])
}
