package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/skiffhq/skiff/core/fault"
)

// lockName is the file in the store's directory that the one process which uses
// it holds locked. The lock goes with the process, however that ends; the file
// stays and holds the last owner's process id.
const lockName = "skiff.lock"

// acquire locks the directory. Closing the file gives it back.
func acquire(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, fault.New(fault.Conflict, "store_locked", "open the store in %q: %s uses it", dir, owner(f)).
			WithRemedy("stop that one first, or give this one another data directory")
	}
	if err == nil {
		err = errors.Join(f.Truncate(0), writeOwner(f))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	return f, nil
}

func writeOwner(f *os.File) error {
	_, err := fmt.Fprintf(f, "%d\n", os.Getpid())
	return err
}

func owner(f *os.File) string {
	pid := make([]byte, 20)
	n, _ := f.ReadAt(pid, 0)
	if id := strings.TrimSpace(string(pid[:n])); id != "" {
		return "process " + id
	}
	return "another process"
}
