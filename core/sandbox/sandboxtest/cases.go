package sandboxtest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

var cases = []struct {
	name string
	run  func(*rig)
}{
	{"answers with what the function answers", answers},
	{"hands over payloads of all sizes", sizes},
	{"reports a function's own error", handledError},
	{"reports an exit and spends the instance", exits},
	{"reports a crash and spends the instance", crashes},
	{"ends a loop at its deadline while others go on", loops},
	{"ends a sleep at its deadline", sleeps},
	{"refuses an invocation whose deadline has passed", overdue},
	{"ends an invocation when its context ends", canceled},
	{"ends an invocation when its instance is stopped", stopped},
	{"ends a function that uses up its memory, and no other", grows},
	{"keeps what a function writes, within limits", writesLogs},
	{"cuts a long line between characters", cutsLines},
	{"passes variables and the request's id", environment},
	{"keeps state where it should", keepsState},
	{"begins each request with fresh state", freshState},
	{"refuses an answer that is too large", hugeAnswer},
	{"names instances uniquely and tells their use", describes},
	{"prepares and forgets in any order", prepares},
	{"stops and closes in any order", stopsTwice},
	{"closes with instances alive", closesBusy},
	{"starts nothing that does not fit into memory", exhausted},
	{"serves many at once", hammer},
}

func answers(r *rig) {
	if got := r.answer(r.unit(Echo), `{"a":1}`); got != `{"a":1}` {
		r.t.Errorf("echo answered %q", got)
	}
}

func sizes(r *rig) {
	u := r.unit(Echo)
	for _, n := range []int{0, 1, 4096, 65537, 1 << 20, sandbox.MaxPayload} {
		payload := strings.Repeat("x", n)
		if got := r.answer(u, payload); got != payload {
			r.t.Errorf("echo of %d bytes has %d", n, len(got))
		}
	}
}

func handledError(r *rig) {
	in := r.start(r.kept(Fail))
	defer r.stop(in)
	for range 2 {
		res, err := in.Invoke(context.Background(), invocation("it went wrong", patience))
		if err != nil || res.Failure == nil {
			r.t.Fatalf("Invoke: %+v, %v", res, err)
		}
		if f := res.Failure; !f.Handled || f.Type != "Boom" || f.Message != "it went wrong" {
			r.t.Errorf("got %+v", *f)
		}
	}
	if !in.Reusable() {
		r.t.Error("an error that the function returned spent its instance")
	}
}

func exits(r *rig) {
	if f := r.failure(r.unit(Exit), "x"); f.Handled || f.Type != sandbox.FailureExit || !strings.Contains(f.Message, "3") {
		r.t.Errorf("got %+v", f)
	}
	r.spends(Exit)
}

func crashes(r *rig) {
	if f := r.failure(r.unit(Trap), "x"); f.Handled {
		r.t.Errorf("got %+v", f)
	}
	r.spends(Trap)
}

// spends checks that an instance is of no use after an invocation.
func (r *rig) spends(b Behaviour) {
	r.t.Helper()
	in := r.start(r.kept(b))
	defer r.stop(in)
	if !in.Reusable() {
		r.t.Error("a new instance is not reusable")
	}
	_, _ = in.Invoke(context.Background(), invocation("x", 200*time.Millisecond)) // whatever becomes of it
	if in.Reusable() {
		r.t.Errorf("an instance is reusable after %s", b)
	}
}

func loops(r *rig) {
	echo := r.start(r.kept(Echo))
	defer r.stop(echo)
	loop := r.start(r.unit(Loop))
	defer r.stop(loop)
	done := make(chan error, 1)
	go func() {
		_, err := loop.Invoke(context.Background(), invocation("x", 500*time.Millisecond))
		done <- err
	}()
	served := 0
	for {
		select {
		case err := <-done:
			r.wantClass(err, fault.Timeout)
			if served == 0 {
				r.t.Error("nobody else was served while a function looped")
			}
			r.spends(Loop)
			return
		default:
		}
		if res, err := echo.Invoke(context.Background(), invocation("x", patience)); err != nil || string(res.Payload) != "x" {
			r.t.Fatalf("beside a loop: %+v, %v", res, err)
		}
		served++
	}
}

func sleeps(r *rig) {
	if got := r.answer(r.unit(Sleep), "20"); got != "20" {
		r.t.Errorf("got %q", got)
	}
	begin := time.Now()
	_, err := r.once(r.unit(Sleep), "100000", 100*time.Millisecond)
	r.wantClass(err, fault.Timeout)
	if took := time.Since(begin); took > patience {
		r.t.Errorf("ending a sleep took %v", took)
	}
}

func overdue(r *rig) {
	_, err := r.once(r.unit(Echo), "x", -time.Second)
	r.wantClass(err, fault.Timeout)
}

