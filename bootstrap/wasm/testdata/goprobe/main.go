// Command goprobe is a guest that does on demand what guests do, for the
// tests of the Go SDK: the payload is the name of the thing, a space, and an
// argument.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/skiffhq/skiff/bootstrap/wasm/skiff"
)

func init() {
	slog.SetDefault(slog.New(skiff.NewLogHandler(&slog.HandlerOptions{Level: slog.LevelDebug})))
	skiff.HandleRaw(probe)
}

func main() { panic("a reactor's main is not run") }

var deeds = map[string]func(ctx *skiff.Context, arg string) (string, error){
	"panic":   func(_ *skiff.Context, arg string) (string, error) { panic(arg) },
	"index":   func(_ *skiff.Context, arg string) (string, error) { return arg[len(arg):][1:], nil },
	"error":   func(_ *skiff.Context, arg string) (string, error) { return "", errors.New(arg) },
	"typed":   func(_ *skiff.Context, arg string) (string, error) { return "", typed(arg) },
	"exit":    func(_ *skiff.Context, arg string) (string, error) { os.Exit(3); return "", nil },
	"count":   count,
	"log":     logAll,
	"meta":    meta,
	"collect": collect,
	"wait":    wait,
}

func probe(ctx *skiff.Context, payload []byte) ([]byte, error) {
	deed, arg, _ := strings.Cut(string(payload), " ")
	do, ok := deeds[deed]
	if !ok {
		return payload, nil // echo, without a copy
	}
	out, err := do(ctx, arg)
	return []byte(out), err
}

func typed(arg string) error {
	return fmt.Errorf("look up: %w", skiff.Errorf("NotFound", "no item %s", arg))
}

var calls int

func count(*skiff.Context, string) (string, error) {
	calls++
	return fmt.Sprint(calls), nil
}

func logAll(_ *skiff.Context, arg string) (string, error) {
	skiff.Log(slog.LevelDebug, "fine "+arg)
	skiff.Logf(slog.LevelWarn, "odd %s", arg)
	slog.Info("told", "arg", arg, "n", 1)
	slog.Error("bad", "err", errors.New("two words"))
	fmt.Println("plain " + arg)
	return "", nil
}

func meta(ctx *skiff.Context, _ string) (string, error) {
	deadline, ok := ctx.Deadline()
	return fmt.Sprintf("%s|%d|%t|%s|%s|%s", ctx.RequestID(), deadline.UnixMilli(), ok,
		ctx.Traceparent(), ctx.FunctionName(), ctx.FunctionVersion()), nil
}

// collect leaves work for the collector and makes it run, then returns its
// argument: payload and result have to survive that.
func collect(_ *skiff.Context, arg string) (string, error) {
	for range 8 {
		garbage := make([]byte, 1<<20)
		for i := range garbage {
			garbage[i] = 0xff
		}
	}
	runtime.GC()
	return arg, nil
}

// wait ends at the deadline of the context.
func wait(ctx *skiff.Context, _ string) (string, error) {
	started := time.Now()
	<-ctx.Done()
	return fmt.Sprintf("%v after %t", ctx.Err(), time.Since(started) > 10*time.Millisecond), nil
}
