package guard

import "github.com/skiffhq/skiff/wasmhost/module"

// The helpers are written by hand, in the binary format. Their parameters are
// those of the instruction: (to, value or from, length).

const (
	brIf     = 0x0d
	localGet = 0x20
	localSet = 0x21
	i32Const = 0x41
	i32GtU   = 0x4b
	i32LeU   = 0x4d
	i32Add   = 0x6a
	i32Sub   = 0x6b
	ifVoid   = 0x04
	loopVoid = 0x03
	void     = 0x40
	otherway = 0x05
	end      = 0x0b
)

func code(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func get(local byte) []byte { return []byte{localGet, local} }

// number pushes piece, whose encoding as a signed number needs a zero at its
// end.
func number() []byte {
	b := module.AppendU32([]byte{i32Const}, piece)
	if b[len(b)-1]&0x40 != 0 {
		b[len(b)-1] |= 0x80
		b = append(b, 0)
	}
	return b
}

// move adds or subtracts piece.
func move(local, op byte) []byte { return code(get(local), number(), []byte{op, localSet, local}) }

var (
	larger = code(get(2), number(), []byte{i32GtU}) // more than a piece is left
	again  = code(larger, []byte{brIf, 0, end})
	fillOp = []byte{0xfc, 11, 0}
	copyOp = []byte{0xfc, 10, 0, 0}
	loop   = []byte{loopVoid, void}
)

// fillBody fills piece by piece from the start. Where memory.fill would trap
// at once, this traps when it comes to the end of memory; nobody can see the
// difference, as a guest that trapped does not run again.
func fillBody() []byte {
	return code([]byte{0}, larger, []byte{ifVoid, void}, loop,
		get(0), get(1), number(), fillOp,
		move(0, i32Add), move(2, i32Sub), again,
		[]byte{end}, get(0), get(1), get(2), fillOp, []byte{end})
}

// copyBody copies from the start where the target comes first, else from the
// end, so that no piece overwrites what is still to be copied.
func copyBody() []byte {
	upwards := code(loop,
		get(0), get(1), number(), copyOp,
		move(0, i32Add), move(1, i32Add), move(2, i32Sub), again)
	downwards := code(loop, move(2, i32Sub),
		get(0), get(2), []byte{i32Add}, get(1), get(2), []byte{i32Add}, number(), copyOp, again)
	return code([]byte{0}, larger, []byte{ifVoid, void},
		get(0), get(1), []byte{i32LeU, ifVoid, void}, upwards, []byte{otherway}, downwards, []byte{end},
		[]byte{end}, get(0), get(1), get(2), copyOp, []byte{end})
}
