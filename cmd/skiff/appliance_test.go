package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answering is a WASI command, by hand, that writes {"ok": true}: its call of
// fd_write finds the vector at 0 and the text at 32.
const answering = "\x00asm\x01\x00\x00\x00" +
	"\x01\x0c\x02\x60\x04\x7f\x7f\x7f\x7f\x01\x7f\x60\x00\x00" + // types: fd_write's, and none
	"\x02\x23\x01\x16wasi_snapshot_preview1\x08fd_write\x00\x00" +
	"\x03\x02\x01\x01" + "\x05\x03\x01\x00\x01" + // one function, one page
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x01" +
	"\x0a\x0f\x01\x0d\x00\x41\x01\x41\x00\x41\x01\x41\x14\x10\x00\x1a\x0b" + // fd_write(1, 0, 1, 20)
	"\x0b\x32\x01\x00\x41\x00\x0b\x2c\x20\x00\x00\x00\x0c\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00{\"ok\": true}"

// serveAppliance runs skiff serve --dev until the test ends, and returns a
// shell whose environment knows it.
func serveAppliance(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	dir := filepath.Join(w.env["HOME"], "data")
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan int)
	go func() {
		args := []string{"serve", "--dev", "--data-dir", dir, "--listen", "127.0.0.1:0"}
		code := run(ctx, args, streams{strings.NewReader(""), in, io.Discard}, func(string) string { return "" })
		in.Close()
		ended <- code
	}()
	address, drained := awaitAddress(out)
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitOK {
			t.Errorf("skiff serve ended with %d", code)
		}
		<-drained
	})
	if w.env["SKIFF_SERVER"] = <-address; w.env["SKIFF_SERVER"] == "" {
		t.Fatal("skiff serve ended before it served")
	}
	token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	w.env["SKIFF_TOKEN"] = string(token)
	return w
}

// awaitAddress reads what skiff serve says to its end, and finds the address.
func awaitAddress(out io.Reader) (address chan string, drained chan struct{}) {
	address, drained = make(chan string, 1), make(chan struct{})
	go func() {
		defer close(drained)
		defer close(address)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if at, ok := strings.CutPrefix(lines.Text(), "Skiff serves on "); ok {
				address <- at
			}
		}
	}()
	return address, drained
}

// TestAgainstAnAppliance goes the way of a first day, so that client and
// server are held to each other and not only to the same page.
func TestAgainstAnAppliance(t *testing.T) {
	w := serveAppliance(t)
	code := w.file("ok.wasm", answering)
	password := w.file("pw", "correct horse battery\n")
	t.Chdir(w.env["HOME"])
	for _, step := range []struct {
		args     string
		code     int
		out, err string // that must be in it
	}{
		{"deploy " + code + " --alias live", 0, "v1", "created function ok"},
		{"deploy " + code + " --alias live --env A=1 --description again", 0, "v2", "skiff invoke ok:live"},
		{"invoke ok:live --data {}", 0, `{"ok": true}`, "version 2 · "},
		{"invoke ok:1 --data {}", 0, `{"ok": true}`, "memory "},
		{"invoke ok --data {} -o json", 0, `"executedVersion": "$LATEST"`, ""},
		{"invoke ok:9 --data {}", 3, "", "NOT_FOUND"},
		{"function list", 0, "ok ", ""},
		{"function update ok --unset-env A --tag area=web --memory 128", 0, "area=web", ""},
		{"function get ok", 0, `ETag`, ""},
		{"function create odd --memory 100 --timeout 1000", 3, "", "memorySize"},
		{"version list ok", 0, "again", ""},
		{"version download ok 1", 0, "ok-v1.wasm", ""},
		{"version delete ok 2", 3, "", "CONFLICT"},
		{"alias update ok live --routing 1=90,2=10", 0, "v1 90%, v2 10%", ""},
		{"alias update ok live --version 1 --if-match 1", 3, "", "PRECONDITION_FAILED"},
		{"alias list ok", 0, "v1 90%, v2 10%", ""},
		{"metrics ok", 0, "Invocations  3", ""},
		{"user create bob --role Operator --password-file " + password, 0, "bob", ""},
		{"user list", 0, "bob", ""},
		{"token create --role Viewer --ttl 1h --name ci", 0, ".", "role Viewer"},
		{"login --username bob --password-file " + password, 0, "as bob (Operator)", ""},
		{"logout", 0, "logged out", ""},
		{"token list", 0, "revoked", ""},
		{"audit --actor bob --limit 5", 0, "login", ""},
		{"alias delete ok live", 0, "deleted", ""},
		{"function delete ok --force", 0, "deleted", ""},
		{"user delete bob", 0, "deleted", ""},
	} {
		r := w.run(strings.Fields(step.args)...)
		if r.code != step.code || !strings.Contains(r.out, step.out) || !strings.Contains(r.err, step.err) {
			t.Errorf("skiff %s: exit %d\n%s%s", step.args, r.code, r.out, r.err)
		}
	}
	if data, err := os.ReadFile("ok-v1.wasm"); err != nil || string(data) != answering {
		t.Errorf("downloaded %d bytes, %v", len(data), err)
	}
}
