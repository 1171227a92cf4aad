package wasi

import (
	"crypto/rand"
	"runtime"
	"time"
)

func (s *System) argsGet(p []uint64) Errno { return s.putStrings(p[0], p[1], s.Args, nil) }

func (s *System) argsSizesGet(p []uint64) Errno { return s.putSizes(p[0], p[1], s.Args, nil) }

func (s *System) environGet(p []uint64) Errno { return s.putStrings(p[0], p[1], s.Environ, s.extra()) }

func (s *System) environSizesGet(p []uint64) Errno {
	return s.putSizes(p[0], p[1], s.Environ, s.extra())
}

func (s *System) extra() []string {
	if s.Extra == nil {
		return nil
	}
	return s.Extra()
}

// putStrings writes NUL-terminated strings to buf and their addresses to list.
func (s *System) putStrings(list, buf uint64, groups ...[]string) Errno {
	for _, group := range groups {
		for _, text := range group {
			if errno := s.put32(list, uint32(buf)); errno != Success {
				return errno
			}
			b, ok := s.bytes(buf, uint64(len(text)+1))
			if !ok {
				return errFault
			}
			b[copy(b, text)] = 0
			list += 4
			buf += uint64(len(b))
		}
	}
	return Success
}

func (s *System) putSizes(count, size uint64, groups ...[]string) Errno {
	n, bytes := 0, 0
	for _, group := range groups {
		for _, text := range group {
			n++
			bytes += len(text) + 1
		}
	}
	if errno := s.put32(count, uint32(n)); errno != Success {
		return errno
	}
	return s.put32(size, uint32(bytes))
}

// Clocks.
const (
	clockRealtime  = 0
	clockMonotonic = 1 // and above it the clocks of CPU time, which count the same
	clockLast      = 3
)

// started is the zero of the monotonic clock; guests learn nothing of the host.
var started = time.Now()

func now(clock uint64) uint64 {
	if clock == clockRealtime {
		return uint64(time.Now().UnixNano())
	}
	return uint64(time.Since(started)) + 1
}

func (s *System) clockResGet(p []uint64) Errno {
	if uint32(p[0]) > clockLast {
		return errInval
	}
	return s.put64(p[1], 1)
}

func (s *System) clockTimeGet(p []uint64) Errno {
	if uint32(p[0]) > clockLast {
		return errInval
	}
	return s.put64(p[2], now(uint64(uint32(p[0]))))
}

func (s *System) schedYield([]uint64) Errno {
	runtime.Gosched()
	return Success
}

// entropyPiece bounds how long a request for entropy goes on unheard of the
// deadline.
const entropyPiece = 1 << 20

func (s *System) randomGet(p []uint64) Errno {
	b, ok := s.bytes(p[0], p[1])
	if !ok {
		return errFault
	}
	for len(b) > 0 && !s.over() {
		n := min(len(b), entropyPiece)
		rand.Read(b[:n]) // never fails
		b = b[n:]
	}
	return Success
}

// over reports whether the invocation has ended.
func (s *System) over() bool {
	select {
	case <-s.Done:
		return true
	default:
		return false
	}
}
