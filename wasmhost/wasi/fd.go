package wasi

import "math"

// stream tells the standard streams from files.
type stream uint8

const (
	none stream = iota
	stdin
	stdout
	stderr
)

// descriptor is one open file of a guest.
type descriptor struct {
	stream      stream
	file        File   // nil for streams, and for a mount's root until it is read
	fs          FS     // of a directory or a file; nil for streams
	name        string // within fs
	mount       string // path of a mount's root; "" for everything else
	dir         bool
	read, write bool
	flags       uint16
	offset      int64
	entries     []Entry // of a directory that is being listed
	charged     int64   // bytes, for itself
	listed      int64   // bytes, for its entries
}

// Bytes that are charged, for what lies on the host's heap.
const (
	descriptorCost = 1 << 10 // with the host's file, without the name
	entryCost      = 64      // without the name
)

const (
	maxOpen     = 256
	flagAppend  = 1
	flagsKnown  = 0x1f
	firstMount  = 3
	allRights   = math.MaxUint64 >> 34 // all that preview 1 has
	rightRead   = 1 << 1
	rightSeek   = 1 << 2
	rightTell   = 1 << 5
	rightWrite  = 1 << 6
	writeRights = rightWrite | 1<<8 | 1<<22 // write, allocate, set the size
)

var streams = [...]descriptor{
	{stream: stdin, read: true}, {stream: stdout, write: true}, {stream: stderr, write: true},
}

// descriptor finds an open file. The table is made when something else than
// a standard stream is asked for, so that most guests go without.
func (s *System) descriptor(fd uint64) (*descriptor, Errno) {
	fd = uint64(uint32(fd))
	if s.fds == nil {
		if fd < uint64(len(streams)) {
			return &streams[fd], Success
		}
		s.openTable()
	}
	if fd >= uint64(len(s.fds)) || s.fds[fd] == nil {
		return nil, errBadf
	}
	return s.fds[fd], Success
}

func (s *System) openTable() {
	all := make([]descriptor, len(streams)+len(s.Mounts))
	copy(all, streams[:])
	for i, m := range s.Mounts {
		all[firstMount+i] = descriptor{fs: m.FS, name: ".", mount: m.Path, dir: true, read: true}
	}
	s.fds = make([]*descriptor, len(all))
	for i := range all {
		s.fds[i] = &all[i]
	}
}

// charge takes bytes from the guest's memory.
func (s *System) charge(bytes int64) bool { return s.Reserve == nil || s.Reserve(bytes) }

// drop closes what a descriptor holds.
func (s *System) drop(d *descriptor) {
	if d.file != nil {
		d.file.Close()
	}
	if bytes := d.charged + d.listed; bytes > 0 {
		s.charge(-bytes)
	}
}

// insert gives a descriptor the lowest free number. Where it fails nothing is
// charged.
func (s *System) insert(d *descriptor) (uint32, Errno) {
	cost := int64(descriptorCost + len(d.name))
	if !s.charge(cost) {
		return 0, errNomem
	}
	fd, errno := s.number(d)
	if errno != Success {
		s.charge(-cost)
		return 0, errno
	}
	d.charged = cost
	return fd, Success
}

func (s *System) number(d *descriptor) (uint32, Errno) {
	for i, other := range s.fds {
		if other == nil {
			s.fds[i] = d
			return uint32(i), Success
		}
	}
	if len(s.fds) >= maxOpen {
		return 0, errMfile
	}
	s.fds = append(s.fds, d)
	return uint32(len(s.fds) - 1), Success
}

func (s *System) fdClose(p []uint64) Errno {
	if s.fds == nil {
		s.openTable()
	}
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	s.drop(d)
	s.fds[uint32(p[0])] = nil
	return Success
}

// fdRenumber moves a descriptor over another, closing that.
func (s *System) fdRenumber(p []uint64) Errno {
	if s.fds == nil {
		s.openTable()
	}
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	if _, errno := s.descriptor(p[1]); errno != Success {
		return errno
	}
	from, to := uint32(p[0]), uint32(p[1])
	if from != to {
		s.fdClose(p[1:2])
		s.fds[to], s.fds[from] = d, nil
	}
	return Success
}

