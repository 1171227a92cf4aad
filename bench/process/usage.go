package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// userHZ is the unit of times in /proc, fixed by the kernel's ABI on every
// architecture that Go runs on with Linux.
const userHZ = 100

// Usage is what a process has cost until now.
type Usage struct {
	CPU     time.Duration // user and system, with children that have ended
	RSS     int64         // bytes in memory now
	PeakRSS int64         // bytes in memory at most so far
}

// Read reads what a process costs. It may be called for any process that the
// user may look at.
func Read(pid int) (Usage, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	u := Usage{RSS: kilobytes(status, "VmRSS:"), PeakRSS: kilobytes(status, "VmHWM:")}
	u.CPU, err = CPU(pid)
	return u, err
}

// CPU reads the processor time of a process, user and system, to the
// nanosecond, and to the 100th of a second that of its children that have
// ended.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	own, children, err := parseStat(stat)
	if err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	if exact, err := clock(pid); err == nil {
		own = exact
	}
	return own + children, nil
}

// clock reads the same time as utime and stime, but not in ticks of 10 ms,
// which would be a tenth of a short round (clock_getcpuclockid(3): the id is
// made from the pid, see include/linux/posix-timers.h).
func clock(pid int) (time.Duration, error) {
	const sched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}

// parseStat takes utime and stime, and cutime and cstime, out of
// /proc/PID/stat, see proc_pid_stat(5). The name before them may hold anything.
func parseStat(stat []byte) (own, children time.Duration, err error) {
	const first = 14 - 3 // utime is field 14, the first after the name is 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < first+4 {
		return 0, 0, fmt.Errorf("/proc/PID/stat has no processor times: %q", stat)
	}
	var ticks [4]time.Duration
	for i := range ticks {
		n, err := strconv.ParseInt(string(fields[first+i]), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks[i] = time.Duration(n) * time.Second / userHZ
	}
	return ticks[0] + ticks[1], ticks[2] + ticks[3], nil
}

// kilobytes returns a field of /proc/PID/status in bytes; 0 where it is not
// there, as after the end of the process.
func kilobytes(status []byte, field string) int64 {
	for line := range bytes.Lines(status) {
		rest, ok := bytes.CutPrefix(line, []byte(field))
		if !ok {
			continue
		}
		n, _ := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
		return n << 10
	}
	return 0
}
