package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// childEnv names the directory in which this test binary, run again, writes
// until it is killed.
const (
	childEnv        = "SKIFF_STORE_CHILD"
	childReserveEnv = "SKIFF_STORE_CHILD_RESERVE"
)

const childWriters = 8

// childMain counts with several writers at once and prints "WRITER COUNT" for
// each count that the store has answered. Each is written to two functions by
// one update. It ends by itself only when the disk is full.
func childMain(dir string) int {
	reserve, err := strconv.ParseInt(os.Getenv(childReserveEnv), 10, 64)
	if err != nil {
		reserve = -1
	}
	s := New(Options{Dir: dir, Reserve: reserve})
	if err := s.Start(context.Background()); err != nil {
		fmt.Println("start:", err)
		return 1
	}
	var wg sync.WaitGroup
	for w := range childWriters {
		wg.Go(func() { childWrite(s, w) })
	}
	wg.Wait()
	if err := s.Stop(context.Background()); err != nil {
		fmt.Println("stop:", err)
		return 1
	}
	return 0
}

// childWrite counts until it was refused many times.
func childWrite(s *Store, writer int) {
	for refused := 0; refused < 3_000; {
		n, err := childCount(s, writer)
		switch {
		case fault.HasReason(err, fault.ReasonDiskReserve):
			refused++
		case err != nil:
			fmt.Println("update:", err)
			return
		default:
			fmt.Println(writer, n)
		}
	}
}

func pairOf(writer int) (string, string) {
	return fmt.Sprintf("left-%d", writer), fmt.Sprintf("right-%d", writer)
}

// childCount adds one to a writer's pair of counters.
func childCount(s *Store, writer int) (n uint64, err error) {
	left, right := pairOf(writer)
	err = s.Catalog().Update(context.Background(), func(tx catalog.Tx) error {
		f, err := tx.Function(left)
		if err != nil {
			return err
		}
		if f != nil {
			n = f.Revision
		}
		n++
		// Some bulk, so that memtables fill up and are flushed while we count,
		// and now and then a value for the value log.
		bulk := strings.Repeat("x", 2000)
		if n%50 == 0 {
			bulk = strings.Repeat("x", 2*valueThreshold)
		}
		return errors.Join(tx.PutFunction(&function.Function{Name: left, Revision: n, Description: bulk}),
			tx.PutFunction(&function.Function{Name: right, Revision: n, Description: bulk}))
	})
	return n, err
}

func TestKillLosesNothingThatWasAnswered(t *testing.T) {
	dir := t.TempDir()
	answered := map[int]uint64{}
	for round := range kills {
		runAndKill(t, dir, answered, 200+37*round%1000)
		checkPairs(t, dir, answered)
	}
}

// runAndKill kills a child after so many answers and notes all that it gave,
// also those that were still on their way.
func runAndKill(t *testing.T, dir string, answered map[int]uint64, after int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == after {
			must(t, cmd.Process.Kill())
		}
		note(t, answered, lines.Text())
	}
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the child was not killed: %v", err)
	}
}

// note takes an answer; the last line of a killed child may be cut short.
func note(t *testing.T, answered map[int]uint64, line string) {
	t.Helper()
	if strings.Contains(line, ":") {
		t.Fatalf("the child says %q", line)
	}
	var writer int
	var n uint64
	if _, err := fmt.Sscanf(line, "%d %d\n", &writer, &n); err == nil {
		answered[writer] = max(answered[writer], n)
	}
}

// checkPairs finds every counter at its last answer, or further by what was
// under way, and both of a pair equal.
func checkPairs(t *testing.T, dir string, answered map[int]uint64) {
	t.Helper()
	s := New(Options{Dir: dir, Reserve: -1})
	must(t, s.Start(context.Background()))
	defer stop(t, s)
	must(t, s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		for w := range childWriters {
			left, right := pairOf(w)
			l, err := r.Function(left)
			rt, err2 := r.Function(right)
			if err := errors.Join(err, err2); err != nil {
				return err
			}
			if (l == nil) != (rt == nil) || l != nil && l.Revision != rt.Revision {
				t.Errorf("writer %d: half an update: %v, %v", w, l, rt)
			}
			if want := answered[w]; want > 0 && (l == nil || l.Revision < want || l.Revision > want+1) {
				t.Errorf("writer %d: %v was answered, the store has %v", w, want, l)
			}
		}
		return nil
	}))
}
