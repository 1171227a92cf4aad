package linear

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/memory"
)

type rig struct {
	*Pool
	ledger  *memory.Ledger
	account *memory.Account
}

func newRig(t testing.TB, budget, maxIdle int64) *rig {
	l := memory.New(budget)
	r := &rig{Pool: NewPool(l, maxIdle), ledger: l, account: l.Account("guest")}
	t.Cleanup(func() {
		r.Close()
		r.account.Close()
		if u := l.Usage(); u.Used != 0 || r.Live() != 0 {
			t.Errorf("%+v and %d memories are left", u, r.Live())
		}
	})
	return r
}

func (r *rig) memory(limit uint64) *Memory {
	m := new(Memory)
	m.Init(r.Pool, r.account, limit)
	return m
}

func TestGrowsInPlaceUpToItsLimit(t *testing.T) {
	r := newRig(t, 1<<30, 1<<30)
	m := r.memory(3 << 20)
	defer m.Release()
	small := m.Reallocate(64 << 10)
	small[5] = 7
	grown := m.Reallocate(3 << 20)
	if &small[0] != &grown[0] || grown[5] != 7 || len(grown) != 3<<20 || cap(grown) != 3<<20 {
		t.Error("it moved, or lost what was in it")
	}
	grown[len(grown)-1] = 1
	if m.Reallocate(3<<20+1) != nil || !errors.Is(m.Denied(), ErrLimit) {
		t.Errorf("it grew beyond its limit: %v", m.Denied())
	}
	if r.account.Held() != 3<<20 || m.Size() != 3<<20 {
		t.Errorf("%d bytes are charged for %d", r.account.Held(), m.Size())
	}
	if m.Reallocate(1) != nil {
		t.Error("it became smaller")
	}
}

func TestDoesNotGrowBeyondTheBudget(t *testing.T) {
	r := newRig(t, 1<<20, 1<<30)
	m := r.memory(1 << 30)
	defer m.Release()
	if m.Reallocate(1<<20) == nil || m.Reallocate(1<<20+1) != nil {
		t.Error("the budget does not hold")
	}
	if !fault.HasReason(m.Denied(), memory.ReasonBudget) {
		t.Errorf("it says %v", m.Denied())
	}
}

// TestHandsOutZeros dirties memories of sizes around those at which zeroing
// changes its way, and looks at what comes back.
func TestHandsOutZeros(t *testing.T) {
	r := newRig(t, 1<<32, 1<<30)
	for _, size := range []uint64{1, 4096, clearLimit - 1, clearLimit, clearLimit + 1, clearLimit + 4096, 3 * clearLimit, 16 << 20} {
		for _, reset := range []bool{false, true} {
			m := r.memory(16 << 20)
			b := m.Reallocate(size)
			for i := range b {
				b[i] = 0xff
			}
			if reset {
				if !m.Wipe() || m.Size() != int64(size) {
					t.Error("it was not wiped")
				}
				zero(t, m.Bytes())
			}
			m.Release()
			m.Release()
			again := r.memory(16 << 20)
			all := again.Reallocate(16 << 20)
			if len(all) != 16<<20 {
				t.Fatal(again.Denied())
			}
			zero(t, all)
			again.Release()
		}
	}
}

func zero(t *testing.T, b []byte) {
	t.Helper()
	if len(b) > 0 && (b[0] != 0 || !bytes.Equal(b[1:], b[:len(b)-1])) {
		t.Fatalf("something in %d bytes was left by another", len(b))
	}
}

