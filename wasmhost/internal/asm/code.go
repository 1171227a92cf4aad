package asm

import "github.com/skiffhq/skiff/wasmhost/module"

// Instructions without operands, or whose operands are written by hand.
const (
	Unreachable = 0x00
	Block       = 0x02 // followed by Void
	Loop        = 0x03 // followed by Void
	If          = 0x04 // followed by Void
	End         = 0x0b
	Return      = 0x0f
	Drop        = 0x1a
	Eqz         = 0x45
	I32Eq       = 0x46
	I32LtU      = 0x49
	I32Add      = 0x6a
	I32Sub      = 0x6b
	I32Mul      = 0x6c
	I64Or       = 0x84
	I64Shl      = 0x86
	ExtendU     = 0xad
	Void        = 0x40
)

// Code joins bytes, ints that are one byte each, and byte slices.
func Code(parts ...any) (b []byte) {
	for _, p := range parts {
		switch v := p.(type) {
		case byte:
			b = append(b, v)
		case int:
			b = append(b, byte(v))
		case []byte:
			b = append(b, v...)
		default:
			panic("asm: neither byte nor bytes")
		}
	}
	return b
}

func with(op byte, v int) []byte { return module.AppendU32([]byte{op}, uint32(v)) }

// I32 pushes a 32-bit number.
func I32(v int) []byte { return signed(0x41, int64(int32(v))) }

// I64 pushes a 64-bit number.
func I64(v int64) []byte { return signed(0x42, v) }

func signed(op byte, v int64) []byte {
	b := []byte{op}
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// Get pushes a local.
func Get(local int) []byte { return with(0x20, local) }

// Set pops into a local.
func Set(local int) []byte { return with(0x21, local) }

// GlobalGet pushes a global.
func GlobalGet(i int) []byte { return with(0x23, i) }

// GlobalSet pops into a global.
func GlobalSet(i int) []byte { return with(0x24, i) }

// Call calls a function.
func Call(f int) []byte { return with(0x10, f) }

// CallIndirect calls a function of the first table.
func CallIndirect(typ int) []byte { return append(with(0x11, typ), 0) }

// Br branches out of blocks, to the start of a loop.
func Br(depth int) []byte { return with(0x0c, depth) }

// BrIf branches where a number is not zero.
func BrIf(depth int) []byte { return with(0x0d, depth) }

// Load8 loads an unsigned byte.
func Load8(offset int) []byte { return module.AppendU32([]byte{0x2d, 0}, uint32(offset)) }

// Load32 loads 32 bits.
func Load32(offset int) []byte { return module.AppendU32([]byte{0x28, 2}, uint32(offset)) }

// Store8 stores a byte.
func Store8(offset int) []byte { return module.AppendU32([]byte{0x3a, 0}, uint32(offset)) }

// Store32 stores 32 bits.
func Store32(offset int) []byte { return module.AppendU32([]byte{0x36, 2}, uint32(offset)) }

// Grow grows the memory by pages.
func Grow() []byte { return []byte{0x40, 0} }

// Size pushes the memory's size in pages.
func Size() []byte { return []byte{0x3f, 0} }

// Fill fills memory: at, value, length.
func Fill() []byte { return []byte{0xfc, 11, 0} }

// Copy copies memory: to, from, length.
func Copy() []byte { return []byte{0xfc, 10, 0, 0} }

// TableGrow grows the first table: reference, elements.
func TableGrow() []byte { return []byte{0xfc, 15, 0} }

// RefFunc pushes a reference to a function.
func RefFunc(f int) []byte { return with(0xd2, f) }

// RefNull pushes a reference to no function.
func RefNull() []byte { return []byte{0xd0, module.FuncRef} }

// Pack joins a pointer and a length, which are code that pushes 32 bits each,
// into a handler's result.
func Pack(ptr, n []byte) []byte {
	return Code(ptr, ExtendU, I64(32), I64Shl, n, ExtendU, I64Or)
}

// Alloc adds the skiff_alloc that always gives the same place.
func (m *Module) Alloc(at int) *Module {
	return m.Export("skiff_alloc", m.Func("i", "i", "", I32(at)))
}

// Handler adds a handler named "handle" with two more 32-bit locals.
func (m *Module) Handler(code ...any) *Module {
	return m.Export("handle", m.Func("ii", "l", "ii", code...))
}
