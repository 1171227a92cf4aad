package wasmhost

import "github.com/skiffhq/skiff/wasmhost/module"

// prepare turns an uploaded module into the one that is compiled. Everything
// that instruments guests has its place here.
func prepare(binary []byte, _ *module.Module) ([]byte, error) {
	return binary, nil
}
