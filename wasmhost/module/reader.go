package module

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// Reader reads the primitives of the binary format. After the first error it
// reads zeros, so that callers check once.
type Reader struct {
	b   []byte
	at  int
	err error
}

// NewReader returns a reader of b from an offset.
func NewReader(b []byte, at int) *Reader { return &Reader{b: b, at: at} }

// Offset returns how far the reader has come, in bytes.
func (r *Reader) Offset() int { return r.at }

// Err returns what went wrong first.
func (r *Reader) Err() error { return r.err }

// Fail records an error, unless there was one before.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: %s", r.at, fmt.Sprintf(format, args...))
		r.at = len(r.b)
	}
}

// More reports whether there is anything left to read.
func (r *Reader) More() bool { return r.err == nil && r.at < len(r.b) }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.at >= len(r.b) {
		r.Fail("it ends too early")
		return 0
	}
	b := r.b[r.at]
	r.at++
	return b
}

// Bytes reads n bytes, which share the memory of the module.
func (r *Reader) Bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.Fail("it ends too early")
		return nil
	}
	b := r.b[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

// U32 reads an unsigned number of up to 32 bits in LEB128.
func (r *Reader) U32() uint32 {
	v := uint64(0)
	for shift := 0; shift < 35; shift += 7 {
		b := r.Byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if v > math.MaxUint32 {
				break
			}
			return uint32(v)
		}
	}
	r.Fail("a number has more than 32 bits")
	return 0
}

// S32 reads a signed number of up to 32 bits in LEB128.
func (r *Reader) S32() int32 {
	v := int64(0)
	for shift := 0; shift < 35; shift += 7 {
		b := r.Byte()
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return int32(v)
		}
	}
	r.Fail("a number has more than 32 bits")
	return 0
}

// SkipSigned reads past a signed number of up to bits bits in LEB128.
func (r *Reader) SkipSigned(bits int) {
	for n := 0; n < bits; n += 7 {
		if r.Byte() < 0x80 {
			return
		}
	}
	r.Fail("a number has more than %d bits", bits)
}

// Name reads a string, which must be UTF-8.
func (r *Reader) Name() string {
	b := r.Bytes(r.U32())
	if !utf8.Valid(b) {
		r.Fail("a name is not UTF-8")
		return ""
	}
	return string(b)
}

// Count reads the length of a list of what, of which each entry takes at
// least one byte, and refuses more than limit.
func (r *Reader) Count(limit int, what string) int {
	n := r.U32()
	switch {
	case int64(n) > int64(limit):
		r.Fail("it has %d %s, %d are allowed", n, what, limit)
		return 0
	case int64(n) > int64(len(r.b)-r.at):
		r.Fail("it ends too early")
		return 0
	}
	return int(n)
}

// AppendU32 appends an unsigned number in LEB128.
func AppendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}
