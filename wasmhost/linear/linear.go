// Package linear holds the linear memories of guests: address space that is
// reserved once and grown in place, outside the Go heap, charged to the
// memory ledger, and used again only when every byte that a guest may have
// written is zero.
//
// That last rule is a security boundary between functions. What a guest does
// with its memory does not belong here.
package linear

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/memory"
)

const (
	// clearLimit is the size up to which a memory is zeroed by writing; see
	// DESIGN.md for the measurement. What lies above goes back to the kernel,
	// which hands out zeroed pages, at the price of a page fault for each.
	clearLimit = 4 << 20

	pageSize  = 64 << 10 // of WebAssembly, and a multiple of any host's
	guardSize = pageSize // bytes without access behind the largest memory
	minClass  = 20       // the smallest reservation is 1 MiB of address space
	maxClass  = 32       // the largest is 4 GiB, all that wasm32 can address

	// maxLive is how many memories there may be. Each takes two or three of the
	// 65,530 areas that Linux lets a process map by default, and the Go runtime
	// does not survive if it finds none left.
	maxLive = 16_000
)

// Pool hands out memories. All methods may be called from many goroutines.
type Pool struct {
	idle    *memory.Account
	maxIdle int64 // bytes of pages kept in mappings that nobody uses

	mu     sync.Mutex
	free   [maxClass + 1][]*mapping
	closed bool

	live    atomic.Int64 // mappings handed out
	maxLive int64
}

// mapping is a reservation of 1<<class bytes and the guard.
type mapping struct {
	class int
	bytes []byte // the whole of it
	open  int    // bytes from the start that may be accessed
}

// NewPool returns a pool that keeps at most maxIdle bytes of pages for reuse,
// charged to ledger as the holder "wasm (idle)".
func NewPool(ledger *memory.Ledger, maxIdle int64) *Pool {
	return &Pool{idle: ledger.Account("wasm (idle)"), maxIdle: maxIdle, maxLive: maxLive}
}

// Live returns how many memories have not been released.
func (p *Pool) Live() int64 { return p.live.Load() }

// Close unmaps what is idle. Memories released later are unmapped at once.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Trim()
	p.idle.Close()
}

// Trim unmaps what is idle and returns how many mappings that were.
func (p *Pool) Trim() (n int) {
	p.mu.Lock()
	free := p.free
	p.free = [maxClass + 1][]*mapping{}
	p.mu.Unlock()
	for _, class := range free {
		for _, m := range class {
			p.idle.Release(m.kept())
			m.unmap()
			n++
		}
	}
	return n
}

// Memory is one linear memory. It implements wazero's LinearMemory, and
// serves one goroutine at a time.
type Memory struct {
	pool    *Pool
	account *memory.Account
	limit   uint64        // bytes
	size    atomic.Uint64 // bytes; set by the owner, read by anyone
	m       *mapping
	denied  error
}

// Init prepares a memory of at most limit bytes that is charged to account.
// It takes nothing yet. A memory may be prepared again after Release.
func (l *Memory) Init(p *Pool, account *memory.Account, limit uint64) {
	l.pool, l.account, l.limit, l.denied = p, account, min(limit, 1<<maxClass), nil
}

// Size returns the present size in bytes. It may be called by any goroutine.
func (l *Memory) Size() int64 { return int64(l.size.Load()) }

// Denied tells why the memory last could not grow: ErrLimit, or the fault of
// the ledger. It is nil where it always could.
func (l *Memory) Denied() error { return l.denied }

// Forgive forgets why the memory could not grow.
func (l *Memory) Forgive() { l.denied = nil }

// ErrLimit is why a memory does not grow beyond its limit.
var ErrLimit = fmt.Errorf("linear: the memory's limit is reached")

// Reallocate grows the memory to size bytes, which stay where they are. It
// returns nil, and changes nothing, where that is not allowed.
func (l *Memory) Reallocate(size uint64) []byte {
	if size < l.size.Load() {
		return nil
	}
	if err := l.grow(size); err != nil {
		l.denied = err
		return nil
	}
	return l.m.bytes[:size:size]
}

func (l *Memory) grow(size uint64) error {
	if size > l.limit {
		return ErrLimit
	}
	more := int64(size - l.size.Load())
	if err := l.account.Reserve(more); err != nil {
		return err
	}
	if err := l.extend(size); err != nil {
		l.account.Release(more)
		return err
	}
	l.size.Store(size)
	return nil
}

