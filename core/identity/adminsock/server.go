// Package adminsock is the way in before anybody has a password: a unix socket
// that makes the first Admin and gives new passwords, to whoever is root on the
// host or runs as the appliance's own user.
//
// It knows nothing of users; those are core/identity's.
package adminsock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skiffhq/skiff/core/fault"
)

// Admin does the work. identity.Service is one.
type Admin interface {
	InitAdmin(ctx context.Context, user, password string) error
	ResetPassword(ctx context.Context, user, password string) error
}

const (
	pathInit  = "/init"
	pathReset = "/reset-password"

	maxBody     = 16 << 10 // bytes
	maxPath     = 107      // bytes, see unix(7)
	ioTimeout   = 10 * time.Second
	dialTimeout = time.Second
)

// credentials is the body of every request.
type credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Server serves the socket. Start and Stop may not run at the same time.
type Server struct {
	path  string
	log   *slog.Logger
	trust func(uid uint32) bool
	http  *http.Server
	done  chan struct{} // closed when serving has ended; nil before Start
}

// New returns a Server for the socket at path.
func New(path string, admin Admin, log *slog.Logger) *Server {
	s := &Server{path: path, log: log, trust: trusted(uint32(os.Geteuid()))}
	mux := http.NewServeMux()
	mux.Handle("POST "+pathInit, s.handle(admin.InitAdmin))
	mux.Handle("POST "+pathReset, s.handle(admin.ResetPassword))
	s.http = &http.Server{Handler: mux, ReadTimeout: ioTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	return s
}

// trusted accepts root, who can read the store anyway, and the server's own user.
func trusted(self uint32) func(uint32) bool {
	return func(uid uint32) bool { return uid == 0 || uid == self }
}

// Start listens. A socket that an earlier run left behind is replaced. Fault:
// Conflict where another appliance listens on it, Invalid for a path that is
// too long.
func (s *Server) Start(ctx context.Context) error {
	if len(s.path) > maxPath {
		return fault.New(fault.Invalid, "admin_socket", "listen on %s: the path is longer than %d bytes", s.path, maxPath).
			WithRemedy("choose a data directory with a shorter path")
	}
	if err := s.removeStale(ctx); err != nil {
		return err
	}
	l, err := listen(ctx, s.path)
	if err != nil {
		return fmt.Errorf("listen on the administration socket %s: %w", s.path, err)
	}
	s.done = make(chan struct{})
	go s.serve(&peerListener{Listener: l, trust: s.trust, log: s.log})
	return nil
}

func (s *Server) serve(l net.Listener) {
	defer close(s.done)
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("the administration socket has ended; restart to have it back", "path", s.path, "error", err)
	}
}

// listen makes the socket for its owner alone. Between the two calls it has the
// mode that the umask leaves; there the check of the peer already holds.
func listen(ctx context.Context, path string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (s *Server) removeStale(ctx context.Context) error {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "unix", s.path)
	if err == nil {
		conn.Close()
		return fault.New(fault.Conflict, "admin_socket", "listen on %s: another appliance does", s.path).
			WithRemedy("stop it, or use another data directory")
	}
	info, err := os.Lstat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen on the administration socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fault.New(fault.Conflict, "admin_socket", "listen on %s: it is no socket", s.path).WithRemedy("move the file away")
	}
	return os.Remove(s.path)
}

// Stop ends requests as ctx allows, waits, and removes the socket.
func (s *Server) Stop(ctx context.Context) error {
	if s.done == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	return err
}

// peerListener closes connections of those who are not trusted, unheard.
type peerListener struct {
	net.Listener
	trust func(uid uint32) bool
	log   *slog.Logger
}

// Accept implements net.Listener.
func (l *peerListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(conn)
		if err == nil && l.trust(uid) {
			return conn, nil
		}
		l.log.Warn("administration socket refused a peer", "uid", uid, "error", err)
		conn.Close()
	}
}

// peerUID asks the kernel who connected (SO_PEERCRED).
func peerUID(conn net.Conn) (uid uint32, err error) {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("%T is no unix socket", conn)
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var errCred error
	if err := raw.Control(func(fd uintptr) { cred, errCred = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if errCred != nil {
		return 0, errCred
	}
	return cred.Uid, nil
}

func (s *Server) handle(do func(ctx context.Context, user, password string) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c credentials
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		dec.DisallowUnknownFields()
		err := dec.Decode(&c)
		if err != nil {
			err = fault.Wrap(err, fault.Invalid, "validation", "read the request")
		} else {
			err = do(r.Context(), c.Username, c.Password)
		}
		s.answer(w, r, c.Username, err)
	})
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, user string, err error) {
	if err == nil {
		s.log.Info("administration socket: done", "action", r.URL.Path, "user", user)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.log.Warn("administration socket: refused", "action", r.URL.Path, "user", user, "error", err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(toWire(err)) // a peer that has gone needs no answer
}
