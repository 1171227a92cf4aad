package artifact

import (
	"context"
	"sync"

	"github.com/skiffhq/skiff/core/fault"
)

// work is what runs in the background, which no caller's context may end.
type work struct {
	base   context.Context // ends with the work
	cancel context.CancelFunc

	mu    sync.Mutex // guards ended, and Add against Wait of all
	ended bool
	all   sync.WaitGroup
}

func newWork() work {
	base, cancel := context.WithCancel(context.Background())
	return work{base: base, cancel: cancel}
}

// do runs fn, unless the end has begun.
func (w *work) do(fn func(context.Context) error) error {
	if !w.begin() {
		return stopped()
	}
	defer w.all.Done()
	err := fn(w.base)
	if err != nil && w.base.Err() != nil {
		return stopped()
	}
	return err
}

func (w *work) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.all.Add(1)
	}
	return !w.ended
}

// end lets nothing begin any more, ends what runs and returns a channel that is
// closed when nothing does.
func (w *work) end() <-chan struct{} {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.cancel()
	done := make(chan struct{})
	go func() { // ends with the work, which has been told to
		w.all.Wait()
		close(done)
	}()
	return done
}

func stopped() error {
	return fault.New(fault.Unavailable, "code_stopped", "unpack code: the appliance is stopping")
}
