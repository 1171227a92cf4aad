// Package sandboxtest is the executable form of the sandbox contract: a suite
// that every host passes, and a host in memory that passes it, for tests of
// those who use hosts.
//
// What only one kind of host promises is tested beside that host.
package sandboxtest

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/memory"
	"github.com/skiffhq/skiff/core/sandbox"
)

// Behaviour is what a function under test does with its event.
type Behaviour string

// The behaviours that a subject must have.
const (
	Echo  Behaviour = "echo"  // answers with the event
	Fail  Behaviour = "fail"  // fails with errorType "Boom" and the event as errorMessage
	Exit  Behaviour = "exit"  // ends its process with code 3
	Trap  Behaviour = "trap"  // does what its runtime does not survive
	Loop  Behaviour = "loop"  // computes forever
	Sleep Behaviour = "sleep" // sleeps for as many milliseconds as the event says, answers with it
	Grow  Behaviour = "grow"  // takes memory until it gets no more, and does not survive that
	Logs  Behaviour = "logs"  // writes as many lines "line 1", "line 2", … as the event says, answers with it
	Blurt Behaviour = "blurt" // writes one line of as many letters é as the event says, answers with it
	Env   Behaviour = "env"   // answers with "GREETING=" and the variable's value, a space, and the request id
	Count Behaviour = "count" // answers with how often it was called since its state began, in decimal
	Huge  Behaviour = "huge"  // answers with more than sandbox.MaxPayload
)

// Behaviours lists all of them.
func Behaviours() []Behaviour {
	return []Behaviour{Echo, Fail, Exit, Trap, Loop, Sleep, Grow, Logs, Blurt, Env, Count, Huge}
}

// Subject is a kind of host to test.
type Subject struct {
	// New returns a host that charges ledger, and a source of units: a new
	// one at each call. The suite closes the host.
	New func(t testing.TB, ledger *memory.Ledger) (sandbox.Host, func(Behaviour) *function.Unit)
}

// patience bounds what must happen soon; it is long because test machines are
// slow, and never waited for in full where the host is right.
const patience = 30 * time.Second

// rig is a host under test and what the suite knows of it.
type rig struct {
	t      *testing.T
	host   sandbox.Host
	unit   func(Behaviour) *function.Unit
	ledger *memory.Ledger
}

// Run tests a kind of host.
func Run(t *testing.T, s Subject) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			here := goleak.IgnoreCurrent()
			r := &rig{t: t, ledger: memory.New(8 << 30)}
			r.host, r.unit = s.New(t, r.ledger)
			defer func() {
				if err := r.host.Close(context.Background()); err != nil {
					t.Errorf("Close: %v", err)
				}
				if err := r.host.Close(context.Background()); err != nil {
					t.Errorf("Close again: %v", err)
				}
				if u := r.ledger.Usage(); u.Used != 0 || len(u.Holders) > 0 {
					t.Errorf("when the host is closed the ledger still holds %+v", u)
				}
				if err := goleak.Find(here); err != nil {
					t.Error(err)
				}
			}()
			c.run(r)
		})
	}
}

// kept returns a unit whose instances keep their state.
func (r *rig) kept(b Behaviour) *function.Unit {
	u := r.unit(b)
	u.Isolation = function.IsolationInstance
	return u
}

func (r *rig) start(u *function.Unit) sandbox.Instance {
	r.t.Helper()
	in, err := r.host.Start(context.Background(), u)
	if err != nil {
		r.t.Fatalf("Start: %v", err)
	}
	return in
}

func (r *rig) stop(in sandbox.Instance) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := in.Stop(ctx); err != nil {
		r.t.Errorf("Stop: %v", err)
	}
}

func invocation(payload string, within time.Duration) *sandbox.Invocation {
	return &sandbox.Invocation{
		RequestID: "request-of-the-suite", Deadline: time.Now().Add(within),
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Payload: []byte(payload),
	}
}

// once invokes a new instance and stops it.
func (r *rig) once(u *function.Unit, payload string, within time.Duration) (sandbox.Result, error) {
	r.t.Helper()
	in := r.start(u)
	defer r.stop(in)
	return in.Invoke(context.Background(), invocation(payload, within))
}

// answer is once for what must succeed.
func (r *rig) answer(u *function.Unit, payload string) string {
	r.t.Helper()
	res, err := r.once(u, payload, patience)
	if err != nil || res.Failure != nil {
		r.t.Fatalf("Invoke: failure %+v, error %v", res.Failure, err)
	}
	return string(res.Payload)
}

// failure is once for what must end in the function's own failure.
func (r *rig) failure(u *function.Unit, payload string) sandbox.Failure {
	r.t.Helper()
	res, err := r.once(u, payload, patience)
	if err != nil || res.Failure == nil || res.Payload != nil {
		r.t.Fatalf("Invoke: result %+v, error %v, want a failure of the function", res, err)
	}
	if res.Failure.Type == "" || res.Failure.Message == "" {
		r.t.Errorf("the failure has no type or message: %+v", *res.Failure)
	}
	return *res.Failure
}

func (r *rig) wantClass(err error, class fault.Class) {
	r.t.Helper()
	if !fault.Is(err, class) {
		r.t.Fatalf("got %v, want a fault of the class %v", err, class)
	}
}
