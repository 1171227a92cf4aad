package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/identity/adminsock"
)

// jwt has the claim {"jti":"id-1"}; nobody here looks at its signature.
const jwt = "e30.eyJqdGkiOiJpZC0xIn0.x"

const loginReply = `{"token":"` + jwt + `","expiresAt":"2026-03-02T00:00:00Z","user":{"username":"ada","role":"Admin"}}`

func login1(body string) exchange {
	return exchange{want: "POST /api/v1/authentication/login", open: true, body: body, reply: loginReply}
}

func (w *world) settings() (string, os.FileInfo) {
	w.t.Helper()
	path := filepath.Join(w.env["HOME"], ".config", "skiff", "config.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data), info
}

func TestLoginIsKeptForItsServerAlone(t *testing.T) {
	get := exchange{want: "GET /api/v1/users/ada", header: map[string]string{"Authorization": "Bearer " + jwt}, reply: userJSON}
	w := newWorld(t, login1(`{"username":"ada","password":"pass word "}`), get)
	delete(w.env, "SKIFF_TOKEN")
	r := w.run("login", "--username", "ada", "--password-file", w.file("pw", "pass word \r\n"))
	if r.code != 0 || !strings.Contains(r.out, "as ada (Admin)") {
		t.Fatalf("got %+v", r)
	}
	text, info := w.settings()
	if info.Mode().Perm() != 0o600 || !strings.Contains(text, "token: "+jwt) {
		t.Errorf("mode %v, %s", info.Mode(), text)
	}
	if left, err := os.ReadDir(filepath.Dir(filepath.Join(w.env["HOME"], ".config/skiff/x"))); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	server := w.env["SKIFF_SERVER"]
	delete(w.env, "SKIFF_SERVER") // the file knows it
	if r := w.run("user", "get", "ada"); r.code != 0 {
		t.Errorf("got %+v", r)
	}
	other := newWorld(t, exchange{want: "GET /api/v1/users/ada", open: true, status: 401})
	w.run("user", "get", "ada", "--server", other.server.URL)

	w.script = []exchange{{want: "DELETE /api/v1/tokens/id-1", header: map[string]string{"Authorization": "Bearer " + jwt}, status: 204}}
	if r := w.run("logout", "--server", server); r.code != 0 || r.err != "" {
		t.Errorf("got %+v", r)
	}
	if text, _ := w.settings(); strings.Contains(text, jwt) {
		t.Errorf("still there: %s", text)
	}
	if r := w.run("logout", "--server", server); r.code != 0 || !strings.Contains(r.out, "not logged in") {
		t.Errorf("got %+v", r)
	}
}

func TestLogoutForgetsWhateverTheServerSays(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		warned bool
	}{"revoked": {204, false}, "worthless already": {401, false}, "in trouble": {500, true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, exchange{want: "DELETE /api/v1/tokens/id-1", header: map[string]string{"Authorization": "Bearer " + jwt}, status: tc.status})
			w.file(".config/skiff/config.yaml", "logins:\n  "+w.server.URL+":\n    user: ada\n    token: "+jwt+"\n")
			r := w.run("logout")
			if text, _ := w.settings(); r.code != 0 || strings.Contains(text, jwt) || strings.Contains(r.err, "warning") != tc.warned {
				t.Errorf("got %+v, %s", r, text)
			}
		})
	}
	for _, token := range []string{"", "secret", "a.b.c", "e30.e30.x"} {
		if id := tokenID(token); id != "" {
			t.Errorf("%q has the id %q", token, id)
		}
	}
}

