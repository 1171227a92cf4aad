package skiff

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestContextTellsAboutTheRequest(t *testing.T) {
	deadline := time.UnixMilli(1_700_000_000_123)
	ctx := NewContext(Meta{RequestID: "r", Deadline: deadline, Traceparent: "00-a-b-01", FunctionName: "greet", FunctionVersion: "7"})
	got := []string{ctx.RequestID(), ctx.Traceparent(), ctx.FunctionName(), ctx.FunctionVersion()}
	for i, want := range []string{"r", "00-a-b-01", "greet", "7"} {
		if got[i] != want {
			t.Errorf("value %d is %q, want %q", i, got[i], want)
		}
	}
	if d, ok := ctx.Deadline(); !ok || !d.Equal(deadline) {
		t.Errorf("deadline %v, %t, want %v", d, ok, deadline)
	}
}

func TestContextWithoutADeadlineStaysOpen(t *testing.T) {
	ctx := NewContext(Meta{})
	if d, ok := ctx.Deadline(); ok {
		t.Errorf("deadline %v, want none", d)
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if v := ctx.Value("key"); v != nil {
		t.Errorf("value %v, want none", v)
	}
}

func TestContextEndsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := NewContext(Meta{Deadline: time.Now().Add(time.Minute)})
		child, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		started := time.Now()
		<-child.Done()
		if took := time.Since(started); took != time.Minute {
			t.Errorf("ended after %v, want a minute", took)
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Errorf("ended with %v and %v", ctx.Err(), child.Err())
		}
	})
}

func TestContextEndsWithItsHandler(t *testing.T) {
	for _, asked := range []bool{true, false} {
		var kept *Context
		Invoke(func(ctx *Context, _ []byte) ([]byte, error) {
			kept = ctx
			if asked && ctx.Err() != nil {
				t.Errorf("ended during the call with %v", ctx.Err())
			}
			return nil, nil
		}, Meta{}, nil)
		<-kept.Done()
		if !errors.Is(kept.Err(), context.Canceled) {
			t.Errorf("asked during the call %t: ended with %v, want canceled", asked, kept.Err())
		}
	}
}
