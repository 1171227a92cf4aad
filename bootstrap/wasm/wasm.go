// Package wasm holds the sources of the guest SDKs and their examples, so
// that a program can hand them out or build them wherever it runs.
//
// The SDK for Go is the package skiff below it; README.md is the guest ABI.
// Running guests is the business of wasmhost, building them of the package
// guests; neither belongs here, and no server code is imported.
package wasm

import "embed"

// Sources has every file that a build of the examples needs, by its path
// below this directory.
//
//go:embed skiff/*.go c/skiff.h assemblyscript/*.ts
//go:embed examples/go/*.go examples/go-command/*.go examples/c/*.c examples/c-command/*.c
//go:embed examples/assemblyscript/*.ts examples/assemblyscript/*.json examples/assemblyscript/.npmrc
var Sources embed.FS
