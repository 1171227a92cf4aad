// Package load drives one HTTP server and measures how it answers: at a
// constant rate whatever the server does (open loop), or from a number of
// callers who each wait for their answer (closed loop).
//
// In the open loop a latency begins when the request should have been sent,
// not when it was: a server that stalls for a second is charged with every
// request of that second (Gil Tene's "coordinated omission"). All answers are
// checked, byte by byte.
//
// The generator shares a small host with the server, so it is lean: requests
// are built beforehand and answers are parsed as far as needed. What is
// measured, and what is compared with what, does not belong here. Linux only.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// MaxRequest bounds a request in bytes. It fits into an idle connection's
// socket buffer, so that sending one never holds up the next.
const MaxRequest = 64 << 10

// DefaultDrain is how long the last answers are waited for.
const DefaultDrain = 10 * time.Second

// Request is a request ready to be sent, and the one right answer to it: 200
// with this body.
type Request struct {
	Wire []byte
	Want []byte
}

// Plan says what to send where.
type Plan struct {
	Dial        func(context.Context) (net.Conn, error)
	Requests    []Request     // sent in turn
	Connections int           // the callers of a closed loop; the pool of an open one
	Rate        float64       // requests per second; 0: closed loop
	Duration    time.Duration // how long requests are sent
	Drain       time.Duration // how long the last answers are waited for; 0: DefaultDrain

	// Started and Ended are called when all connections stand and the first
	// request is about to be sent, and when the last answer is there. Nil: none.
	Started, Ended func()
	Progress       *Progress // nil: none

	pause func(until time.Time) // nil: an alarm
}

// TCP returns a Dial to host:port.
func TCP(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// Run carries the plan out. Wrong and missing answers are part of the result;
// an error means that nothing was measured: a plan that makes no sense, a
// server that cannot be connected to, or a context that ended.
func Run(ctx context.Context, p Plan) (*Result, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if p.Drain == 0 {
		p.Drain = DefaultDrain
	}
	if p.pause == nil {
		alarm, err := newAlarm()
		if err != nil {
			return nil, err
		}
		defer alarm.close()
		p.pause = alarm.pause
	}
	if p.Progress == nil {
		p.Progress = &Progress{}
	}
	callers, err := connect(ctx, &p)
	defer closeAll(callers)
	if err != nil {
		return nil, err
	}
	if p.Rate > 0 {
		return runOpen(ctx, &p, callers)
	}
	return runClosed(ctx, &p, callers)
}

func (p *Plan) check() error {
	switch {
	case p.Dial == nil || len(p.Requests) == 0:
		return errors.New("plan a load: no server or no request given")
	case p.Connections < 1 || p.Duration <= 0 || p.Rate < 0:
		return fmt.Errorf("plan a load: %d connections at %g requests/s for %v make no load", p.Connections, p.Rate, p.Duration)
	}
	for _, r := range p.Requests {
		if len(r.Wire) > MaxRequest {
			return fmt.Errorf("plan a load: a request of %d bytes is longer than %d", len(r.Wire), MaxRequest)
		}
	}
	return nil
}

func (p *Plan) started() {
	if p.Started != nil {
		p.Started()
	}
}

func (p *Plan) ended() {
	if p.Ended != nil {
		p.Ended()
	}
}

// connect opens all connections before anything is measured.
func connect(ctx context.Context, p *Plan) ([]*caller, error) {
	callers := make([]*caller, 0, p.Connections)
	for range p.Connections {
		conn, err := p.Dial(ctx)
		if err != nil {
			return callers, fmt.Errorf("connect to the server: %w", err)
		}
		callers = append(callers, newCaller(p, conn))
	}
	return callers, nil
}

func closeAll(callers []*caller) {
	for _, c := range callers {
		c.close()
	}
}
