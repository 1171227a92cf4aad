package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// echoing is a reactor, by hand, whose handler "handle" returns its request;
// skiff_alloc always gives the place 1024.
const echoing = "\x00asm\x01\x00\x00\x00" +
	"\x01\x0c\x02\x60\x01\x7f\x01\x7f\x60\x02\x7f\x7f\x01\x7e" +
	"\x03\x03\x02\x00\x01" +
	"\x05\x03\x01\x00\x02" +
	"\x07\x21\x03\x06memory\x02\x00\x0bskiff_alloc\x00\x00\x06handle\x00\x01" +
	"\x0a\x14\x02\x05\x00\x41\x80\x08\x0b\x0c\x00\x20\x00\xad\x42\x20\x86\x20\x01\xad\x84\x0b"

// welcome runs skiff serve --dev with an example until it has said everything,
// and returns what it wrote.
func welcome(t *testing.T, dir, example string) (out, errs string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	var failures bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		args := []string{"serve", "--dev", "--data-dir", dir, "--listen", "127.0.0.1:0", "--example", example}
		ended <- run(ctx, args, streams{strings.NewReader(""), w, &failures}, func(string) string { return "" })
		w.Close()
	}()
	var text strings.Builder
	for lines := bufio.NewScanner(r); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			stop()
		}
	}
	if code := <-ended; code != exitOK {
		t.Errorf("skiff serve ended with %d: %s", code, &failures)
	}
	return text.String(), failures.String()
}

func TestExampleIsDeployedOnceAndInvoked(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(w.env["HOME"], "data")
	file := w.file("hello.wasm", echoing)
	const answer = "$ skiff invoke hello --data '{\"name\": \"Skiff\"}'\n{\"name\": \"Skiff\"}\n"
	first, errs := welcome(t, dir, file)
	for _, want := range []string{"v1 is published", answer, "export SKIFF_TOKEN=$(cat " + dir + "/admin.token) SKIFF_SERVER=http://127.0.0.1:",
		" invoke hello --data", " version list hello", " metrics hello"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in\n%s%s", want, first, errs)
		}
	}
	again, errs := welcome(t, dir, file)
	if strings.Contains(again, "published") || !strings.Contains(again, answer) {
		t.Errorf("the same code again:\n%s%s", again, errs)
	}
}

func TestExampleThatFailsDoesNotEndTheAppliance(t *testing.T) {
	w := newWorld(t)
	out, errs := welcome(t, filepath.Join(w.env["HOME"], "data"), filepath.Join(w.env["HOME"], "missing.wasm"))
	if !strings.Contains(out, "Skiff serves on http://127.0.0.1:") || !strings.Contains(errs, "error: ") || !strings.Contains(errs, "missing.wasm") {
		t.Errorf("%s%s", out, errs)
	}
}
