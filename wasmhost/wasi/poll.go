package wasi

import (
	"math"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

const (
	subscriptionSize = 48
	eventSize        = 32
	maxSubscriptions = 1024

	onClock   = 0
	onFDRead  = 1
	onFDWrite = 2
)

// pollOneoff waits for the first of several events. Descriptors are always
// ready, since all of them are in memory or regular files, so it sleeps only
// where a guest waits for clocks alone, and no longer than the invocation.
func (s *System) pollOneoff(p []uint64) Errno {
	count := uint64(uint32(p[2]))
	if count == 0 || count > maxSubscriptions {
		return errInval
	}
	in, ok := s.bytes(p[0], count*subscriptionSize)
	if !ok {
		return errFault
	}
	out, ok := s.bytes(p[1], count*eventSize)
	if !ok {
		return errFault
	}
	wait, errno := s.shortest(in)
	if errno != Success {
		return errno
	}
	if wait > 0 {
		s.sleep(wait)
	}
	return s.put32(p[3], s.events(in, out, wait))
}

// shortest returns how long to wait until the first event, 0 where one is
// there already.
func (s *System) shortest(in []byte) (time.Duration, Errno) {
	wait := time.Duration(math.MaxInt64)
	for ; len(in) > 0; in = in[subscriptionSize:] {
		switch in[8] {
		case onClock:
			d, errno := clockWait(in)
			if errno != Success {
				return 0, errno
			}
			wait = min(wait, d)
		case onFDRead, onFDWrite:
			wait = 0
		default:
			return 0, errInval
		}
	}
	return wait, Success
}

// clockWait returns how far off the time of a subscription is.
func clockWait(sub []byte) (time.Duration, Errno) {
	clock, at, flags := get(sub[16:], 4), get(sub[24:], 8), get(sub[40:], 2)
	if clock > clockLast || flags > 1 {
		return 0, errInval
	}
	if flags == 1 { // an absolute time
		n := now(clock)
		if at <= n {
			return 0, Success
		}
		at -= n
	}
	return time.Duration(min(at, math.MaxInt64)), Success
}

// events writes what has happened after the wait.
func (s *System) events(in, out []byte, wait time.Duration) (n uint32) {
	for ; len(in) > 0; in = in[subscriptionSize:] {
		e := out[:eventSize]
		clear(e)
		switch in[8] {
		case onClock:
			if d, _ := clockWait(in); in[40] == 0 && d > wait || in[40] == 1 && d > 0 {
				continue
			}
		default:
			s.ready(e, in)
		}
		copy(e, in[:8])
		e[10] = in[8]
		out = out[eventSize:]
		n++
	}
	return n
}

// ready fills in the event of a descriptor.
func (s *System) ready(e, sub []byte) {
	fd := get(sub[16:], 4)
	d, errno := s.descriptor(fd)
	if errno != Success {
		e[8] = byte(errno)
		return
	}
	bytes := uint64(1)
	if d.stream == stdin {
		bytes = uint64(len(s.Stdin))
	}
	for i := range 8 {
		e[16+i] = byte(bytes >> (8 * i))
	}
}

// errOver unwinds a guest whose invocation is over. The engine passes errors of
// this type on as they are.
var errOver = sys.NewExitError(sys.ExitCodeContextCanceled)

// look ends a guest whose invocation is over.
func (s *System) look() {
	if s.over() {
		panic(errOver)
	}
}

// sleep waits. A guest whose invocation is over meanwhile does not go on: it
// would act as if it had slept to the end.
func (s *System) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.Done:
		panic(errOver)
	}
}