func TestUsesMappingsAgainWithinItsBound(t *testing.T) {
	r := newRig(t, 1<<30, 256<<10)
	var all []*Memory
	for range 8 {
		m := r.memory(1 << 20)
		m.Reallocate(64 << 10)
		all = append(all, m)
	}
	first := &all[0].Bytes()[0]
	for _, m := range all {
		m.Release()
	}
	if held := r.idle.Held(); held != 256<<10 {
		t.Errorf("idle mappings hold %d bytes", held)
	}
	if n := len(r.free[classOf(1<<20)]); n != 4 {
		t.Errorf("%d mappings wait", n)
	}
	for range 4 {
		m := r.memory(1 << 20)
		m.Reallocate(64 << 10)
		all = append(all, m)
	}
	if &all[len(all)-1].Bytes()[0] != first {
		t.Error("the mapping that was kept first was not used again")
	}
	for _, m := range all {
		m.Release()
	}
	if n := r.Trim(); n != 4 || r.idle.Held() != 0 {
		t.Errorf("trimmed %d mappings, %d bytes are left", n, r.idle.Held())
	}
}

func TestClassesHoldTheirLimit(t *testing.T) {
	for _, limit := range []uint64{1, 1 << 20, 1<<20 + 1, 128 << 20, 192 << 20, 1<<32 - 1, 1 << 32} {
		if c := classOf(limit); c < minClass || c > maxClass || uint64(1)<<c < limit || c > minClass && uint64(1)<<(c-1) >= limit {
			t.Errorf("%d bytes are of class %d", limit, c)
		}
	}
}

func TestServesManyAtOnce(t *testing.T) {
	r := newRig(t, 1<<30, 1<<20)
	var wg sync.WaitGroup
	for range 8 {
		account := r.ledger.Account("worker")
		defer account.Close()
		wg.Go(func() {
			var m Memory
			for i := range 200 {
				m.Init(r.Pool, account, 2<<20)
				b := m.Reallocate(uint64(1+i%3) * (512 << 10))
				if b[0] != 0 || b[len(b)-1] != 0 {
					t.Error("a memory is not zero")
				}
				b[0], b[len(b)-1] = 1, 1
				m.Release()
			}
		})
	}
	wg.Wait()
}

// BenchmarkWipe is the measurement behind clearLimit: zeroing by writing, and
// by giving pages back, which costs faults when they are touched again.
func BenchmarkWipe(b *testing.B) {
	for _, kib := range []int{64, 192, 1024, 4096} {
		for name, give := range map[string]bool{"clear": false, "madvise": true} {
			b.Run(name+"/"+byteCount(kib), func(b *testing.B) {
				m, err := newMapping(24)
				if err != nil {
					b.Fatal(err)
				}
				defer m.unmap()
				size := kib << 10
				open(b, m, size)
				for b.Loop() {
					touch(m.bytes[:size])
					if give {
						madvise(b, m.bytes[:size])
					} else {
						clear(m.bytes[:size])
					}
				}
			})
		}
	}
}

func TestMemoriesAreBoundedInNumber(t *testing.T) {
	r := newRig(t, 1<<30, 1<<20)
	r.maxLive = 2
	a, b, c := r.memory(1<<20), r.memory(1<<20), r.memory(1<<20)
	if a.Reallocate(1) == nil || b.Reallocate(1) == nil {
		t.Fatal(a.Denied(), b.Denied())
	}
	if c.Reallocate(1) != nil || !fault.Is(c.Denied(), fault.Exhausted) {
		t.Errorf("a third memory: %v", c.Denied())
	}
	held := r.account.Held()
	a.Release()
	if c.Reallocate(1) == nil || r.account.Held() != held {
		t.Errorf("after one was released: %v, %d bytes are charged", c.Denied(), r.account.Held())
	}
	b.Release()
	c.Release()
}

func TestAddressSpaceThatIsNotThere(t *testing.T) {
	if m, err := newMapping(60); !fault.Is(err, fault.Exhausted) {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestWhyAMemoryDidNotGrowIsForgiven(t *testing.T) {
	r := newRig(t, 1<<30, 1<<20)
	m := r.memory(1 << 20)
	defer m.Release()
	if m.Reallocate(2<<20) != nil || m.Denied() == nil {
		t.Fatal("it grew beyond its limit")
	}
	if m.Forgive(); m.Denied() != nil {
		t.Error(m.Denied())
	}
}
