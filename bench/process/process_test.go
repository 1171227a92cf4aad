package process

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell runs a script and waits for the first line that it prints.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	r, w := io.Pipe()
	p, err := Start(w, "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Close()
		_ = p.cmd.Process.Kill()
		<-p.Done()
	})
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStopEndsAProcessThatEndsByItself(t *testing.T) {
	for name, script := range map[string]string{
		"by the signal": "echo up; while :; do sleep 0.01; done",
		"with 0":        "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done",
	} {
		t.Run(name, func(t *testing.T) {
			p := shell(t, script)
			for range 2 {
				if err := p.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestStopTellsOfABadEnd(t *testing.T) {
	p := shell(t, "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done")
	if err := p.Stop(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3") || p.Err() == nil {
		t.Errorf("got %v, %v", err, p.Err())
	}
}

func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	p := shell(t, "trap '' TERM; echo up; while :; do sleep 0.01; done")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v", err)
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	if _, err := Start(io.Discard, "/nowhere/skiff"); err == nil {
		t.Error("was started")
	}
}

// TestCPUIsWhatTheKernelBills burns processor time and asks rusage too.
func TestCPUIsWhatTheKernelBills(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := rusage(t) + 100*time.Millisecond; rusage(t) < end; {
		bytes.Repeat([]byte("x"), 1000)
	}
	after, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if spent := after - before; spent < 100*time.Millisecond || spent > 10*time.Second {
		t.Errorf("burnt 100 ms, billed %v", spent)
	}
	if diff := (after - rusage(t)).Abs(); diff > 50*time.Millisecond {
		t.Errorf("%v away from rusage", diff)
	}
}

func rusage(t *testing.T) time.Duration {
	t.Helper()
	var own, children syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children); err != nil {
		t.Fatal(err)
	}
	return time.Duration(own.Utime.Nano() + own.Stime.Nano() + children.Utime.Nano() + children.Stime.Nano())
}

func TestMemoryIsSeenToGrow(t *testing.T) {
	before, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	ballast := bytes.Repeat([]byte{1}, size)
	after, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if grown := after.RSS - before.RSS; grown < size/2 || after.PeakRSS < after.RSS {
		t.Errorf("grew by %d, peak %d of %d", grown, after.PeakRSS, after.RSS)
	}
	if ballast[size-1] != 1 {
		t.Error("the ballast was thrown overboard")
	}
}

func TestReadingAProcessThatIsGone(t *testing.T) {
	p := shell(t, "echo up")
	<-p.Done()
	if u, err := Read(p.PID()); err == nil {
		t.Errorf("got %+v", u)
	}
}

func TestParseStat(t *testing.T) {
	line := "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 7 3 20 0 1\n"
	own, children, err := parseStat([]byte(line))
	if err != nil || own != 2*time.Second || children != 100*time.Millisecond {
		t.Errorf("got %v, %v, %v", own, children, err)
	}
	for _, bad := range []string{"", "42 (a) S 1 2", strings.Replace(line, "150", "x", 1)} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
