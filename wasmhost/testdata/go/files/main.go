// Files uses its directories in the ways that programs do, and answers with
// "ok" or with what was not as it should be.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := errors.Join(code(), escape(), tmp(), full(), system()); err != nil {
		fmt.Print(err)
		os.Exit(1)
	}
	fmt.Print("ok")
}

func want(err, kind error, what string) error {
	if !errors.Is(err, kind) {
		return fmt.Errorf("%s: got %v, want %v", what, err, kind)
	}
	return nil
}

func code() error {
	b, err := os.ReadFile("/var/task/data/table.txt")
	if err != nil || string(b) != "from the bundle" {
		return fmt.Errorf("read from the bundle: %q, %v", b, err)
	}
	var names []string
	err = fs.WalkDir(os.DirFS("/var/task"), ".", func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	if got := strings.Join(names, " "); err != nil || got != ". data data/table.txt main.wasm" {
		return fmt.Errorf("walk: %q, %v", got, err)
	}
	_, missing := os.Stat("/var/task/nothing")
	return errors.Join(
		want(missing, fs.ErrNotExist, "what is missing"),
		want(os.WriteFile("/var/task/new", nil, 0o600), syscall.EROFS, "write to the bundle"),
		want(os.WriteFile("/var/task/main.wasm", nil, 0o600), syscall.EROFS, "overwrite the bundle"),
		want(os.Remove("/var/task/main.wasm"), syscall.EROFS, "remove from the bundle"),
		want(os.Mkdir("/var/task/dir", 0o700), syscall.EROFS, "make a directory in the bundle"),
		want(os.Rename("/tmp/none", "/var/task/new"), syscall.EROFS, "move into the bundle"),
	)
}

func escape() error {
	for _, name := range []string{"/var/task/../../etc/passwd", "/var/task/data/../../x", "/etc/passwd", "/tmp/../etc/passwd"} {
		if b, err := os.ReadFile(name); err == nil {
			return fmt.Errorf("read %d bytes of %s", len(b), name)
		}
	}
	return nil
}

func tmp() error {
	entries, err := os.ReadDir("/tmp")
	if err != nil || len(entries) != 0 {
		return fmt.Errorf("a new /tmp has %d entries, %v", len(entries), err)
	}
	f, err := os.CreateTemp("", "x")
	if err != nil {
		return err
	}
	f.WriteString("hello")
	f.WriteAt([]byte("J"), 0)
	f.Seek(-1, 2)
	f.WriteString("y!")
	f.Close()
	b, err := os.ReadFile(f.Name())
	if string(b) != "Jelly!" || err != nil {
		return fmt.Errorf("read back %q, %v", b, err)
	}
	a, _ := os.OpenFile(f.Name(), os.O_APPEND|os.O_WRONLY, 0)
	a.WriteString("++")
	a.Truncate(7)
	a.Close()
	at := time.Unix(1000, 0)
	os.Chtimes(f.Name(), at, at)
	st, err := os.Stat(f.Name())
	if err != nil || st.Size() != 7 || !st.ModTime().Equal(at) {
		return fmt.Errorf("stat: %+v, %v", st, err)
	}
	if err := errors.Join(os.MkdirAll("/tmp/a/b", 0o700), os.Rename(f.Name(), "/tmp/a/b/c")); err != nil {
		return err
	}
	return errors.Join(
		want(os.Remove("/tmp/a"), syscall.ENOTEMPTY, "remove a full directory"),
		want(os.Rename("/tmp/a", "/tmp/a/b/d"), syscall.EINVAL, "move a directory into itself"),
		want(os.Mkdir("/tmp/a", 0o700), fs.ErrExist, "make what is there"),
		os.RemoveAll("/tmp/a"),
	)
}

func full() error {
	piece := make([]byte, 1<<20)
	f, _ := os.Create("/tmp/big")
	n := 0
	var err error
	for err == nil && n < 100 {
		_, err = f.Write(piece)
		n++
	}
	f.Close()
	if n < 60 || n > 65 {
		return fmt.Errorf("/tmp was full after %d MiB", n)
	}
	err = want(err, syscall.ENOSPC, "fill /tmp")
	os.Remove("/tmp/big")
	return errors.Join(err, os.WriteFile("/tmp/again", piece, 0o600))
}

func system() error {
	begin := time.Now()
	time.Sleep(10 * time.Millisecond)
	if d := time.Since(begin); d < 10*time.Millisecond || d > 5*time.Second {
		return fmt.Errorf("10 ms took %v", d)
	}
	if len(os.Args) != 1 || os.Getenv("SKIFF_REQUEST_ID") != "request-1" || os.Getenv("TRACEPARENT") != "00-trace-1" ||
		os.Getenv("SKIFF_DEADLINE_MS") == "" || os.Getenv("MODE") != "test" {
		return fmt.Errorf("arguments %q, environment %q", os.Args, os.Environ())
	}
	return nil
}
