// Package scenario knows what is measured: which function under which load,
// next to which baseline, and the bounds that the project promises.
//
// How load is made, how servers are run and how figures are compared belong to
// the packages next to it; the command line to bench/cmd/skiff-bench.
package scenario

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/skiffhq/skiff/bootstrap/wasm/guests"
	"github.com/skiffhq/skiff/core/function"
)

// Scenario is one thing that is measured.
type Scenario struct {
	Name        string
	Description string
	Expects     string        // the right answer, or what is read, in a few words
	Open        Open          // zero: has no open loop
	Closed      Closed        // zero: has no closed loop
	Duration    time.Duration // of what has no loop
	Bounds      Bounds

	guest   guest
	measure func(context.Context, *bench) error
}

// Open are the defaults of an open loop.
type Open struct {
	Rate        float64 // requests per second
	Connections int     // the pool; more requests than that wait, on the clock
	Duration    time.Duration
}

// Closed are the defaults of a closed loop: so many rounds, each so long on
// either side.
type Closed struct {
	Connections int
	Rounds      int
	Each        time.Duration
}

// Bounds are what a scenario has to hold; a zero has no bound. That no answer
// is wrong is a bound of all.
type Bounds struct {
	P99       time.Duration // of the open loop, at most
	Ratio     float64       // of the closed loop's throughput to the baseline's, at least
	Ready     time.Duration // from start to ready, at most
	IdleBytes int64         // resident memory of an idle appliance, less than
}

// guest is the function of a scenario.
type guest struct {
	kind      guests.Kind
	isolation function.Isolation
	payload   func(i int) []byte
	answer    func(payload []byte) []byte // called from many goroutines
}

// The load that scenarios share unless they have a reason.
var (
	steady = Open{Rate: 1000, Connections: 64, Duration: time.Minute}
	busy   = Closed{Connections: 16, Rounds: 6, Each: 5 * time.Second}
)

// p99 is promised at the steady rate, two cores shared with the generator.
const p99 = 10 * time.Millisecond

// All returns all scenarios, in the order in which they are listed.
func All() []Scenario {
	return []Scenario{
		{
			Name: "wasm-c", Description: "C reactor that echoes, a fresh sandbox for every request",
			Expects: "the payload", Open: steady, Closed: busy, Bounds: Bounds{P99: p99, Ratio: 0.35},
			guest: guest{guests.C, function.IsolationRequest, order, echoed}, measure: invocations,
		},
		{
			Name: "wasm-go", Description: "Go reactor that greets, one instance for many requests (isolation: instance)",
			Expects: `{"message":"Hello, NAME"}`, Open: steady, Closed: busy, Bounds: Bounds{P99: p99},
			guest: guest{guests.Go, function.IsolationInstance, person, greeted("")}, measure: invocations,
		},
		{
			Name: "wasm-go-command", Description: "Go command that greets, stdin to stdout, a fresh sandbox for every request",
			Expects: `{"message":"Hello, NAME"} and a line end`, Open: Open{Rate: 50, Connections: 64, Duration: 30 * time.Second}, Closed: busy,
			guest: guest{guests.GoCommand, function.IsolationRequest, person, greeted("\n")}, measure: invocations,
		},
		{
			Name: "start", Description: "time from starting the program to ready, with many functions stored (--functions)",
			Expects: "ready, and all functions there", Bounds: Bounds{Ready: 2 * time.Second}, measure: starting,
		},
		{
			Name: "idle", Description: "resident memory of an appliance that has nothing to do",
			Expects: "VmRSS when the time is over", Duration: 30 * time.Second, Bounds: Bounds{IdleBytes: 60 << 20}, measure: idling,
		},
	}
}

// Find returns the scenario of a name.
func Find(name string) (Scenario, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}

// Answer is what the baseline of the scenario answers; nil where it has none.
func (s Scenario) Answer() func(payload []byte) []byte { return s.guest.answer }

func order(i int) []byte {
	return fmt.Appendf(nil, `{"order":%d,"sku":"skiff-%04d","quantity":%d,"note":"as large as a small event is"}`, 1e6+i, i, i%9+1)
}

func echoed(payload []byte) []byte { return payload }

func person(i int) []byte { return fmt.Appendf(nil, `{"name":"visitor-%04d"}`, i) }

// greeted does by cutting and pasting what the greeting guests do by decoding.
func greeted(end string) func([]byte) []byte {
	prefix, suffix := []byte(`{"name":"`), []byte(`"}`)
	return func(payload []byte) []byte {
		name := bytes.TrimSuffix(bytes.TrimPrefix(payload, prefix), suffix)
		out := make([]byte, 0, len(name)+32)
		out = append(append(out, `{"message":"Hello, `...), name...)
		return append(append(out, `"}`...), end...)
	}
}