func canceled(r *rig) {
	for _, b := range []Behaviour{Loop, Sleep} {
		in := r.start(r.unit(b))
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err := in.Invoke(ctx, invocation("100000", patience))
		r.wantClass(err, fault.Canceled)
		r.stop(in)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if in, err := r.host.Start(ctx, r.unit(Echo)); err == nil {
		r.stop(in) // a host may have been quick enough
	}
}

func stopped(r *rig) {
	for _, b := range []Behaviour{Loop, Sleep} {
		in := r.start(r.kept(b))
		done := make(chan error, 1)
		go func() {
			_, err := in.Invoke(context.Background(), invocation("100000", patience))
			done <- err
		}()
		time.Sleep(20 * time.Millisecond) // to be inside Invoke most of the time; outside it must work, too
		r.stop(in)
		if err := <-done; err == nil {
			r.t.Errorf("%s: Invoke succeeded on an instance that was stopped", b)
		}
		if in.Reusable() {
			r.t.Errorf("%s: a stopped instance is reusable", b)
		}
		if _, err := in.Invoke(context.Background(), invocation("x", patience)); err == nil {
			r.t.Errorf("%s: a stopped instance took an invocation", b)
		}
	}
}

func grows(r *rig) {
	other := r.start(r.kept(Count))
	defer r.stop(other)
	if _, err := other.Invoke(context.Background(), invocation("x", patience)); err != nil {
		r.t.Fatal(err)
	}
	u := r.unit(Grow)
	u.MemoryMB = 128
	in := r.start(u)
	res, err := in.Invoke(context.Background(), invocation("x", patience))
	if err != nil || res.Failure == nil || res.Failure.Type != sandbox.FailureOutOfMemory {
		r.t.Errorf("got %+v (failure %+v), %v, want %s", res, res.Failure, err, sandbox.FailureOutOfMemory)
	}
	if res.PeakMemory <= 0 || res.PeakMemory > 128<<20 {
		r.t.Errorf("the peak of memory was %d bytes", res.PeakMemory)
	}
	r.stop(in)
	if got, err := other.Invoke(context.Background(), invocation("x", patience)); err != nil || string(got.Payload) != "2" {
		r.t.Errorf("another instance suffered: %+v, %v", got, err)
	}
}

func writesLogs(r *rig) {
	u := r.unit(Logs)
	begin := time.Now().Add(-time.Second)
	res, err := r.once(u, "3", patience)
	if err != nil || len(res.Logs) != 3 || res.LogsLost != 0 {
		r.t.Fatalf("got %+v, %v", res, err)
	}
	for i, line := range res.Logs {
		if line.Message != fmt.Sprintf("line %d", i+1) || line.Stream == "" || line.Level == "" || line.Time.Before(begin) {
			r.t.Errorf("line %d is %+v", i, line)
		}
	}
	const many = 300_000
	res, err = r.once(u, strconv.Itoa(many), patience)
	if err != nil {
		r.t.Fatal(err)
	}
	text := 0
	for _, line := range res.Logs {
		text += len(line.Message)
	}
	if text > sandbox.MaxLogBytes || res.LogsLost == 0 || len(res.Logs)+res.LogsLost != many {
		r.t.Errorf("of %d lines %d were kept with %d bytes, and %d lost", many, len(res.Logs), text, res.LogsLost)
	}
}

func cutsLines(r *rig) {
	res, err := r.once(r.unit(Blurt), strconv.Itoa(sandbox.MaxLogLine), patience)
	if err != nil || len(res.Logs) != 1 {
		r.t.Fatalf("got %d lines, %v", len(res.Logs), err)
	}
	m := res.Logs[0].Message
	if len(m) > sandbox.MaxLogLine || len(m) < sandbox.MaxLogLine-utf8.UTFMax || strings.Trim(m, "é") != "" {
		r.t.Errorf("the line was cut to %d bytes that end in %q", len(m), m[max(0, len(m)-8):])
	}
}

func environment(r *rig) {
	u := r.unit(Env)
	u.Environment = map[string]string{"GREETING": "good day"}
	in := r.start(u)
	defer r.stop(in)
	inv := invocation("x", patience)
	inv.RequestID = "another-request"
	res, err := in.Invoke(context.Background(), inv)
	if want := "GREETING=good day another-request"; err != nil || string(res.Payload) != want {
		r.t.Errorf("got %q, %v, want %q", res.Payload, err, want)
	}
}

func keepsState(r *rig) {
	in := r.start(r.kept(Count))
	defer r.stop(in)
	for want := 1; want <= 3; want++ {
		res, err := in.Invoke(context.Background(), invocation("x", patience))
		if err != nil || string(res.Payload) != strconv.Itoa(want) {
			r.t.Fatalf("call %d: %q, %v", want, res.Payload, err)
		}
		if !in.Reusable() {
			r.t.Fatal("an instance that keeps its state is not reusable")
		}
	}
}

func freshState(r *rig) {
	if r.host.Kind() != sandbox.KindWasm {
		return // a container is one function's, and keeps its state
	}
	u := r.unit(Count)
	for range 3 {
		if got := r.answer(u, "x"); got != "1" {
			r.t.Errorf("a request found the state of another: %q", got)
		}
	}
	in := r.start(u)
	defer r.stop(in)
	_, _ = in.Invoke(context.Background(), invocation("x", patience)) // whatever becomes of it
	if in.Reusable() {
		r.t.Error("a sandbox for one request is reusable after it")
	}
}

func hugeAnswer(r *rig) {
	res, err := r.once(r.unit(Huge), "x", patience)
	if err == nil && len(res.Payload) > sandbox.MaxPayload {
		return // core/invoke refuses it
	}
	if !fault.HasReason(err, fault.ReasonResponseInvalid) {
		r.t.Errorf("got %d bytes, failure %+v, %v", len(res.Payload), res.Failure, err)
	}
}

func describes(r *rig) {
	seen := map[string]bool{}
	u := r.unit(Echo)
	for range 3 {
		in := r.start(u)
		s := in.Stats()
		if in.ID() == "" || seen[in.ID()] || s.Memory <= 0 || s.StartedAt.IsZero() || s.InitTime < 0 {
			r.t.Errorf("instance %q: %+v", in.ID(), s)
		}
		seen[in.ID()] = true
		r.stop(in)
		in.ID()
		in.Stats()
	}
}

func prepares(r *rig) {
	u := r.unit(Echo)
	for range 2 {
		if err := r.host.Prepare(context.Background(), u); err != nil {
			r.t.Fatal(err)
		}
	}
	in := r.start(u)
	r.host.Forget(u.Key)
	r.host.Forget(u.Key)
	if res, err := in.Invoke(context.Background(), invocation("x", patience)); err != nil || string(res.Payload) != "x" {
		r.t.Errorf("an instance of a forgotten unit: %+v, %v", res, err)
	}
	if got := r.answer(u, "y"); got != "y" { // prepared anew
		r.t.Errorf("got %q", got)
	}
	r.stop(in)
	r.host.Forget(u.Key)
	r.host.Forget(function.Key{Function: "nobody"})
	if used := r.ledger.Usage(); len(used.Holders) > 0 && used.Holders[0].Name == u.Function {
		r.t.Errorf("a forgotten function is charged: %+v", used)
	}
}

func stopsTwice(r *rig) {
	in := r.start(r.unit(Echo))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { r.stop(in) })
	}
	wg.Wait()
	r.stop(in)
}

