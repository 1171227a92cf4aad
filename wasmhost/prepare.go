package wasmhost

import (
	"github.com/skiffhq/skiff/wasmhost/guard"
	"github.com/skiffhq/skiff/wasmhost/module"
)

// prepare turns an uploaded module into the one that is compiled. Everything
// that instruments guests has its place here.
func prepare(binary []byte, m *module.Module) ([]byte, error) {
	out, _, err := guard.Rewrite(binary, m)
	return out, err
}
