package load

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// pauseUntil sleeps in the kernel. Go's own timers wait in epoll, which counts
// in milliseconds: too coarse to send a thousand requests a second evenly.
func pauseUntil(t time.Time) {
	for {
		d := time.Until(t)
		if d <= 0 {
			return
		}
		ts := unix.NsecToTimespec(int64(d))
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil) // a signal may wake it early
	}
}

// precisely runs f on a thread whose sleeps the kernel does not stretch to
// save power; by default it adds up to 50 µs.
func precisely(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }() // 0: the default
	f()
}
