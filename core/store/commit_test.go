package store

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// put returns a request that writes one record of so many bytes.
func put(name string, size int) func(*tx) error {
	return func(t *tx) error {
		t.own[string(prefixOf(kindFunction))+name] = bytes.Repeat([]byte{codecJSON}, size)
		return nil
	}
}

// paused returns a running store whose committer waits until it is told to go.
func paused(t *testing.T) (s *Store, resume func()) {
	t.Helper()
	s = New(Options{Dir: t.TempDir()})
	must(t, s.Start(context.Background()))
	c := s.commits
	close(c.stop)
	<-c.done
	resume = sync.OnceFunc(func() {
		c.stop, c.done = make(chan struct{}), make(chan struct{})
		select {
		case c.wake <- struct{}{}:
		default:
		}
		go c.loop()
	})
	t.Cleanup(func() { resume(); stop(t, s) })
	return s, resume
}

// enqueue runs a request and does not wait for its commit.
func enqueue(t *testing.T, c *committer, fn func(*tx) error) *batch {
	t.Helper()
	c.lock()
	b, err := c.run(context.Background(), fn)
	must(t, err)
	return b
}

func TestRequestsThatWaitShareOneCommit(t *testing.T) {
	s, resume := paused(t)
	before := s.Stats()
	var batches []*batch
	for i := range 100 {
		batches = append(batches, enqueue(t, s.commits, put(fmt.Sprint(i), 100)))
	}
	resume()
	for _, b := range batches {
		<-b.done
		must(t, b.err)
	}
	after := s.Stats()
	if commits, requests := after.Commits-before.Commits, after.Requests-before.Requests; commits != 1 || requests != 100 {
		t.Errorf("%d requests in %d commits", requests, commits)
	}
}

func TestBatchesAreSplitBeforeTheyAreTooBig(t *testing.T) {
	s, resume := paused(t)
	const n, size = 60, 60 << 10 // about three transactions
	var last *batch
	for i := range n {
		last = enqueue(t, s.commits, put(fmt.Sprintf("%02d", i), size))
	}
	if len(s.commits.pending) < 2 {
		t.Fatalf("%d batches", len(s.commits.pending))
	}
	c := s.commits // what no disk has yet can be read by the next request
	seen := 0
	enqueue(t, c, func(tx *tx) error {
		return tx.scan(prefixOf(kindFunction), true, func([]byte, []byte) error { seen++; return nil })
	})
	resume()
	<-last.done
	must(t, last.err)
	if seen != n {
		t.Errorf("the next request saw %d of %d", seen, n)
	}
	stored := 0
	must(t, s.view(context.Background(), func(st *state) error {
		return st.scan(prefixOf(kindFunction), true, func([]byte, []byte) error { stored++; return nil })
	}))
	if stored != n {
		t.Errorf("%d of %d were stored", stored, n)
	}
}

func TestARequestOverTheLimitIsRefusedAlone(t *testing.T) {
	s := started(t, Options{Dir: t.TempDir()})
	err := s.update(context.Background(), func(tx *tx) error {
		for i := range 30 {
			_ = put(fmt.Sprint(i), 60<<10)(tx)
		}
		return nil
	})
	wantFault(t, err, fault.TooLarge, "transaction_too_large")
	err = s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		return tx.PutFunction(&function.Function{Name: "f", Description: strings.Repeat("x", maxRecord)})
	})
	if !fault.Is(err, fault.TooLarge) {
		t.Errorf("a record over the limit: %v", err)
	}
	must(t, s.update(context.Background(), put("next", 1)))
}

func TestLargeValuesFitIntoOneRequest(t *testing.T) {
	s := started(t, Options{Dir: t.TempDir()})
	must(t, s.update(context.Background(), func(tx *tx) error {
		for i := range 5 {
			_ = put(fmt.Sprint(i), 1<<20)(tx)
		}
		return nil
	}))
	key := append(prefixOf(kindFunction), '3')
	if got := get(t, s, key); len(got) != 1<<20 {
		t.Errorf("read %d bytes", len(got))
	}
	if st := s.Stats(); st.VlogBytes < 5<<20 {
		t.Errorf("the value log has %d bytes", st.VlogBytes)
	}
	s.collectGarbage()
}

func TestWhoOnlyReadWaitsForWhatTheySaw(t *testing.T) {
	s, resume := paused(t)
	enqueue(t, s.commits, put("f", 10))
	done := make(chan error, 1)
	go func() { done <- s.update(context.Background(), func(*tx) error { return nil }) }()
	runtime.Gosched()
	select {
	case err := <-done:
		t.Errorf("answered %v before what it saw was durable", err)
	default:
	}
	resume()
	must(t, <-done)
}

func TestAfterAFailedSyncNothingIsTaken(t *testing.T) {
	s, resume := paused(t)
	first := enqueue(t, s.commits, put("a", 10))
	s.commits.writing = true // as while it is written, so that b builds on it
	second := enqueue(t, s.commits, put("b", 10))
	s.health.note("Error while curlf sync: %v\n")
	resume()
	for _, b := range []*batch{first, second} {
		<-b.done
		wantFault(t, b.err, fault.Unavailable, "store_failed")
	}
	wantFault(t, s.update(context.Background(), put("c", 10)), fault.Unavailable, "store_failed")
	wantFault(t, s.Ready(), fault.Unavailable, "store_failed")
	must(t, s.view(context.Background(), func(*state) error { return nil }))
	if s.Stats().WritesReady {
		t.Error("the figures say that it takes writes")
	}
}

func TestStopWaitsForThoseWhoAreInside(t *testing.T) {
	s := New(Options{Dir: t.TempDir()})
	must(t, s.Start(context.Background()))
	inside, leave, viewed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		viewed <- s.view(context.Background(), func(*state) error { close(inside); <-leave; return nil })
	}()
	<-inside
	impatient, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Stop(impatient); !fault.Is(err, fault.Timeout) {
		t.Errorf("stop: %v", err)
	}
	wantFault(t, s.update(context.Background(), put("f", 1)), fault.Unavailable, "store_not_running")
	close(leave)
	must(t, <-viewed)
	stop(t, s)
	stop(t, s)
}

func TestGateLetsNobodyInOnceShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		if g.enter() {
			t.Error("entered before it was open")
		}
		g.unlock()
		for range 2 {
			if !g.enter() {
				t.Fatal("not open")
			}
		}
		empty := g.shut()
		if g.enter() {
			t.Error("entered after it was shut")
		}
		g.leave()
		select {
		case <-empty:
			t.Error("empty with one inside")
		default:
		}
		g.leave()
		<-empty
		<-g.shut()
	})
}