// fdKnown serves what has no effect here: syncing, advice, rights.
func (s *System) fdKnown(p []uint64) Errno {
	_, errno := s.descriptor(p[0])
	return errno
}

// open returns a file that is no stream.
func (s *System) open(fd uint64) (*descriptor, Errno) {
	d, errno := s.descriptor(fd)
	switch {
	case errno != Success:
		return nil, errno
	case d.stream != none:
		return nil, errSpipe
	case d.dir:
		return nil, errIsdir
	}
	return d, Success
}

func (s *System) fdRead(p []uint64) Errno {
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	n, errno := s.vectors(p[1], uint64(uint32(p[2])), func(b []byte) (int, Errno) { return s.read(d, b) })
	if errno != Success && n == 0 {
		return errno
	}
	return s.put32(p[3], uint32(n))
}

func (s *System) read(d *descriptor, b []byte) (int, Errno) {
	switch {
	case d.dir:
		return 0, errIsdir
	case !d.read:
		return 0, errBadf
	case d.stream == stdin:
		n := copy(b, s.Stdin)
		s.Stdin = s.Stdin[n:]
		return n, Success
	}
	n, errno := d.file.ReadAt(b, d.offset)
	d.offset += int64(n)
	return n, errno
}

func (s *System) fdWrite(p []uint64) Errno {
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	n, errno := s.vectors(p[1], uint64(uint32(p[2])), func(b []byte) (int, Errno) { return s.write(d, b) })
	if errno != Success && n == 0 {
		return errno
	}
	return s.put32(p[3], uint32(n))
}

func (s *System) write(d *descriptor, b []byte) (int, Errno) {
	switch {
	case !d.write:
		return 0, errBadf
	case d.stream != none:
		return s.print(d.stream, b)
	}
	if d.flags&flagAppend != 0 {
		st, errno := d.file.Stat()
		if errno != Success {
			return 0, errno
		}
		d.offset = st.Size
	}
	n, errno := d.file.WriteAt(b, d.offset)
	d.offset += int64(n)
	return n, errno
}

func (s *System) print(to stream, b []byte) (int, Errno) {
	w := s.Stdout
	if to == stderr {
		w = s.Stderr
	}
	if w == nil {
		return len(b), Success
	}
	if _, err := w.Write(b); err != nil {
		return 0, errFbig
	}
	return len(b), Success
}

func (s *System) fdPread(p []uint64) Errno {
	d, errno := s.open(p[0])
	if errno != Success {
		return errno
	}
	return s.transfer(p, d.read, d.file.ReadAt)
}

func (s *System) fdPwrite(p []uint64) Errno {
	d, errno := s.open(p[0])
	if errno != Success {
		return errno
	}
	return s.transfer(p, d.write, d.file.WriteAt)
}

// transfer reads or writes at an offset of the guest's choice.
func (s *System) transfer(p []uint64, allowed bool, run func(b []byte, off int64) (int, Errno)) Errno {
	off := int64(p[3])
	if !allowed {
		return errBadf
	}
	if off < 0 {
		return errInval
	}
	n, errno := s.vectors(p[1], uint64(uint32(p[2])), func(b []byte) (int, Errno) {
		n, errno := run(b, off)
		off += int64(n)
		return n, errno
	})
	if errno != Success && n == 0 {
		return errno
	}
	return s.put32(p[4], uint32(n))
}

func (s *System) fdTell(p []uint64) Errno {
	d, errno := s.open(p[0])
	if errno != Success {
		return errno
	}
	return s.put64(p[1], uint64(d.offset))
}

func (s *System) fdSeek(p []uint64) Errno {
	d, errno := s.open(p[0])
	if errno != Success {
		return errno
	}
	base := int64(0)
	switch uint32(p[2]) {
	case 0:
	case 1:
		base = d.offset
	case 2:
		st, errno := d.file.Stat()
		if errno != Success {
			return errno
		}
		base = st.Size
	default:
		return errInval
	}
	to := base + int64(p[1])
	if to < 0 {
		return errInval
	}
	d.offset = to
	return s.put64(p[3], uint64(to))
}
