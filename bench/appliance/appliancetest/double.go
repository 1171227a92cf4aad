// Package appliancetest is a stand-in for the skiff program, for tests of the
// bench that need an appliance to start, set up, load and stop, but none that
// runs functions.
//
// A test binary that calls Main first thing in its TestMain can be given as
// the program. It speaks the API as far as the bench does, keeps only the
// names of functions, and answers calls by what their payload looks like.
package appliancetest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/skiffhq/skiff/core/wire"
)

// Environment names the variable that lets the stand-in misbehave, and these
// are its values.
const (
	Environment = "SKIFF_DOUBLE"

	Wrong  = "wrong"  // every hundredth answer is another than the right one
	Broken = "broken" // it ends before it is ready
	Mortal = "mortal" // it dies at the hundredth call
)

// Version is what the stand-in says it is.
const Version = "double"

// Main acts as the skiff program and exits, if the arguments are its; else it
// returns.
func Main() {
	if len(os.Args) < 2 {
		return
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(os.Args[2:])
	case "admin":
		err = initAdmin(os.Args[3:]) // after "init"
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "skiff double:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// initAdmin leaves the credentials where the server looks for them.
func initAdmin(args []string) error {
	f := flag.NewFlagSet("admin init", flag.ContinueOnError)
	user, password, socket := f.String("username", "", ""), f.String("password-file", "", ""), f.String("socket", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	raw, err := os.ReadFile(*password)
	if err != nil {
		return err
	}
	login, err := json.Marshal(wire.Login{Username: *user, Password: strings.TrimSpace(string(raw))})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(*socket), "login"), login, 0o600)
}

func serve(args []string) error {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	dir, listen, config := f.String("data-dir", "", ""), f.String("listen", "", ""), f.String("config", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	if os.Getenv(Environment) == Broken {
		return errors.New("no disk, no memory, no luck")
	}
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", *listen)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(wire.Endpoints{API: l.Addr().String()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*dir, "endpoints.json"), raw, 0o600); err != nil {
		return err
	}
	d := &double{dir: *dir, limited: *config == "", temper: os.Getenv(Environment)}
	return until(syscall.SIGTERM, &http.Server{Handler: d.routes()}, l)
}

func until(sig os.Signal, s *http.Server, l net.Listener) error {
	ctx, stop := signal.NotifyContext(context.Background(), sig)
	defer stop()
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// writesPerMinute is what an appliance allows by default.
const writesPerMinute = 20

type double struct {
	dir     string
	limited bool
	temper  string // Wrong, Mortal or nothing

	mu     sync.Mutex
	writes int
	calls  int
}

func (d *double) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, wire.Readiness{Ready: true}) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, wire.Health{Status: "ok", Version: Version})
	})
	mux.HandleFunc("POST /api/v1/authentication/login", d.login)
	mux.HandleFunc("POST /api/v1/tokens", d.authenticated("session", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusCreated, wire.Token{Token: "token"})
	}))
	mux.HandleFunc("GET /api/v1/functions", d.authenticated("token", d.functions))
	mux.HandleFunc("POST /api/v1/functions", d.authenticated("token", d.create))
	mux.HandleFunc("DELETE /api/v1/functions/{name}", d.authenticated("token", d.remove))
	mux.HandleFunc("POST /api/v1/functions/{name}/versions", d.authenticated("token", d.publish))
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", d.authenticated("token", d.invoke))
	return mux
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int) {
	reply(w, status, wire.Error{Error: wire.ErrorBody{Message: "the double says no"}})
}

func (d *double) authenticated(token string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			refuse(w, http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

func (d *double) login(w http.ResponseWriter, r *http.Request) {
	var got, want wire.Login
	raw, err := os.ReadFile(filepath.Join(d.dir, "login"))
	if err == nil {
		err = errors.Join(json.Unmarshal(raw, &want), json.NewDecoder(r.Body).Decode(&got))
	}
	if err != nil || got != want {
		refuse(w, http.StatusUnauthorized)
		return
	}
	reply(w, http.StatusOK, wire.LoginResult{Token: "session"})
}

func (d *double) file(name string) string { return filepath.Join(d.dir, "function-"+name) }

func (d *double) functions(w http.ResponseWriter, _ *http.Request) {
	found, _ := filepath.Glob(d.file("*"))
	reply(w, http.StatusOK, wire.Functions{Total: len(found)})
}

func (d *double) create(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.writes++
	over := d.limited && d.writes > writesPerMinute
	d.mu.Unlock()
	var f wire.CreateFunction
	switch err := json.NewDecoder(r.Body).Decode(&f); {
	case over:
		refuse(w, http.StatusTooManyRequests)
	case err != nil || f.Runtime == nil || *f.Runtime != "wasm":
		refuse(w, http.StatusBadRequest)
	case os.WriteFile(d.file(f.Name), nil, 0o600) != nil:
		refuse(w, http.StatusInternalServerError)
	default:
		reply(w, http.StatusCreated, wire.Function{Name: f.Name})
	}
}

func (d *double) remove(w http.ResponseWriter, r *http.Request) {
	if os.Remove(d.file(r.PathValue("name"))) != nil {
		refuse(w, http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (d *double) publish(w http.ResponseWriter, r *http.Request) {
	code, err := io.ReadAll(r.Body)
	if err != nil || len(code) == 0 {
		refuse(w, http.StatusBadRequest)
		return
	}
	reply(w, http.StatusCreated, wire.Version{FunctionName: r.PathValue("name"), Version: 1})
}

// invoke greets whoever has a name, and echoes everything else.
func (d *double) invoke(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.calls++
	hundredth := d.calls%100 == 0
	d.mu.Unlock()
	if hundredth && d.temper == Mortal {
		os.Exit(3)
	}
	body, _ := io.ReadAll(r.Body)
	var person struct{ Name string }
	if json.Unmarshal(body, &person) == nil && person.Name != "" {
		body = fmt.Appendf(nil, `{"message":"Hello, %s"}`, person.Name)
	}
	if hundredth && d.temper == Wrong {
		body = append(body, '!')
	}
	_, _ = w.Write(body)
}