// extend makes the first size bytes accessible.
func (l *Memory) extend(size uint64) (err error) {
	if l.m == nil {
		if l.m, err = l.pool.take(l.limit); err != nil {
			return err
		}
	}
	end := (int(size) + pageSize - 1) / pageSize * pageSize
	if end <= l.m.open {
		return nil
	}
	if err := unix.Mprotect(l.m.bytes[l.m.open:end], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fault.Wrap(err, fault.Exhausted, "wasm_memories", "grow the memory of a sandbox to %d bytes", size)
	}
	l.m.open = end
	return nil
}

// Wipe makes the whole memory zero, at its present size. It reports whether it
// is; otherwise it must be released. The guest must have ended.
func (l *Memory) Wipe() bool {
	l.denied = nil
	return l.m.wipe(int(l.size.Load()))
}

// Bytes returns the memory. It is valid until Release.
func (l *Memory) Bytes() []byte { return l.m.bytes[:l.size.Load()] }

// Free implements wazero's LinearMemory and does nothing: wazero calls it
// when a module is closed, which may be while its guest still runs. The owner
// calls Release.
func (l *Memory) Free() {}

// Release gives the memory back. Nobody may use it any more; the owner must
// see to it that the guest has ended. It is idempotent.
func (l *Memory) Release() {
	m := l.m
	if m == nil {
		return
	}
	size := l.size.Swap(0)
	l.m = nil
	l.account.Release(int64(size))
	l.pool.put(m, int(size))
}

// classOf returns the class whose reservations hold limit bytes.
func classOf(limit uint64) int {
	return max(bits.Len64(limit-1), minClass)
}

// take finds or makes a mapping that is all zeros. Faults: Exhausted.
func (p *Pool) take(limit uint64) (*mapping, error) {
	if p.live.Add(1) > p.maxLive {
		p.live.Add(-1)
		return nil, fault.New(fault.Exhausted, "wasm_memories", "start a sandbox: there are %d already", p.maxLive)
	}
	m, err := p.find(limit)
	if err != nil {
		p.live.Add(-1)
	}
	return m, err
}

func (p *Pool) find(limit uint64) (*mapping, error) {
	class := classOf(max(limit, 1))
	p.mu.Lock()
	var m *mapping
	if n := len(p.free[class]); n > 0 {
		m = p.free[class][n-1]
		p.free[class][n-1] = nil
		p.free[class] = p.free[class][:n-1]
	}
	p.mu.Unlock()
	if m == nil {
		return newMapping(class)
	}
	p.idle.Release(m.kept())
	return m, nil
}

// put takes a mapping back of which the first used bytes may be anything.
func (p *Pool) put(m *mapping, used int) {
	p.live.Add(-1)
	if !m.wipe(used) || !p.keep(m) {
		m.unmap()
	}
}

// keep puts a wiped mapping on the list, unless there is too much on it.
func (p *Pool) keep(m *mapping) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.idle.Held()+m.kept() > p.maxIdle || p.idle.Reserve(m.kept()) != nil {
		return false
	}
	p.free[m.class] = append(p.free[m.class], m)
	return true
}

func newMapping(class int) (*mapping, error) {
	b, err := unix.Mmap(-1, 0, 1<<class+guardSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fault.Wrap(err, fault.Exhausted, "wasm_memories", "start a sandbox: reserve %d bytes of address space", 1<<class)
	}
	return &mapping{class: class, bytes: b}, nil
}

// kept is what an idle mapping is charged: the pages it may have. It is never
// nothing, so that the number of idle mappings is bounded, too.
func (m *mapping) kept() int64 { return int64(max(min(m.open, clearLimit), pageSize)) }

// wipe makes the first used bytes zero. It reports whether they are.
func (m *mapping) wipe(used int) bool {
	clear(m.bytes[:min(used, clearLimit)])
	if used <= clearLimit {
		return true
	}
	return unix.Madvise(m.bytes[clearLimit:used], unix.MADV_DONTNEED) == nil
}

// unmap gives the address space back. The arguments are those of a mapping
// that exists, so it cannot fail.
func (m *mapping) unmap() {
	if err := unix.Munmap(m.bytes); err != nil {
		panic(fmt.Sprintf("linear: unmap: %v", err))
	}
}
