package wasmhost

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/memory"
)

// unit is a function.Unit whose code is loaded.
type unit struct {
	h       *Host
	u       *function.Unit
	code    *code
	account *memory.Account
	export  string
	environ []string
	limit   uint64 // bytes of memory
	command bool
	oneShot bool // an instance serves one invocation

	mu      sync.Mutex // guards what follows
	users   int        // instances, and calls that are about to make one
	retired bool
	live    map[*instance]struct{}
	idle    []*run // put back to their first state, waiting for a request
	used    bool   // since the last sweep
	closing bool   // no instance may come any more
}

// newUnit takes the caller's use of the code over, and is joined by it.
func newUnit(h *Host, u *function.Unit, c *code) *unit {
	handler, _ := function.ParseHandler(function.FamilyWasm, u.Handler) // fits has checked it
	command := handler.Export == commandExport
	return &unit{
		h: h, u: u, code: c, users: 1,
		account: h.opts.Memory.Account(u.Function),
		export:  handler.Export,
		environ: environOf(u.Environment),
		limit:   uint64(u.MemoryMB) << 20,
		command: command,
		// A command runs once by its nature.
		oneShot: command || u.Isolation != function.IsolationInstance,
		live:    map[*instance]struct{}{},
	}
}

// environOf returns variables as "key=value", in order, without those that
// cannot be passed.
func environOf(vars map[string]string) []string {
	environ := make([]string, 0, len(vars))
	for key, value := range vars {
		if entry := key + "=" + value; key != "" && strings.IndexByte(entry, 0) < 0 {
			environ = append(environ, entry)
		}
	}
	slices.Sort(environ)
	return environ
}

// join counts a user; it reports false for a unit that is over.
func (un *unit) join() bool {
	un.mu.Lock()
	defer un.mu.Unlock()
	if un.retired {
		return false
	}
	un.users++
	return true
}

// leave ends what join began.
func (un *unit) leave() { un.drop(nil, false) }

// retire lets go of the code once nobody uses it.
func (un *unit) retire() { un.drop(nil, true) }

func (un *unit) drop(inst *instance, retire bool) {
	un.mu.Lock()
	if inst != nil {
		delete(un.live, inst)
	}
	if retire {
		un.retired = true
	} else {
		un.users--
	}
	over := un.users == 0 && un.retired
	un.mu.Unlock()
	if retire {
		un.dropIdle()
	}
	if over {
		un.account.Close()
		un.h.release(un.code)
	}
}

// takeIdle returns a sandbox that waits for a request, nil where there is
// none.
func (un *unit) takeIdle() *run {
	un.mu.Lock()
	defer un.mu.Unlock()
	un.used = true
	n := len(un.idle)
	if n == 0 {
		return nil
	}
	r := un.idle[n-1]
	un.idle[n-1] = nil
	un.idle = un.idle[:n-1]
	un.h.idle.Add(-r.mem.Size())
	return r
}

// keep lets a sandbox wait for the next request, unless enough do.
func (un *unit) keep(r *run) bool {
	un.mu.Lock()
	defer un.mu.Unlock()
	if un.retired || len(un.idle) >= un.h.maxIdle {
		return false
	}
	if un.h.idle.Add(r.mem.Size()) > maxIdleMemory {
		un.h.idle.Add(-r.mem.Size())
		return false
	}
	un.idle = append(un.idle, r)
	return true
}

// dropIdle closes what waits, and returns how many that were.
func (un *unit) dropIdle() int {
	un.mu.Lock()
	idle := un.idle
	un.idle = nil
	un.mu.Unlock()
	for _, r := range idle {
		un.h.idle.Add(-r.mem.Size())
		r.close()
	}
	return len(idle)
}

// sweep drops what has not been used since the last sweep.
func (un *unit) sweep() {
	un.mu.Lock()
	used := un.used
	un.used = false
	un.mu.Unlock()
	if !used {
		un.dropIdle()
	}
}

// enter notes an instance, so that Close finds it; it reports false where that
// has begun.
func (un *unit) enter(inst *instance) bool {
	un.mu.Lock()
	defer un.mu.Unlock()
	if !un.closing {
		un.live[inst] = struct{}{}
	}
	return !un.closing
}

// stopAll stops the instances there are, and sees to it that none comes.
func (un *unit) stopAll(ctx context.Context) (first error) {
	un.mu.Lock()
	un.closing = true
	live := make([]*instance, 0, len(un.live))
	for inst := range un.live {
		live = append(live, inst)
	}
	un.mu.Unlock()
	for _, inst := range live {
		if err := inst.Stop(ctx); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// The guest's directories.
const (
	codePath = "/var/task"
	tmpPath  = "/tmp"
	tmpLimit = 64 << 20 // bytes
)
