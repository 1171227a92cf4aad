package guard

import "github.com/skiffhq/skiff/wasmhost/module"

// opcode is an instruction; those behind a prefix have it in the higher byte.
type opcode uint32

const (
	opBlock        opcode = 0x02
	opLoop         opcode = 0x03
	opIf           opcode = 0x04
	opEnd          opcode = 0x0b
	opCall         opcode = 0x10
	opCallIndirect opcode = 0x11
	opGlobalGet    opcode = 0x23
	opGlobalSet    opcode = 0x24
	opTableSet     opcode = 0x26
	opMemoryGrow   opcode = 0x40
	opRefFunc      opcode = 0xd2
	opMemoryInit   opcode = 0xfc08
	opDataDrop     opcode = 0xfc09
	opMemoryCopy   opcode = 0xfc0a
	opMemoryFill   opcode = 0xfc0b
	opTableInit    opcode = 0xfc0c
	opElemDrop     opcode = 0xfc0d
	opTableCopy    opcode = 0xfc0e
	opTableGrow    opcode = 0xfc0f
	opTableSize    opcode = 0xfc10
	opTableFill    opcode = 0xfc11
)

// instruction is one instruction of a body.
type instruction struct {
	op         opcode
	arg        uint32 // the first operand, where that is an index
	start, end int    // offsets in bytes
	branches   int    // how many ways or places it adds
}

// straight reports whether what follows is always executed next.
func (in *instruction) straight() bool {
	return in.op == opBlock || in.op == 0x01 || in.op > opCallIndirect
}

// walk calls fn with each instruction of a body, which ends with b.
func walk(b []byte, at int, fn func(*instruction)) error {
	r := module.NewReader(b, at)
	in := &instruction{}
	for r.More() {
		*in = instruction{start: r.Offset()}
		operands(r, in)
		in.end = r.Offset()
		if r.Err() == nil {
			fn(in)
		}
	}
	if r.Err() == nil && (in.op != opEnd || at == len(b)) {
		r.Fail("a function has no end")
	}
	return r.Err()
}

// operands reads an instruction.
func operands(r *module.Reader, in *instruction) {
	op := r.Byte()
	in.op = opcode(op)
	switch {
	case op <= 0x01, op == 0x05, op == 0x0b, op == 0x0f, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4, op == 0xd1:
	case op >= 0x02 && op <= 0x04: // block, loop, if
		r.SkipSigned(33)
		in.branches = 1
		if in.op == opLoop {
			in.branches = 3 // with its look
		}
	case op == 0x0c, op == 0x0d: // br, br_if
		r.U32()
		in.branches = 1
	case op == 0x10, op >= 0x20 && op <= 0x26, op == 0xd2:
		in.arg = r.U32()
	case op == 0x0e: // br_table
		in.branches = r.Count(module.MaxBody, "branches")
		for range in.branches {
			r.U32()
		}
		r.U32()
	case op == 0x11: // call_indirect
		in.arg = r.U32()
		r.U32()
	case op == 0x1c: // select with types
		r.Bytes(uint32(r.Count(module.MaxParams, "types")))
	case op >= 0x28 && op <= 0x3e: // loads and stores
		memoryOperand(r)
	case op == 0x3f, op == 0x40, op == 0xd0: // memory.size, memory.grow, ref.null
		r.Byte()
	case op >= 0x41 && op <= 0x44:
		constant(r, op)
	case op == 0xfc:
		bulk(r, in)
	case op == 0xfd:
		vector(r, in)
	default:
		unsupported(r, op)
	}
}

func constant(r *module.Reader, op byte) {
	switch op {
	case 0x41:
		r.SkipSigned(32)
	case 0x42:
		r.SkipSigned(64)
	case 0x43:
		r.Bytes(4)
	case 0x44:
		r.Bytes(8)
	}
}

func unsupported(r *module.Reader, op byte) {
	switch {
	case op == 0xfe:
		r.Fail("it uses atomic instructions (threads), which are not supported: build it for a single thread")
	case op >= 0x06 && op <= 0x0a, op == 0x18, op == 0x19, op == 0x1f:
		r.Fail("it uses exceptions, which are not supported: build it without them")
	case op >= 0x12 && op <= 0x15:
		r.Fail("it uses tail calls or typed references, which are not supported")
	default:
		r.Fail("the instruction %#x is not known", op)
	}
}

// memoryOperand reads an alignment and an offset.
func memoryOperand(r *module.Reader) {
	if align := r.U32(); align >= 32 {
		r.Fail("an instruction names another memory than the first")
	}
	r.U32()
}

// bulk reads what is behind the prefix 0xfc.
func bulk(r *module.Reader, in *instruction) {
	sub := r.U32()
	in.op = 0xfc00 | opcode(sub)
	switch {
	case sub <= 7: // saturating conversions
	case sub == 8: // memory.init
		in.arg = r.U32()
		r.Byte()
	case sub == 9, sub == 13, sub >= 15 && sub <= 17:
		in.arg = r.U32()
	case sub == 10: // memory.copy
		r.Bytes(2)
	case sub == 11: // memory.fill
		r.Byte()
	case sub == 12, sub == 14:
		in.arg = r.U32()
		r.U32()
	default:
		r.Fail("the instruction 0xfc %d is not known", sub)
	}
}

// vector reads what is behind the prefix 0xfd.
func vector(r *module.Reader, in *instruction) {
	sub := r.U32()
	in.op = 0xfd00 | opcode(sub)
	switch {
	case sub <= 11, sub == 92, sub == 93: // loads and stores
		memoryOperand(r)
	case sub == 12, sub == 13: // v128.const, i8x16.shuffle
		r.Bytes(16)
	case sub >= 21 && sub <= 34: // lanes
		r.Byte()
	case sub >= 84 && sub <= 91: // loads and stores of a lane
		memoryOperand(r)
		r.Byte()
	case sub > 255:
		r.Fail("it uses relaxed vector instructions, which are not supported")
	}
}
