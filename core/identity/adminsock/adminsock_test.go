package adminsock

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ Admin = (*identity.Service)(nil)

// fakeAdmin notes calls and answers err.
type fakeAdmin struct {
	calls []string
	err   error
}

func (f *fakeAdmin) InitAdmin(_ context.Context, user, password string) error {
	f.calls = append(f.calls, "init "+user+" "+password)
	return f.err
}

func (f *fakeAdmin) ResetPassword(_ context.Context, user, password string) error {
	f.calls = append(f.calls, "reset "+user+" "+password)
	return f.err
}

// start serves a socket until the test ends.
func start(t *testing.T, admin Admin, edit func(*Server)) (path string) {
	t.Helper()
	path = socketPath(t)
	s := New(path, admin, slog.New(slog.DiscardHandler))
	if edit != nil {
		edit(s)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return path
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// socketPath is short, which t.TempDir need not be.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "admin.sock")
}

func TestCallsReachTheAdmin(t *testing.T) {
	admin := &fakeAdmin{}
	path := start(t, admin, nil)
	if err := Init(t.Context(), path, "root", "päss"); err != nil {
		t.Fatal(err)
	}
	if err := ResetPassword(t.Context(), path, "ada", "p2"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"init root päss", "reset ada p2"}; !reflect.DeepEqual(admin.calls, want) {
		t.Errorf("calls %q, want %q", admin.calls, want)
	}
}

func TestSocketIsForItsOwnerAndGoesAway(t *testing.T) {
	path := socketPath(t)
	s := New(path, &fakeAdmin{}, slog.New(slog.DiscardHandler))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("socket %v, %v", info, err)
	}
	stop(t, s)
	stop(t, s)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after Stop: %v", err)
	}
	err := Init(t.Context(), path, "root", "x")
	if !fault.Is(err, fault.Unavailable) || fault.Of(err).Remedy == "" {
		t.Errorf("without a server: %v", err)
	}
}

func TestFaultsArriveAsTheyWere(t *testing.T) {
	want := fault.New(fault.Throttled, "busy", "create user: busy").WithRemedy("wait").WithRetryAfter(1500 * time.Millisecond)
	want.Details = []fault.Detail{{Field: "password", Message: "must be longer"}}
	err := Init(t.Context(), start(t, &fakeAdmin{err: want}, nil), "root", "x")
	if got := fault.Of(err); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCausesStayInside(t *testing.T) {
	err := Init(t.Context(), start(t, &fakeAdmin{err: errors.New("secret path")}, nil), "root", "x")
	if !fault.Is(err, fault.Internal) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyRootAndTheOwnUserAreTrusted(t *testing.T) {
	for _, tc := range []struct {
		self, peer uint32
		want       bool
	}{{1000, 0, true}, {1000, 1000, true}, {1000, 1001, false}, {0, 0, true}, {0, 1000, false}} {
		if got := trusted(tc.self)(tc.peer); got != tc.want {
			t.Errorf("server %d, peer %d: trusted %v", tc.self, tc.peer, got)
		}
	}
}

func TestPeersAreJudgedByTheirUserBeforeTheyAreHeard(t *testing.T) {
	admin := &fakeAdmin{}
	seen := make(chan uint32, 10)
	path := start(t, admin, func(s *Server) {
		s.trust = func(uid uint32) bool { seen <- uid; return false }
	})
	if err := Init(t.Context(), path, "root", "x"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	if len(admin.calls) != 0 {
		t.Errorf("a stranger was heard: %v", admin.calls)
	}
	if uid := <-seen; uid != uint32(os.Geteuid()) {
		t.Errorf("the kernel names %d, we are %d", uid, os.Geteuid())
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	admin := &fakeAdmin{}
	path := start(t, admin, nil)
	for name, body := range map[string]string{
		"no JSON": "{", "unknown field": `{"username":"a","password":"b","role":"Admin"}`, "wrong type": `{"username":1}`,
		"too large": `{"username":"` + strings.Repeat("a", maxBody) + `"}`,
	} {
		resp, err := client(path).Post("http://skiff"+pathInit, "application/json", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		if err := fromWire(resp); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
		resp.Body.Close()
	}
	if err := call(t.Context(), path, "/elsewhere", credentials{}); !fault.Is(err, fault.Internal) {
		t.Errorf("unknown path: %v", err)
	}
	resp, err := client(path).Get("http://skiff" + pathInit)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || len(admin.calls) != 0 {
		t.Errorf("GET gives %s, calls %v", resp.Status, admin.calls)
	}
}

func TestStartRefusesWhatItMayNotReplace(t *testing.T) {
	used := start(t, &fakeAdmin{}, nil)
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fault.Class{used: fault.Conflict, file: fault.Conflict, "/" + strings.Repeat("x", maxPath): fault.Invalid} {
		err := New(path, &fakeAdmin{}, slog.New(slog.DiscardHandler)).Start(t.Context())
		if !fault.Is(err, want) || fault.Of(err).Remedy == "" {
			t.Errorf("%.20s: %v", path, err)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "mine" {
		t.Errorf("the file is now %q, %v", data, err)
	}
	if err := Init(t.Context(), used, "root", "x"); err != nil {
		t.Errorf("the first server is gone: %v", err)
	}
}

func TestStartReplacesASocketLeftBehind(t *testing.T) {
	path := socketPath(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s := New(path, &fakeAdmin{}, slog.New(slog.DiscardHandler))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if err := Init(t.Context(), path, "root", "x"); err != nil {
		t.Error(err)
	}
}
