package load

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm sleeps to the microsecond. Go's own timers wait in epoll, which counts
// in milliseconds: too coarse to send a thousand requests a second evenly. A
// timer of the kernel's wakes epoll at the right moment, and keeps no thread
// busy as a sleep in the kernel would. For one goroutine.
type alarm struct {
	fd   int      // a timerfd
	file *os.File // the same, which the runtime polls
	buf  [8]byte  // how often it went off
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	return &alarm{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}, nil
}

// pause sleeps until t, never shorter.
func (a *alarm) pause(t time.Time) {
	for {
		d := time.Until(t)
		if d <= 0 {
			return
		}
		once := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
		if err := unix.TimerfdSettime(a.fd, 0, &once, nil); err != nil {
			time.Sleep(d)
			return
		}
		if _, err := a.file.Read(a.buf[:]); err != nil {
			time.Sleep(time.Until(t))
			return
		}
	}
}

func (a *alarm) close() { _ = a.file.Close() }
