// Package echo is the baseline: a bare fasthttp server that answers what a
// function would, without any of the work of an appliance.
//
// It is run in a process of its own, as the appliance is. It checks nothing
// and knows no functions.
package echo

import (
	"context"
	"net"

	"github.com/valyala/fasthttp"
)

// Serve answers every request with what answer makes of its body, until ctx
// ends. The listener is closed. answer may return its argument; it is called
// from many goroutines.
func Serve(ctx context.Context, l net.Listener, answer func(body []byte) []byte) error {
	s := &fasthttp.Server{
		Handler: func(r *fasthttp.RequestCtx) { r.SetBody(answer(r.PostBody())) },
		Logger:  silent{},
	}
	stopped := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = s.Shutdown() // fails only where the listener does, which has served its time
	})
	err := s.Serve(l)
	if !release() {
		<-stopped
	}
	return err
}

// silent drops complaints about connections that end.
type silent struct{}

func (silent) Printf(string, ...any) {}