func closesBusy(r *rig) {
	idle := r.start(r.kept(Echo))
	busy := r.start(r.kept(Loop))
	done := make(chan error, 1)
	go func() {
		_, err := busy.Invoke(context.Background(), invocation("x", patience))
		done <- err
	}()
	if err := r.host.Close(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	if err := <-done; err == nil {
		r.t.Error("an invocation outlived the host")
	}
	r.stop(idle)
	r.stop(busy)
}

func exhausted(r *rig) {
	u := r.kept(Echo)
	r.stop(r.start(u)) // loads the code
	rest := r.ledger.Account("somebody else")
	defer rest.Close()
	if err := rest.Reserve(r.ledger.Usage().Budget - r.ledger.Usage().Used); err != nil {
		r.t.Fatal(err)
	}
	in, err := r.host.Start(context.Background(), u)
	if err == nil {
		r.stop(in)
	}
	r.wantClass(err, fault.Exhausted)
	rest.Close()
	if got := r.answer(r.unit(Echo), "x"); got != "x" {
		r.t.Errorf("when there is room again: %q", got)
	}
}

func hammer(r *rig) {
	units := map[Behaviour]*function.Unit{}
	for _, b := range []Behaviour{Echo, Fail, Exit, Count, Loop} {
		units[b] = r.unit(b)
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 10 {
				r.beat(units, worker, i)
			}
		})
	}
	wg.Wait()
}

// beat does one of many things at once.
func (r *rig) beat(units map[Behaviour]*function.Unit, worker, i int) {
	payload := fmt.Sprintf("%d/%d", worker, i)
	switch (worker + i) % 5 {
	case 0, 1:
		if res, err := r.once(units[Echo], payload, patience); err != nil || string(res.Payload) != payload {
			r.t.Errorf("echo: %q, %v", res.Payload, err)
		}
	case 2:
		if res, err := r.once(units[Fail], payload, patience); err != nil || res.Failure == nil || res.Failure.Message != payload {
			r.t.Errorf("fail: %+v, %v", res.Failure, err)
		}
	case 3:
		if _, err := r.once(units[Loop], payload, 30*time.Millisecond); !fault.Is(err, fault.Timeout) {
			r.t.Errorf("loop: %v", err)
		}
	case 4:
		if res, err := r.once(units[Exit], payload, patience); err != nil || res.Failure == nil {
			r.t.Errorf("exit: %+v, %v", res, err)
		}
		r.host.Forget(units[Exit].Key)
	}
}
