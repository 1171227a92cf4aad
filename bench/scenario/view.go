package scenario

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/skiffhq/skiff/bench/load"
)

// viewEvery is how often the line is written anew: seldom, since it takes its
// time from what is measured.
const viewEvery = time.Second

// view is the progress line on a terminal.
type view struct {
	w io.Writer // nil: nobody looks
}

func newView(w io.Writer) *view { return &view{w} }

// during shows how a load gets on while f runs it.
func (v *view) during(label string, total time.Duration, p *load.Progress, f func() error) error {
	begin := time.Now()
	return v.while(f, func() string {
		took := min(time.Since(begin), total).Round(time.Second)
		return fmt.Sprintf("%s  %v of %v  %d right  %d wrong", label, took, total, p.Right(), p.Failed())
	})
}

// counting shows a count while f runs.
func (v *view) counting(label string, n *atomic.Int64, f func() error) error {
	return v.while(f, func() string { return fmt.Sprintf("%s  %d", label, n.Load()) })
}

// while writes the line again and again until f returns, and clears it.
func (v *view) while(f func() error, line func() string) error {
	if v.w == nil {
		return f()
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		v.repeat(stop, line)
	}()
	defer func() {
		close(stop)
		<-stopped
		v.clear()
	}()
	return f()
}

func (v *view) repeat(stop <-chan struct{}, line func() string) {
	tick := time.NewTicker(viewEvery)
	defer tick.Stop()
	for {
		_, _ = fmt.Fprintf(v.w, "\r\x1b[K%s", line())
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

func (v *view) clear() {
	if v.w != nil {
		_, _ = io.WriteString(v.w, "\r\x1b[K")
	}
}
