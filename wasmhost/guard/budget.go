package guard

// The budget is counted in units of about a byte of code that is executed.
const (
	// refill is the budget from one yield to the next: 10 to 100 µs of what
	// compilers produce. A guest that chooses the slowest instructions, or
	// touches a new page of memory at each turn, makes it some hundred times as
	// long.
	refill = 1 << 20

	// least is the price of a look. It bounds the turns between two yields,
	// whatever one does.
	least = 64

	// steep is how many bytes are paid in full. Of longer code only a part is
	// executed, usually, so that of what follows one byte in gentle is paid, and
	// beyond huge, where few but the hostile are, one in rough.
	steep, gentle = 256, 32
	huge, rough   = 64 << 10, 8

	// What a loop without calls pays in advance, see writer.turn: at its start,
	// where it may be over soon, and then each time that is used up.
	deposit, advance = 1 << 10, 16 << 10
)

// price returns what code of so many bytes costs.
func price(bytes int) int {
	return max(least, min(bytes, steep)+max(0, min(bytes, huge)-steep)/gentle+max(0, bytes-huge)/rough)
}

// prices returns what it costs to pass through each region of a function.
// Callees that do not look are part of it.
func (w *writer) prices(i int) []int {
	f := &w.scan.functions[i]
	p := make([]int, len(f.regions))
	for r := range f.regions {
		p[r] = f.regions[r].size
	}
	for _, c := range f.calls {
		if w.looks[c.callee] == nowhere {
			p[c.region] += w.weights[c.callee]
		}
	}
	for r := range p {
		p[r] = price(p[r])
	}
	return p
}

// look pays from the budget and yields where nothing is left. It leaves the
// operands alone, so that it may stand between any two instructions.
func (w *writer) look(cost int) []byte {
	return code(w.pay(code([]byte{i32Const}, signed(int64(cost)))), w.check())
}

// lookAway is the same look in a function of its own, which takes longer but
// adds no branches where it stands.
func (w *writer) lookAway(cost int) []byte {
	return code([]byte{i32Const}, signed(int64(cost)), index(byte(opCall), w.spend))
}

// pay takes from the budget what the code pushes.
func (w *writer) pay(cost []byte) []byte {
	return code(index(globalGet, w.budget), cost, []byte{i32Sub}, index(globalSet, w.budget))
}

func (w *writer) check() []byte {
	return code(index(globalGet, w.budget), []byte{i32Const, 0, i32LtS, ifVoid, void}, w.yield(), []byte{end})
}

// yield calls the host, whatever is left of the budget.
func (w *writer) yield() []byte { return index(byte(opCall), w.pause) }

// turn is the look of a loop that makes no calls and is not long. To read and
// write a global takes longer than many a loop, so it pays in advance and counts
// that down in a local. What is left when it ends is lost: returned it would be paid twice
// where a branch forgets it, and kept it would be there for a million frames
// of a recursion at once.
func (w *writer) turn(local uint32, cost int) []byte {
	return code(index(localGet, local), []byte{i32Const}, signed(int64(cost)), []byte{i32Sub}, index(localTee, local),
		[]byte{i32Const, 0, i32LtS, ifVoid, void},
		index(byte(opCall), w.ahead), []byte{i32Const}, signed(advance), index(localSet, local),
		[]byte{end})
}

// begin stands before the outermost loop that pays in advance. It only pays:
// who comes here again and again passes a look on the way.
func (w *writer) begin(local uint32) []byte {
	number := code([]byte{i32Const}, signed(deposit))
	return code(w.pay(number), number, index(localSet, local))
}
