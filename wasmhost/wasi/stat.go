package wasi

import (
	"math"
	"slices"
	"time"
)

// fdFdstatGet tells what a descriptor is. Programs take a character device
// for a terminal, so the streams are of an unknown kind, as pipes are.
func (s *System) fdFdstatGet(p []uint64) Errno {
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	b, ok := s.bytes(p[1], 24)
	if !ok {
		return errFault
	}
	clear(b)
	kind, rights := TypeUnknown, uint64(allRights)
	switch {
	case d.stream != none:
		rights &^= rightSeek | rightTell
	case d.dir:
		kind = TypeDir
	default:
		kind = TypeRegular
	}
	if !d.read && !d.dir {
		rights &^= rightRead
	}
	if !d.write && !d.dir {
		rights &^= writeRights
	}
	b[0], b[2] = byte(kind), byte(d.flags)
	fill(b[8:16], rights)
	fill(b[16:24], allRights)
	return Success
}

func fill(b []byte, v uint64) {
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
}

func (s *System) fdFdstatSetFlags(p []uint64) Errno {
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	if uint32(p[1])&^flagsKnown != 0 {
		return errInval
	}
	if d.stream == none { // the streams are shared by all guests, and have none
		d.flags = uint16(p[1])
	}
	return Success
}

func (s *System) fdFilestatGet(p []uint64) Errno {
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	st := Stat{Links: 1}
	switch {
	case d.stream != none:
	case d.file != nil:
		st, errno = d.file.Stat()
	default:
		st, errno = d.fs.Stat(d.name, true)
	}
	if errno != Success {
		return errno
	}
	return s.putStat(p[1], st)
}

func (s *System) putStat(ptr uint64, st Stat) Errno {
	b, ok := s.bytes(ptr, 64)
	if !ok {
		return errFault
	}
	clear(b)
	fill(b[8:16], st.Ino)
	b[16] = byte(st.Type)
	fill(b[24:32], st.Links)
	fill(b[32:40], uint64(st.Size))
	fill(b[40:48], uint64(st.Atime))
	fill(b[48:56], uint64(st.Mtime))
	fill(b[56:64], uint64(st.Mtime))
	return Success
}

func (s *System) fdFilestatSetSize(p []uint64) Errno {
	d, errno := s.open(p[0])
	if errno != Success {
		return errno
	}
	if !d.write {
		return errBadf
	}
	return d.file.Truncate(int64(p[1]))
}

// fdAllocate makes a file at least as large as asked for.
func (s *System) fdAllocate(p []uint64) Errno {
	d, errno := s.open(p[0])
	if errno != Success {
		return errno
	}
	end := int64(p[1]) + int64(p[2])
	if !d.write || int64(p[1]) < 0 || int64(p[2]) <= 0 || end < 0 {
		return errInval
	}
	st, errno := d.file.Stat()
	if errno != Success || st.Size >= end {
		return errno
	}
	return d.file.Truncate(end)
}

func (s *System) fdPrestatGet(p []uint64) Errno {
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	if d.mount == "" {
		return errBadf
	}
	return s.put64(p[1], uint64(len(d.mount))<<32) // kind 0: a directory
}

func (s *System) fdPrestatDirName(p []uint64) Errno {
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	if d.mount == "" {
		return errBadf
	}
	if uint32(p[2]) < uint32(len(d.mount)) {
		return errNametoolong
	}
	b, ok := s.bytes(p[1], uint64(len(d.mount)))
	if !ok {
		return errFault
	}
	copy(b, d.mount)
	return Success
}

const direntSize = 24

// fdReaddir lists a directory. The cookie is an entry's place in the listing
// that was made when it was read from the start.
func (s *System) fdReaddir(p []uint64) Errno {
	d, errno := s.descriptor(p[0])
	if errno != Success {
		return errno
	}
	if !d.dir {
		return errNotdir
	}
	buf, ok := s.bytes(p[1], p[2])
	if !ok {
		return errFault
	}
	if p[3] == 0 || d.entries == nil {
		if errno := s.list(d); errno != Success {
			return errno
		}
	}
	used := 0
	for i := p[3]; i < uint64(len(d.entries)) && used < len(buf); i++ {
		used += putDirent(buf[used:], i+1, &d.entries[i])
	}
	return s.put32(p[4], uint32(used))
}

// list reads the whole directory; bundles and /tmp are bounded.
func (s *System) list(d *descriptor) Errno {
	if d.file == nil {
		f, errno := d.fs.Open(d.name, How{Read: true, IsDir: true})
		if errno != Success {
			return errno
		}
		d.file = f
	}
	found, errno := d.file.Entries()
	if errno != Success {
		return errno
	}
	d.entries = slices.Concat([]Entry{{Name: ".", Type: TypeDir}, {Name: "..", Type: TypeDir}}, found)
	cost := int64(0)
	for i := range d.entries {
		cost += int64(entryCost + len(d.entries[i].Name))
	}
	if !s.charge(cost - d.listed) {
		d.entries = nil
		s.charge(-d.listed)
		d.listed = 0
		return errNomem
	}
	d.listed = cost
	return Success
}

// putDirent writes as much of an entry as fits and returns how much that was.
func putDirent(buf []byte, next uint64, e *Entry) int {
	var head [direntSize]byte
	fill(head[0:8], next)
	fill(head[8:16], e.Ino)
	fill(head[16:20], uint64(len(e.Name)))
	head[20] = byte(e.Type)
	n := copy(buf, head[:])
	return n + copy(buf[n:], e.Name)
}

// Flags of setting times.
const (
	setAtime    = 1
	setAtimeNow = 2
	setMtime    = 4
	setMtimeNow = 8
)

// chosenTime returns what a time is to be set to, -1 for not at all.
func chosenTime(flags, set, setNow, at uint64) int64 {
	switch {
	case flags&setNow != 0:
		return time.Now().UnixNano()
	case flags&set != 0:
		return int64(min(at, math.MaxInt64))
	}
	return -1
}
