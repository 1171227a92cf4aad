// Package process runs the servers that are measured, and reads what they cost
// from the kernel. Linux only.
//
// What the servers are for does not belong here.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// Grace is how long a process may take to end by itself.
const Grace = 40 * time.Second

// Process is a running child. Its methods may be called from many goroutines.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended, valid once done is closed
}

// Start runs a program, whose output goes to out. It dies with this process,
// however that ends, and hears no signal of the terminal: whoever started it
// stops it in order.
func Start(out io.Writer, path string, args ...string) (*Process, error) {
	cmd := exec.CommandContext(context.Background(), path, args...) // no context ends it: Stop does, in order
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // a grandchild may hold the output open
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID returns the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the process ended: nil while it runs and when it exited with
// 0.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Stop asks the process to end, and kills it when the grace is over or the
// context ends. It is idempotent and returns once the process is gone; an error
// means that it had to be killed or did not end well.
func (p *Process) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Grace)
	defer cancel()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		<-p.done
		return nil // it had ended before, which is not for Stop to judge
	}
	select {
	case <-p.done:
		return p.ended()
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("stop %s: killed, it did not end by itself", p.cmd.Path)
	}
}

// ended takes the signal that was sent for a good end.
func (p *Process) ended() error {
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGTERM {
			return nil
		}
	}
	return p.err
}
