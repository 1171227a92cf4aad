//go:build prove

package store

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skiffhq/skiff/core/fault"
)

// kills is how often TestKillLosesNothingThatWasAnswered kills.
const kills = 200

// smallDisk mounts a file system of so many MiB, which takes root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+"m"))
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// runChild runs a child to its own end and notes what it answered.
func runChild(t *testing.T, dir, reserve string, answered map[int]uint64) error {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, childReserveEnv+"="+reserve)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), ":") {
			note(t, answered, lines.Text())
		}
	}
	_, _ = io.Copy(io.Discard, out)
	return cmd.Wait()
}

// TestAFullDiskLosesNothingThatWasAnswered has no reserve, as when others fill
// the disk within a second: the process dies of a bus error in Badger.
func TestAFullDiskLosesNothingThatWasAnswered(t *testing.T) {
	for round := range 5 {
		disk := smallDisk(t, "96")
		filler := filepath.Join(disk, "filler")
		must(t, os.WriteFile(filler, make([]byte, (50+5*round)<<20), 0o600))
		dir, answered := filepath.Join(disk, "store"), map[int]uint64{}
		if err := runChild(t, dir, "-1", answered); err == nil || len(answered) == 0 {
			t.Fatalf("the child ended with %v and %d answers", err, len(answered))
		}
		err := New(Options{Dir: dir}).Start(context.Background())
		wantFault(t, err, fault.Exhausted, fault.ReasonDiskReserve)
		must(t, os.Remove(filler))
		checkPairs(t, dir, answered)
	}
}

// TestTheReserveIsEnough writes up to the default reserve, is refused many
// times, and lives through what Badger does on its own account meanwhile.
func TestTheReserveIsEnough(t *testing.T) {
	for range 3 {
		dir, answered := filepath.Join(smallDisk(t, "420"), "store"), map[int]uint64{}
		for range 3 {
			if err := runChild(t, dir, "0", answered); err != nil {
				t.Fatalf("the child ended with %v", err)
			}
			checkPairs(t, dir, answered)
		}
	}
}
