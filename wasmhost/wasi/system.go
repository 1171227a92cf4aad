// Package wasi is WASI preview 1 for functions: standard streams in memory, a
// read-only code directory and a private /tmp, clocks, entropy and sleep that
// ends with the invocation.
//
// It stands in place of wazero's implementation because that one keeps its
// state in the module's configuration, which costs allocations for each
// instance, cannot differ by request, and hands directories of the host to
// guests unguarded. There is no network and no second thread.
//
// How guests are started and what becomes of their results does not belong
// here.
package wasi

import (
	"context"
	"io"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// ModuleName is the name under which guests import these functions.
const ModuleName = "wasi_snapshot_preview1"

// System is the world of one guest. The zero value is one without
// environment, files and output. It is used by one goroutine at a time,
// the one that runs the guest.
type System struct {
	Args    []string
	Environ []string // "key=value"; no NUL inside
	// Extra gives more of the same, for what differs by request. It is asked
	// when the guest does; nil is none.
	Extra  func() []string
	Stdin  []byte    // read from the front
	Stdout io.Writer // nil drops what is written
	Stderr io.Writer // nil drops what is written
	Mounts []Mount   // the descriptors 3, 4, …; not changed once the guest runs
	// Done ends sleeps and long transfers. Nil never does.
	Done <-chan struct{}
	// Reserve is asked before a descriptor takes memory of the host, in bytes,
	// and told by a negative number when it is given back. Where it returns
	// false the guest sees ENOMEM; nil allows everything.
	Reserve func(bytes int64) bool

	// Exited and ExitCode tell what proc_exit was called with.
	Exited   bool
	ExitCode uint32

	mem api.Memory
	fds []*descriptor // nil until a guest does more than use its streams
}

// Mount is a directory that the guest finds open when it starts.
type Mount struct {
	Path string // as the guest calls it, e.g. "/tmp"
	FS   FS
}

// Carrier is a context that knows the guest's System. The context that a
// guest is called with must be one, or have one as the value of Key{}.
type Carrier interface{ System() *System }

// Key is the key of a Carrier in a context.
type Key struct{}

func systemOf(ctx context.Context) *System {
	if c, ok := ctx.(Carrier); ok {
		return c.System()
	}
	return ctx.Value(Key{}).(Carrier).System()
}

// Close closes the files that the guest left open.
func (s *System) Close() {
	for _, d := range s.fds {
		if d != nil {
			s.drop(d)
		}
	}
	s.fds = nil
}

// function is one of WASI's. It answers with an error number.
type function struct {
	name   string
	params string // one letter a parameter: i for i32, l for i64
	run    func(s *System, p []uint64) Errno
}

var functions = []function{
	{"args_get", "ii", (*System).argsGet},
	{"args_sizes_get", "ii", (*System).argsSizesGet},
	{"environ_get", "ii", (*System).environGet},
	{"environ_sizes_get", "ii", (*System).environSizesGet},
	{"clock_res_get", "ii", (*System).clockResGet},
	{"clock_time_get", "ili", (*System).clockTimeGet},
	{"fd_advise", "illi", (*System).fdKnown},
	{"fd_allocate", "ill", (*System).fdAllocate},
	{"fd_close", "i", (*System).fdClose},
	{"fd_datasync", "i", (*System).fdKnown},
	{"fd_fdstat_get", "ii", (*System).fdFdstatGet},
	{"fd_fdstat_set_flags", "ii", (*System).fdFdstatSetFlags},
	{"fd_fdstat_set_rights", "ill", (*System).fdKnown},
	{"fd_filestat_get", "ii", (*System).fdFilestatGet},
	{"fd_filestat_set_size", "il", (*System).fdFilestatSetSize},
	{"fd_filestat_set_times", "illi", (*System).fdKnown},
	{"fd_pread", "iiili", (*System).fdPread},
	{"fd_prestat_get", "ii", (*System).fdPrestatGet},
	{"fd_prestat_dir_name", "iii", (*System).fdPrestatDirName},
	{"fd_pwrite", "iiili", (*System).fdPwrite},
	{"fd_read", "iiii", (*System).fdRead},
	{"fd_readdir", "iiili", (*System).fdReaddir},
	{"fd_renumber", "ii", (*System).fdRenumber},
	{"fd_seek", "ilii", (*System).fdSeek},
	{"fd_sync", "i", (*System).fdKnown},
	{"fd_tell", "ii", (*System).fdTell},
	{"fd_write", "iiii", (*System).fdWrite},
	{"path_create_directory", "iii", (*System).pathCreateDirectory},
	{"path_filestat_get", "iiiii", (*System).pathFilestatGet},
	{"path_filestat_set_times", "iiiilli", (*System).pathFilestatSetTimes},
	{"path_link", "iiiiiii", (*System).notSupported},
	{"path_open", "iiiiillii", (*System).pathOpen},
	{"path_readlink", "iiiiii", (*System).pathReadlink},
	{"path_remove_directory", "iii", (*System).pathRemoveDirectory},
	{"path_rename", "iiiiii", (*System).pathRename},
	{"path_symlink", "iiiii", (*System).notSupported},
	{"path_unlink_file", "iii", (*System).pathUnlinkFile},
	{"poll_oneoff", "iiii", (*System).pollOneoff},
	{"proc_raise", "i", (*System).notSupported},
	{"random_get", "ii", (*System).randomGet},
	{"sched_yield", "", (*System).schedYield},
	{"sock_accept", "iii", (*System).notSocket},
	{"sock_recv", "iiiiii", (*System).notSocket},
	{"sock_send", "iiiii", (*System).notSocket},
	{"sock_shutdown", "ii", (*System).notSocket},
}

// Instantiate makes the host module that guests import from.
func Instantiate(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	b := r.NewHostModuleBuilder(ModuleName)
	for _, f := range functions {
		b.NewFunctionBuilder().WithGoModuleFunction(bridge(f.run), valueTypes(f.params), []api.ValueType{api.ValueTypeI32}).Export(f.name)
	}
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(procExit), valueTypes("i"), nil).Export("proc_exit")
	return b.Instantiate(ctx)
}

// bridge finds the guest's System, and ends a guest whose invocation is over:
// what the host does for it may take longer than its code. It allocates nothing.
func bridge(run func(s *System, p []uint64) Errno) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		s := systemOf(ctx)
		s.look()
		s.mem = mod.Memory()
		stack[0] = uint64(run(s, stack))
	}
}

func valueTypes(letters string) []api.ValueType {
	types := make([]api.ValueType, len(letters))
	for i, l := range letters {
		types[i] = api.ValueTypeI32
		if l == 'l' {
			types[i] = api.ValueTypeI64
		}
	}
	return types
}

// procExit ends the guest by unwinding its stack. The module stays open: its
// owner closes it when nobody looks at its memory any more.
func procExit(ctx context.Context, _ api.Module, stack []uint64) {
	s := systemOf(ctx)
	s.Exited, s.ExitCode = true, uint32(stack[0])
	panic(sys.NewExitError(s.ExitCode))
}

func (s *System) notSupported([]uint64) Errno { return errNotsup }

// notSocket answers that the descriptor is none, as there is no network.
func (s *System) notSocket(p []uint64) Errno {
	if _, errno := s.descriptor(p[0]); errno != Success {
		return errno
	}
	return errNotsock
}
