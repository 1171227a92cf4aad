package sandboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/memory"
	"github.com/skiffhq/skiff/core/sandbox"
)

// Function is a function that a Fake runs. It must return when ctx ends. An
// error that is a *sandbox.Failure is the function's own; any other is a
// handled one of the type sandbox.FailureFunction.
type Function func(ctx context.Context, c *Call) ([]byte, error)

// Call is what a Function sees of its invocation.
type Call struct {
	*sandbox.Invocation
	Unit  *function.Unit
	Calls int // of this instance, with this one
	logs  []sandbox.Line
	bytes int
	lost  int
}

// Log writes a line.
func (c *Call) Log(message string) {
	if len(message) > sandbox.MaxLogLine {
		message = strings.ToValidUTF8(message[:sandbox.MaxLogLine], "")
	}
	if c.bytes += len(message); c.bytes > sandbox.MaxLogBytes {
		c.lost++
		return
	}
	c.logs = append(c.logs, sandbox.Line{Time: time.Now(), Level: "info", Stream: "log", Message: message})
}

// errFailure lets a Failure be returned as an error.
type errFailure struct{ sandbox.Failure }

func (e *errFailure) Error() string { return e.Message }

// Fails returns an error with which a Function fails in a way of its own.
func Fails(f sandbox.Failure) error { return &errFailure{f} }

// Fake is a sandbox.Host of kind wasm in memory: its functions are Go. Which
// one a unit runs is told by its handler; without Functions they are the
// behaviours of the suite, as "main.echo". Make one with NewFake.
type Fake struct {
	Functions map[string]Function // by handler; not changed after the first Start
	// Size is what an instance is charged, in bytes: 1 MiB if it is 0.
	Size int64

	ledger *memory.Ledger
	ids    atomic.Uint64
	mu     sync.Mutex
	live   map[*fakeInstance]struct{}
	closed bool
}

// NewFake returns a Fake that charges ledger.
func NewFake(ledger *memory.Ledger) *Fake {
	return &Fake{ledger: ledger, live: map[*fakeInstance]struct{}{}, Functions: behaviours(), Size: 1 << 20}
}

// FakeSubject is a Fake for the suite.
func FakeSubject() Subject {
	born := atomic.Int64{}
	return Subject{New: func(_ testing.TB, ledger *memory.Ledger) (sandbox.Host, func(Behaviour) *function.Unit) {
		return NewFake(ledger), func(b Behaviour) *function.Unit { return FakeUnit(b, born.Add(1)) }
	}}
}

// FakeUnit returns a unit that a Fake runs.
func FakeUnit(b Behaviour, born int64) *function.Unit {
	u := &function.Unit{Key: function.Key{Function: string(b), Version: 1, Born: born}, Settings: function.Default().Settings}
	u.Runtime, u.Handler = function.RuntimeWasm, "main."+string(b)
	return u
}

// Kind implements sandbox.Host.
func (f *Fake) Kind() sandbox.Kind { return sandbox.KindWasm }

// Prepare implements sandbox.Host.
func (f *Fake) Prepare(ctx context.Context, u *function.Unit) error {
	if f.Functions[u.Handler] == nil {
		return fault.New(fault.InitFailed, "no_handler", "load function %q: it has no handler %q", u.Function, u.Handler)
	}
	return nil
}

// Start implements sandbox.Host.
func (f *Fake) Start(ctx context.Context, u *function.Unit) (sandbox.Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, fault.Of(err)
	}
	if err := f.Prepare(ctx, u); err != nil {
		return nil, err
	}
	account := f.ledger.Account(u.Function)
	if err := account.Reserve(f.Size); err != nil {
		account.Close()
		return nil, err
	}
	in := &fakeInstance{f: f, u: u, id: f.ids.Add(1), account: account, started: time.Now()}
	in.ctx, in.cancel = context.WithCancelCause(context.Background())
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		account.Close()
		return nil, fault.New(fault.Unavailable, "stopping", "the host is closed")
	}
	f.live[in] = struct{}{}
	return in, nil
}

// Forget implements sandbox.Host; nothing was loaded.
func (f *Fake) Forget(function.Key) {}

// Live returns how many instances have not been stopped.
func (f *Fake) Live() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live)
}

// Close implements sandbox.Host.
func (f *Fake) Close(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	var live []*fakeInstance
	for in := range f.live {
		live = append(live, in)
	}
	f.mu.Unlock()
	var errs []error
	for _, in := range live {
		errs = append(errs, in.Stop(ctx))
	}
	return errors.Join(errs...)
}

// errStopped is the cause of an invocation's end where its instance stops.
var errStopped = fault.New(fault.Unavailable, "instance_stopped", "the instance was stopped")

