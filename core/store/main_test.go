package store

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/fault"
)

// TestMain is also the child that tests kill: see crash_test.go.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(childMain(dir))
	}
	goleak.VerifyTestMain(m)
}

// started returns a running store, stopped when the test ends.
func started(t testing.TB, opts Options) *Store {
	t.Helper()
	s := New(opts)
	must(t, s.Start(context.Background()))
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantFault also demands a remedy: every fault of a store is the operator's.
func wantFault(t testing.TB, err error, class fault.Class, reason string) {
	t.Helper()
	f := fault.Of(err)
	if f == nil || f.Class != class || f.Reason != reason {
		t.Fatalf("got %v (%+v), want class %v and reason %s", err, f, class, reason)
	}
	if f.Remedy == "" {
		t.Errorf("%v has no remedy", err)
	}
}

// get returns what a store holds under a key, "" for nothing.
func get(t testing.TB, s *Store, key []byte) (value string) {
	t.Helper()
	must(t, s.view(context.Background(), func(st *state) error {
		_, err := st.read(key, func(v []byte) error { value = string(v); return nil })
		return err
	}))
	return value
}