func TestPrecedenceOfTokensAndServers(t *testing.T) {
	w := newWorld(t, exchange{want: "GET /api/v1/users/ada", reply: userJSON, header: map[string]string{"Authorization": "Bearer flag"}})
	server := w.server.URL
	w.env["SKIFF_SERVER"] = "http://127.0.0.1:1"
	if r := w.run("user", "get", "ada", "--server", server, "--token", "flag"); r.code != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestLoginAsksPeople(t *testing.T) {
	w := newWorld(t, login1(`{"username":"ada","password":"typed"}`))
	w.tty, w.in, w.secrets = true, "ada\n", []string{"typed"}
	if r := w.run("login"); r.code != 0 || !strings.Contains(r.err, "Username: ") {
		t.Errorf("got %+v", r)
	}
}

func TestRefusedLoginKeepsNothing(t *testing.T) {
	w := newWorld(t, exchange{want: "POST /api/v1/authentication/login", open: true, body: "*", status: 401, reply: `{"error":{"code":"UNAUTHORIZED","message":"log in: name or password is wrong"}}`})
	w.in = "wrong"
	r := w.run("login", "--username", "ada", "--password-file", "-")
	if _, err := os.Stat(filepath.Join(w.env["HOME"], ".config")); r.code != exitPlatform || err == nil {
		t.Errorf("got %+v", r)
	}
}

func TestPasswordsOverPlainHTTPAreWarnedOf(t *testing.T) {
	w := newWorld(t)
	w.in = "x"
	r := w.run("login", "--username", "ada", "--password-file", "/nowhere", "--server", "http://edge.example")
	if !strings.Contains(r.err, "whoever is on the way can read the password") {
		t.Errorf("got %+v", r)
	}
}

func TestBrokenSettingsAreSaid(t *testing.T) {
	for name, text := range map[string]string{"not YAML": "{", "unknown key": "servr: x\n"} {
		w := newWorld(t)
		path := w.file(".config/skiff/config.yaml", text)
		if r := w.run("user", "list"); r.code != exitUsage || !strings.Contains(r.err, path) || !strings.Contains(r.err, "skiff login again") {
			t.Errorf("%s: got %+v", name, r)
		}
	}
	w := newWorld(t, exchange{want: "GET /api/v1/users", reply: `{"users":[]}`})
	w.file(".config/skiff/config.yaml", "")
	if r := w.run("user", "list"); r.code != 0 {
		t.Errorf("empty: got %+v", r)
	}
}

func TestSettingsPath(t *testing.T) {
	for _, tc := range []struct{ xdg, home, want string }{
		{"/x", "/h", "/x/skiff/config.yaml"}, {"", "/h", "/h/.config/skiff/config.yaml"},
		{"relative", "/h", "/h/.config/skiff/config.yaml"}, {"", "", ""},
	} {
		env := map[string]string{"XDG_CONFIG_HOME": tc.xdg, "HOME": tc.home}
		a := newApp(streams{}, func(name string) string { return env[name] })
		if got := a.settingsPath(); got != tc.want {
			t.Errorf("%+v: got %q", tc, got)
		}
	}
}

func TestUsersGetPasswords(t *testing.T) {
	created := exchange{want: "POST /api/v1/users", body: `{"username":"ada","password":"pw","role":"Viewer","teams":["web"]}`, status: 201, reply: userJSON}
	w := newWorld(t, created, created)
	if r := w.run("user", "create", "ada", "--role", "viewer", "--team", "web", "--password-file", w.file("pw", "pw\n")); r.code != 0 {
		t.Errorf("from a file: %+v", r)
	}
	w.tty, w.secrets = true, []string{"pw", "pw"}
	if r := w.run("user", "create", "ada", "--role", "viewer", "--team", "web"); r.code != 0 {
		t.Errorf("asked: %+v", r)
	}
	w.secrets = []string{"pw", "pv"}
	if r := w.run("user", "create", "ada", "--role", "viewer"); r.code != exitUsage || !strings.Contains(r.err, "differ") {
		t.Errorf("a slip: %+v", r)
	}
	w.tty = false
	if r := w.run("user", "create", "ada", "--role", "viewer", "--password-file", w.file("none", "\n")); r.code != exitUsage {
		t.Errorf("an empty one: %+v", r)
	}
}

func TestOnesOwnPasswordNeedsTheOldOne(t *testing.T) {
	w := newWorld(t, exchange{want: "PUT /api/v1/users/ada", body: `{"password":"new","oldPassword":"old"}`, reply: userJSON},
		exchange{want: "PUT /api/v1/users/bob", body: `{"password":"new"}`, reply: userJSON})
	delete(w.env, "SKIFF_TOKEN")
	w.file(".config/skiff/config.yaml", "logins:\n  "+w.server.URL+":\n    user: ada\n    token: secret\n")
	w.tty, w.secrets = true, []string{"old", "new", "new"}
	if r := w.run("user", "update", "ada", "--password"); r.code != 0 {
		t.Errorf("got %+v", r)
	}
	w.secrets = []string{"new", "new"}
	if r := w.run("user", "update", "bob", "--password"); r.code != 0 {
		t.Errorf("another's: %+v", r)
	}
}

// admin notes what came over the socket.
type admin struct{ calls []string }

func (a *admin) InitAdmin(_ context.Context, user, password string) error {
	a.calls = append(a.calls, "init "+user+" "+password)
	return nil
}

func (a *admin) ResetPassword(_ context.Context, user, password string) error {
	a.calls = append(a.calls, "reset "+user+" "+password)
	return nil
}

func TestAdminGoesOverTheSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "sk") // short, which t.TempDir need not be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	fake := &admin{}
	server := adminsock.New(filepath.Join(dir, "admin.sock"), fake, slog.New(slog.DiscardHandler))
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	w := newWorld(t)
	w.env["SKIFF_DATA_DIR"] = dir
	pw := w.file("pw", "pw\n")
	if r := w.run("admin", "init", "--username", "ada", "--password-file", pw); r.code != 0 || r.out != "made the administrator ada\n" {
		t.Errorf("got %+v", r)
	}
	w.tty, w.in, w.secrets = true, "bob\n", []string{"x", "x"}
	if r := w.run("admin", "reset-password", "--socket", filepath.Join(dir, "admin.sock")); r.code != 0 {
		t.Errorf("got %+v", r)
	}
	if got := strings.Join(fake.calls, ";"); got != "init ada pw;reset bob x" {
		t.Errorf("calls %s", got)
	}
	if r := w.run("admin", "init", "--username", "a", "--password-file", pw, "--socket", dir+"/none"); r.code != exitPlatform || !strings.Contains(r.err, "--socket") {
		t.Errorf("got %+v", r)
	}
}
