package wasi

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/wazerotest"
	"github.com/tetratelabs/wazero/sys"
)

func TestErrorsOfTheHostAreNamedWithoutDetails(t *testing.T) {
	for want, err := range map[Errno]error{
		Success: nil, errNoent: os.ErrNotExist, errAcces: syscall.EACCES, errMfile: syscall.EMFILE, errIO: errors.New("disk on fire"),
		errNotcapable: &fs.PathError{Op: "open", Path: "x", Err: errors.New("path escapes from parent")},
		errLoop:       &fs.PathError{Op: "open", Path: "x", Err: syscall.ELOOP},
	} {
		if got := errnoOf(err); got != want {
			t.Errorf("%v is %d, want %d", err, got, want)
		}
	}
	if errno := errnoOf(&fs.PathError{Op: "read", Path: "x", Err: syscall.ENXIO}); errno != errIO {
		t.Errorf("what guests do not know is %d", errno)
	}
	for mode, kind := range map[fs.FileMode]Type{0: TypeRegular, fs.ModeDir: TypeDir, fs.ModeSymlink: TypeSymlink, fs.ModeNamedPipe: TypeUnknown} {
		if got := typeOf(mode); got != kind {
			t.Errorf("%v is of the kind %d", mode, got)
		}
	}
}

type carrier struct {
	context.Context
	s *System
}

func (c carrier) System() *System { return c.s }

// TestTheHostModule calls the functions as an engine does.
func TestTheHostModule(t *testing.T) {
	ctx := t.Context()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer rt.Close(ctx)
	mod, err := Instantiate(ctx, rt)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(mod.ExportedFunctionDefinitions()); n != len(functions)+1 {
		t.Errorf("%d functions of %d", n, len(functions)+1)
	}
	s := &System{}
	for name, ctx := range map[string]context.Context{"carrier": carrier{ctx, s}, "value": context.WithValue(ctx, Key{}, carrier{ctx, s})} {
		if systemOf(ctx) != s {
			t.Errorf("the system is not found by %s", name)
		}
	}
	stack := []uint64{7, 0}
	bridge((*System).fdClose)(carrier{ctx, s}, wazerotest.NewModule(nil), stack)
	if Errno(stack[0]) != errBadf {
		t.Errorf("answered %d", stack[0])
	}
	if got := valueTypes("il"); got[0] != api.ValueTypeI32 || got[1] != api.ValueTypeI64 {
		t.Errorf("types %v", got)
	}
	defer func() {
		exit, ok := recover().(*sys.ExitError)
		if !ok || exit.ExitCode() != 9 || !s.Exited || s.ExitCode != 9 {
			t.Errorf("got %v, %+v", exit, s)
		}
	}()
	procExit(carrier{ctx, s}, nil, []uint64{9})
}

func TestAModuleWithoutMemory(t *testing.T) {
	s := &System{}
	if errno := s.argsSizesGet([]uint64{0, 0}); errno != errFault {
		t.Errorf("got %d", errno)
	}
	if errno := s.fdRead([]uint64{0, 0, 1, 0}); errno != errFault {
		t.Errorf("got %d", errno)
	}
	if errno := s.notSupported(nil); errno != errNotsup {
		t.Errorf("got %d", errno)
	}
}
