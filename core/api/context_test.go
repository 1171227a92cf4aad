package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestRequestContextEndsOnce(t *testing.T) {
	c := &requestContext{}
	if c.Err() != nil {
		t.Fatal("a new context has ended")
	}
	done := c.Done()
	c.end(errClientGone)
	c.end(errAnswered)
	<-done
	<-c.Done()
	if !errors.Is(c.Err(), context.Canceled) || !errors.Is(c.ended(), errClientGone) {
		t.Fatalf("Err %v, ended %v", c.Err(), c.ended())
	}
}

func TestDoneAskedForAfterTheEndIsClosed(t *testing.T) {
	c := &requestContext{}
	c.end(errStopping)
	<-c.Done()
}

func TestDerivedContextsEndWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &requestContext{}
		derived, cancel := context.WithTimeout(c, time.Hour)
		defer cancel()
		other, cancelOther := context.WithCancel(c)
		called := make(chan struct{})
		context.AfterFunc(c, func() { close(called) })
		cancelOther()
		if c.Err() != nil || other.Err() == nil {
			t.Fatal("a derived context ended its parent")
		}
		c.end(errClientGone)
		synctest.Wait()
		<-called
		if !errors.Is(derived.Err(), context.Canceled) {
			t.Fatalf("derived: %v", derived.Err())
		}
		late, cancelLate := context.WithCancel(c)
		defer cancelLate()
		<-late.Done()
	})
}

func TestStoppedAfterFuncIsNotCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &requestContext{}
		stop := context.AfterFunc(c, func() { t.Error("called") })
		if !stop() || stop() {
			t.Error("stop tells wrongly whether it stopped")
		}
		c.end(errAnswered)
		synctest.Wait()
		late := make(chan struct{})
		if c.AfterFunc(func() { close(late) })() {
			t.Error("what runs already was stopped")
		}
		<-late
	})
}
