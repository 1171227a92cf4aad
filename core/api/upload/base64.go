package upload

import (
	"encoding/base64"
	"errors"
	"io"
)

var (
	errBase64 = errors.New("must be base64 (RFC 4648 §4)")
	errPieces = errors.New("must be base64 whose padding, if any, is complete and at its end")
)

// decoder decodes base64 that comes byte by byte. Line breaks are left out.
type decoder struct {
	to      io.Writer
	in      [4096]byte // whole groups of four, when full
	n       int
	out     [3072]byte
	padded  bool  // the end has been seen
	problem error // what is wrong with the text
	failed  error // what to said
}

func (d *decoder) add(c byte) {
	if c == '\n' || c == '\r' || d.problem != nil || d.failed != nil {
		return
	}
	d.in[d.n] = c
	if d.n++; d.n == len(d.in) {
		d.flush()
	}
}

func (d *decoder) flush() {
	if d.padded {
		d.problem = errPieces
	}
	if d.n == 0 || d.problem != nil || d.failed != nil {
		d.n = 0
		return
	}
	n, err := base64.StdEncoding.Strict().Decode(d.out[:], d.in[:d.n])
	d.padded = d.in[d.n-1] == '='
	d.n = 0
	if err != nil {
		d.problem = errBase64
		return
	}
	_, d.failed = d.to.Write(d.out[:n])
}

// finish decodes what is left and says what is wrong with the whole.
func (d *decoder) finish() error {
	if d.n > 0 {
		d.flush()
	}
	return d.problem
}
