package guard

// where tells where a function looks.
type where uint8

const (
	nowhere where = iota
	atEntry
	afterCalls // and at the entry
)

// looks decides where functions look whether they were interrupted, beside the
// heads of their loops, and tells what each weighs, in bytes of code with all
// that it calls and that does not look.
//
// Without a loop a guest runs long in two ways only: by calling, in a circle
// or twice at each of many levels, and by returning from a deep recursion
// through much code. A function that is in a circle, that calls through a
// table (which may close one), or that weighs much, looks at its entry. So a
// function that does not look weighs little. One that has much code of its
// own looks after its calls, too, for the way back.
func looks(s *scanned) (out []where, weight []int) {
	out = make([]where, len(s.functions))
	weight = make([]int, len(s.functions))
	for _, group := range components(s.functions) {
		for _, i := range group {
			f := &s.functions[i]
			weight[i] = f.size
			circle := f.indirect || len(group) > 1
			for _, c := range f.calls {
				if circle = circle || c.callee == i; out[c.callee] == nowhere && c.callee != i {
					weight[i] = min(weight[i]+weight[c.callee], maxWeight+1)
				}
			}
			if circle || weight[i] > maxWeight {
				out[i] = atEntry
			}
			if out[i] == atEntry && f.size > largeBody {
				out[i] = afterCalls
			}
		}
	}
	return out, weight
}

// components returns the strongly connected components of the graph of calls,
// callees before their callers (Tarjan's algorithm, without recursion as the
// graph is a guest's).
func components(functions []function) (groups [][]uint32) {
	t := &tarjan{functions: functions, number: make([]uint32, len(functions)), low: make([]uint32, len(functions)), waiting: make([]bool, len(functions))}
	for i := range functions {
		if t.number[i] == 0 {
			t.visit(uint32(i))
		}
	}
	return t.groups
}

type tarjan struct {
	functions   []function
	number, low []uint32
	waiting     []bool // on the stack of those whose component is not complete
	stack       []uint32
	next        uint32
	groups      [][]uint32
}

// step is a function that is being visited, and which call comes next.
type step struct {
	f    uint32
	call int
}

func (t *tarjan) enter(f uint32) step {
	t.next++
	t.number[f], t.low[f] = t.next, t.next
	t.stack = append(t.stack, f)
	t.waiting[f] = true
	return step{f: f}
}

func (t *tarjan) visit(root uint32) {
	path := []step{t.enter(root)}
	for len(path) > 0 {
		at := &path[len(path)-1]
		if calls := t.functions[at.f].calls; at.call < len(calls) {
			callee := calls[at.call].callee
			at.call++
			switch {
			case t.number[callee] == 0:
				path = append(path, t.enter(callee))
			case t.waiting[callee]:
				t.low[at.f] = min(t.low[at.f], t.number[callee])
			}
			continue
		}
		f := at.f
		path = path[:len(path)-1]
		if len(path) > 0 {
			caller := path[len(path)-1].f
			t.low[caller] = min(t.low[caller], t.low[f])
		}
		t.leave(f)
	}
}

// leave completes the component of which f is the first function.
func (t *tarjan) leave(f uint32) {
	if t.low[f] != t.number[f] {
		return
	}
	for i := len(t.stack) - 1; ; i-- {
		t.waiting[t.stack[i]] = false
		if t.stack[i] == f {
			t.groups = append(t.groups, append([]uint32(nil), t.stack[i:]...))
			t.stack = t.stack[:i]
			return
		}
	}
}
