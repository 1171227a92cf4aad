// Package memory is the ledger of the one memory budget: everything that runs
// functions charges here before it takes memory, so that nothing is started
// that does not fit.
//
// The ledger counts and refuses; who has to make room, and when, is a policy
// and does not belong here.
package memory

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/skiffhq/skiff/core/fault"
)

// ReasonBudget is the reason of the fault that Reserve returns.
const ReasonBudget = "memory_budget"

// Ledger is a budget in bytes and who holds what of it. All methods may be
// called from many goroutines; reserving and releasing take no lock.
type Ledger struct {
	budget int64
	used   atomic.Int64

	mu       sync.Mutex // guards accounts; never held while reserving
	accounts map[*Account]struct{}
}

// New returns a ledger with a budget in bytes.
func New(budget int64) *Ledger {
	return &Ledger{budget: budget, accounts: map[*Account]struct{}{}}
}

// Account opens an account. Several may have the same holder; Usage adds them
// up. It must be closed.
func (l *Ledger) Account(holder string) *Account {
	a := &Account{ledger: l, holder: holder}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts[a] = struct{}{}
	return a
}

// take adds bytes unless that would pass the budget.
func (l *Ledger) take(bytes int64) bool {
	for {
		used := l.used.Load()
		if bytes > l.budget-used {
			return false
		}
		if l.used.CompareAndSwap(used, used+bytes) {
			return true
		}
	}
}

// Usage is the state of a ledger at one moment, in bytes.
type Usage struct {
	Budget, Used int64
	Holders      []Holder // the largest first; those that hold nothing are left out
}

// Holder is what one holder has reserved, in bytes.
type Holder struct {
	Name  string
	Bytes int64
}

// Usage lists who holds what. While others reserve, the holders may sum to
// slightly more or less than Used.
func (l *Ledger) Usage() Usage {
	held := map[string]int64{}
	l.mu.Lock()
	for a := range l.accounts {
		held[a.holder] += a.Held()
	}
	l.mu.Unlock()
	u := Usage{Budget: l.budget, Used: l.used.Load()}
	for name, bytes := range held {
		if bytes > 0 {
			u.Holders = append(u.Holders, Holder{Name: name, Bytes: bytes})
		}
	}
	slices.SortFunc(u.Holders, func(a, b Holder) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return u
}

// Account is what one holder has reserved. All methods may be called from many
// goroutines, but Close must come after the last Reserve.
type Account struct {
	ledger *Ledger
	holder string
	held   atomic.Int64
}

// Reserve charges bytes, which must not be negative, or charges nothing and
// returns an Exhausted fault with ReasonBudget.
func (a *Account) Reserve(bytes int64) error {
	if bytes < 0 {
		panic("memory: negative reservation")
	}
	if !a.ledger.take(bytes) {
		return fault.New(fault.Exhausted, ReasonBudget,
			"reserve %d bytes for %s: the memory budget of %d bytes is used up", bytes, a.holder, a.ledger.budget).
			WithRemedy("raise memory.budget, lower memorySize, or run fewer functions at once")
	}
	a.held.Add(bytes)
	return nil
}

// Release gives bytes back. Giving back more than is held is a broken
// invariant and panics.
func (a *Account) Release(bytes int64) {
	if bytes < 0 || a.held.Add(-bytes) < 0 {
		panic("memory: released more than was reserved")
	}
	a.ledger.used.Add(-bytes)
}

// Held returns what is reserved now, in bytes.
func (a *Account) Held() int64 { return a.held.Load() }

// Close gives everything back and closes the account. It is idempotent.
func (a *Account) Close() {
	a.ledger.mu.Lock()
	delete(a.ledger.accounts, a)
	a.ledger.mu.Unlock()
	a.ledger.used.Add(-a.held.Swap(0))
}