// fakeInstance implements sandbox.Instance.
type fakeInstance struct {
	f       *Fake
	u       *function.Unit
	id      uint64
	account *memory.Account
	started time.Time
	ctx     context.Context // ends when the instance is stopped
	cancel  context.CancelCauseFunc
	calls   atomic.Int64
	spent   atomic.Bool
	running sync.RWMutex // read by Invoke, written by Stop
}

func (in *fakeInstance) ID() string     { return "fake-" + strconv.FormatUint(in.id, 10) }
func (in *fakeInstance) Reusable() bool { return !in.spent.Load() }

func (in *fakeInstance) Stats() sandbox.Stats {
	return sandbox.Stats{Memory: in.account.Held(), StartedAt: in.started}
}

func (in *fakeInstance) Invoke(ctx context.Context, inv *sandbox.Invocation) (sandbox.Result, error) {
	in.running.RLock()
	defer in.running.RUnlock()
	if in.ctx.Err() != nil {
		return sandbox.Result{}, errStopped
	}
	if in.u.Isolation != function.IsolationInstance {
		in.spent.Store(true)
	}
	ctx, cancel := context.WithDeadline(ctx, inv.Deadline)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(in.ctx, func() { stop(errStopped) })()
	c := &Call{Invocation: inv, Unit: in.u, Calls: int(in.calls.Add(1))}
	if err := ctx.Err(); err != nil {
		return sandbox.Result{}, fault.Of(err)
	}
	payload, err := in.f.Functions[in.u.Handler](ctx, c)
	return in.result(ctx, c, payload, err)
}

// result makes of a function's return what a host makes of it.
func (in *fakeInstance) result(ctx context.Context, c *Call, payload []byte, err error) (sandbox.Result, error) {
	res := sandbox.Result{Logs: c.logs, LogsLost: c.lost, PeakMemory: in.account.Held()}
	var own *errFailure
	switch {
	case ctx.Err() != nil:
		in.spent.Store(true)
		return res, fault.Of(context.Cause(ctx))
	case errors.As(err, &own):
		res.Failure = &own.Failure
		if !own.Handled {
			in.spent.Store(true)
		}
	case err != nil:
		res.Failure = &sandbox.Failure{Type: sandbox.FailureFunction, Message: err.Error(), Handled: true}
	default:
		res.Payload = append([]byte{}, payload...)
	}
	return res, nil
}

func (in *fakeInstance) Stop(context.Context) error {
	in.spent.Store(true)
	in.cancel(errStopped)
	in.running.Lock() // waits for functions, which return when their context ends
	defer in.running.Unlock()
	in.account.Close()
	in.f.mu.Lock()
	delete(in.f.live, in)
	in.f.mu.Unlock()
	return nil
}

// behaviours are the functions of the suite.
func behaviours() map[string]Function {
	wait := func(ctx context.Context, d time.Duration) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	ends := func(kind, message string) Function {
		return func(context.Context, *Call) ([]byte, error) {
			return nil, Fails(sandbox.Failure{Type: kind, Message: message})
		}
	}
	number := func(c *Call) int { n, _ := strconv.Atoi(string(c.Payload)); return n }
	return map[string]Function{
		"main.echo": func(_ context.Context, c *Call) ([]byte, error) { return c.Payload, nil },
		"main.fail": func(_ context.Context, c *Call) ([]byte, error) {
			return nil, Fails(sandbox.Failure{Type: "Boom", Message: string(c.Payload), Handled: true})
		},
		"main.exit": ends(sandbox.FailureExit, "the function exited with code 3"),
		"main.trap": ends(sandbox.FailureTrap, "unreachable"),
		"main.grow": ends(sandbox.FailureOutOfMemory, "out of memory"),
		"main.loop": func(ctx context.Context, _ *Call) ([]byte, error) { <-ctx.Done(); return nil, nil },
		"main.sleep": func(ctx context.Context, c *Call) ([]byte, error) {
			wait(ctx, time.Duration(number(c))*time.Millisecond)
			return c.Payload, nil
		},
		"main.logs": func(_ context.Context, c *Call) ([]byte, error) {
			for i := range number(c) {
				c.Log(fmt.Sprintf("line %d", i+1))
			}
			return c.Payload, nil
		},
		"main.blurt": func(_ context.Context, c *Call) ([]byte, error) {
			c.Log(strings.Repeat("é", number(c)))
			return c.Payload, nil
		},
		"main.env": func(_ context.Context, c *Call) ([]byte, error) {
			return []byte("GREETING=" + c.Unit.Environment["GREETING"] + " " + c.RequestID), nil
		},
		"main.count": func(_ context.Context, c *Call) ([]byte, error) {
			return strconv.AppendInt(nil, int64(c.Calls), 10), nil
		},
		"main.huge": func(context.Context, *Call) ([]byte, error) {
			return bytes.Repeat([]byte("x"), sandbox.MaxPayload+1), nil
		},
	}
}
