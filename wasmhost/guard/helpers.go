package guard

import "github.com/skiffhq/skiff/wasmhost/module"

// What is added is written by hand, in the binary format.

const (
	brIf      = 0x0d
	localGet  = 0x20
	localSet  = 0x21
	localTee  = 0x22
	globalGet = 0x23
	globalSet = 0x24
	i32Const  = 0x41
	i32LtS    = 0x48
	i32GtU    = 0x4b
	i32LeU    = 0x4d
	i32Add    = 0x6a
	i32Sub    = 0x6b
	i32ShrU   = 0x76
	ifVoid    = 0x04
	loopVoid  = 0x03
	void      = 0x40
	otherway  = 0x05
	end       = 0x0b
)

func code(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// index is an instruction whose operand is an index.
func index(op byte, i uint32) []byte { return module.AppendU32([]byte{op}, i) }

// signed encodes a constant number that is not negative.
func signed(v int64) []byte {
	b := module.AppendU32(nil, uint32(v))
	if b[len(b)-1]&0x40 != 0 {
		b[len(b)-1] |= 0x80
		b = append(b, 0)
	}
	return b
}

func get(local byte) []byte { return []byte{localGet, local} }

// number pushes piece.
func number() []byte { return code([]byte{i32Const}, signed(piece)) }

// move adds or subtracts piece.
func move(local, op byte) []byte { return code(get(local), number(), []byte{op, localSet, local}) }

var (
	larger = code(get(2), number(), []byte{i32GtU}) // more than a piece is left
	again  = code(larger, []byte{brIf, 0, end})
	fillOp = []byte{0xfc, 11, 0}
	copyOp = []byte{0xfc, 10, 0, 0}
	loop   = []byte{loopVoid, void}
)

// bulkShift is how many bytes of memory cost one unit, as a power of two.
const bulkShift = 2

// pauseBody yields and fills the budget up again.
func (w *writer) pauseBody() []byte {
	return code([]byte{0}, index(byte(opCall), w.imported), []byte{i32Const}, signed(refill), index(globalSet, w.budget), []byte{end})
}

// spendBody is a look whose price is its parameter.
func (w *writer) spendBody() []byte {
	return code([]byte{0}, w.pay(get(0)), w.check(), []byte{end})
}

// aheadBody pays what a loop pays in advance.
func (w *writer) aheadBody() []byte {
	return code([]byte{0}, w.look(advance), []byte{end})
}

// The parameters of the other helpers are those of the instruction for which
// they stand: (to, value or from, length).

// fillBody fills piece by piece from the start. Where memory.fill would trap
// at once, this traps when it comes to the end of memory; nobody can see the
// difference, as a guest that trapped does not run again.
func (w *writer) fillBody() []byte {
	return code([]byte{0}, larger, []byte{ifVoid, void}, loop, w.look(piece>>bulkShift),
		get(0), get(1), number(), fillOp,
		move(0, i32Add), move(2, i32Sub), again,
		[]byte{end}, w.payRest(), get(0), get(1), get(2), fillOp, []byte{end})
}

// copyBody copies from the start where the target comes first, else from the
// end, so that no piece overwrites what is still to be copied.
func (w *writer) copyBody() []byte {
	upwards := code(loop, w.look(piece>>bulkShift),
		get(0), get(1), number(), copyOp,
		move(0, i32Add), move(1, i32Add), move(2, i32Sub), again)
	downwards := code(loop, w.look(piece>>bulkShift), move(2, i32Sub),
		get(0), get(2), []byte{i32Add}, get(1), get(2), []byte{i32Add}, number(), copyOp, again)
	return code([]byte{0}, larger, []byte{ifVoid, void},
		get(0), get(1), []byte{i32LeU, ifVoid, void}, upwards, []byte{otherway}, downwards, []byte{end},
		[]byte{end}, w.payRest(), get(0), get(1), get(2), copyOp, []byte{end})
}

// payRest pays for the last piece.
func (w *writer) payRest() []byte {
	return code(w.pay(code(get(2), []byte{i32Const, bulkShift, i32ShrU})), w.check())
}
