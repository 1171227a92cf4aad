package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

func TestOfFindsTheFaultBehindWrapping(t *testing.T) {
	want := New(NotFound, "function_not_found", "no function %q", "x")
	if got := Of(fmt.Errorf("invoke: %w", want)); got != want {
		t.Fatalf("Of = %v, want the wrapped fault", got)
	}
}

func TestOfClassifiesForeignErrors(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want Class
	}{
		{context.Canceled, Canceled},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), Timeout},
		{io.ErrUnexpectedEOF, Internal},
	} {
		if got := ClassOf(tc.err); got != tc.want {
			t.Errorf("ClassOf(%v) = %v, want %v", tc.err, got, tc.want)
		}
	}
	if Of(nil) != nil {
		t.Error("Of(nil) is not nil")
	}
}

func TestErrorTextCarriesDetailsCauseAndRemedy(t *testing.T) {
	e := Wrap(io.EOF, Invalid, "r", "publish version").WithRemedy("run %s", "skiff deploy")
	e.Details = []Detail{{"a", "is wrong"}, {"b", "too"}}
	want := "publish version: a: is wrong; b: too: EOF (run skiff deploy)"
	if e.Error() != want {
		t.Fatalf("got  %q\nwant %q", e.Error(), want)
	}
	if !errors.Is(e, io.EOF) {
		t.Error("the cause is not unwrapped")
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	e := New(Throttled, ReasonConcurrency, "busy")
	_ = e.WithRetryAfter(time.Second).WithRemedy("wait")
	if e.RetryAfter != 0 || e.Remedy != "" {
		t.Fatalf("the original changed: %+v", e)
	}
}

func TestMessageWithoutArgumentsIsNotFormatted(t *testing.T) {
	if got := New(Invalid, "r", "100% wrong").Message; got != "100% wrong" {
		t.Fatalf("got %q", got)
	}
}

func TestCollectorReportsEverything(t *testing.T) {
	var c Collector
	if err := c.Err("nothing"); err != nil {
		t.Fatalf("empty collector: %v", err)
	}
	c.Check(true, "fine", "never seen")
	c.Check(false, "name", "must not be empty")
	c.Add("timeout", "must be 1 to %d", 900)
	if !c.Has("name") || c.Has("fine") {
		t.Error("the collector does not know what was noted")
	}
	err := c.Err("create function")
	if !Is(err, Invalid) || len(Of(err).Details) != 2 {
		t.Fatalf("got %v", err)
	}
	if got := Of(err).Details[1].Message; got != "must be 1 to 900" {
		t.Errorf("detail %q", got)
	}
}

func TestEveryClassHasAName(t *testing.T) {
	seen := map[string]bool{}
	for c := Internal; c <= Canceled; c++ {
		if seen[c.String()] {
			t.Errorf("class %d shares the name %q", c, c)
		}
		seen[c.String()] = true
	}
	if Class(200).String() != "internal" {
		t.Error("an unknown class has no safe name")
	}
}

func TestHasReason(t *testing.T) {
	err := fmt.Errorf("x: %w", New(Invalid, ReasonInvalidWasm, "y"))
	if !HasReason(err, ReasonInvalidWasm) || HasReason(err, "other") || HasReason(io.EOF, "") {
		t.Fatal("HasReason is wrong")
	}
}
