package wasi

import (
	"errors"
	"io/fs"
	"syscall"
)

// Errno is an error number of WASI preview 1; zero is success.
//
// See https://github.com/WebAssembly/WASI/blob/snapshot-01/phases/snapshot/docs.md#-errno-variant
type Errno uint16

// The numbers that this package gives.
const (
	Success        Errno = 0
	errAcces       Errno = 2
	errBadf        Errno = 8
	errExist       Errno = 20
	errFault       Errno = 21
	errFbig        Errno = 22
	errInval       Errno = 28
	errIO          Errno = 29
	errIsdir       Errno = 31
	errLoop        Errno = 32
	errMfile       Errno = 33
	errNametoolong Errno = 37
	errNoent       Errno = 44
	errNomem       Errno = 48
	errNospc       Errno = 51
	errNosys       Errno = 52
	errNotdir      Errno = 54
	errNotempty    Errno = 55
	errNotsock     Errno = 57
	errNotsup      Errno = 58
	errPerm        Errno = 63
	errRofs        Errno = 69
	errSpipe       Errno = 70
	errXdev        Errno = 75
	errNotcapable  Errno = 76
)

// hostErrnos are the errors of the host's file system that guests understand.
var hostErrnos = []struct {
	err   error
	errno Errno
}{
	{fs.ErrNotExist, errNoent},
	{fs.ErrPermission, errAcces},
	{fs.ErrExist, errExist},
	{fs.ErrClosed, errBadf},
	{syscall.ENOTDIR, errNotdir},
	{syscall.EISDIR, errIsdir},
	{syscall.ELOOP, errLoop},
	{syscall.ENAMETOOLONG, errNametoolong},
	{syscall.EINVAL, errInval},
	{syscall.EMFILE, errMfile},
	{syscall.ENFILE, errMfile},
}

// errnoOf tells a guest what went wrong on the host, and no more than that.
// What it cannot name, such as a path that leaves its root, is not capable.
func errnoOf(err error) Errno {
	if err == nil {
		return Success
	}
	for _, h := range hostErrnos {
		if errors.Is(err, h.err) {
			return h.errno
		}
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		if system := syscall.Errno(0); !errors.As(pe.Err, &system) {
			return errNotcapable
		}
	}
	return errIO
}
