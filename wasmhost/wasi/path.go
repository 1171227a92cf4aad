package wasi

import (
	"path"
	"strings"
)

const (
	followLinks = 1

	openCreate    = 1
	openDirectory = 2
	openExclusive = 4
	openTruncate  = 8

	maxPath = 4096
)

// at returns the file system and the clean name that a path below an open
// directory means. A name that climbs out is not capable of anything; that a
// link does so is for the file system to prevent.
func (s *System) at(fd, ptr, n uint64) (FS, string, Errno) {
	d, errno := s.descriptor(fd)
	if errno != Success {
		return nil, "", errno
	}
	if !d.dir {
		return nil, "", errNotdir
	}
	if uint32(n) > maxPath {
		return nil, "", errNametoolong
	}
	b, ok := s.bytes(ptr, n)
	if !ok {
		return nil, "", errFault
	}
	name, errno := within(d.name, string(b))
	return d.fs, name, errno
}

func within(dir, name string) (string, Errno) {
	switch {
	case name == "":
		return "", errNoent
	case strings.IndexByte(name, 0) >= 0:
		return "", errInval
	case name[0] == '/':
		return "", errNotcapable
	}
	joined := path.Join(dir, name)
	if joined == ".." || strings.HasPrefix(joined, "../") {
		return "", errNotcapable
	}
	if len(joined) > maxPath { // descriptors keep it
		return "", errNametoolong
	}
	return joined, Success
}

// writable is at for what changes something.
func (s *System) writable(fd, ptr, n uint64) (Writable, string, Errno) {
	f, name, errno := s.at(fd, ptr, n)
	if errno != Success {
		return nil, "", errno
	}
	w, ok := f.(Writable)
	if !ok {
		return nil, "", errRofs
	}
	return w, name, Success
}

func (s *System) pathOpen(p []uint64) Errno {
	f, name, errno := s.at(p[0], p[2], p[3])
	if errno != Success {
		return errno
	}
	how := howOf(p[1], p[4], p[5])
	file, errno := f.Open(name, how)
	if errno != Success {
		return errno
	}
	st, errno := file.Stat()
	dir := st.Type == TypeDir
	if errno == Success && how.IsDir && !dir {
		errno = errNotdir
	}
	var fd uint32
	if errno == Success {
		fd, errno = s.insert(&descriptor{
			file: file, fs: f, name: name, dir: dir,
			read: how.Read || dir, write: how.Write, flags: uint16(p[7]) & flagsKnown,
		})
	}
	if errno != Success {
		file.Close()
		return errno
	}
	return s.put32(p[8], fd)
}

// howOf reads flags and rights. A guest that asks for neither reading nor
// writing gets a file it can look at.
func howOf(lookup, flags, rights uint64) How {
	return How{
		Read:      rights&rightRead != 0,
		Write:     rights&rightWrite != 0 && flags&openDirectory == 0,
		Create:    flags&openCreate != 0,
		Exclusive: flags&openExclusive != 0,
		Truncate:  flags&openTruncate != 0,
		IsDir:     flags&openDirectory != 0,
		NoFollow:  lookup&followLinks == 0,
	}
}

func (s *System) pathFilestatGet(p []uint64) Errno {
	f, name, errno := s.at(p[0], p[2], p[3])
	if errno != Success {
		return errno
	}
	st, errno := f.Stat(name, p[1]&followLinks != 0)
	if errno != Success {
		return errno
	}
	return s.putStat(p[4], st)
}

func (s *System) pathReadlink(p []uint64) Errno {
	f, name, errno := s.at(p[0], p[1], p[2])
	if errno != Success {
		return errno
	}
	target, errno := f.Readlink(name)
	if errno != Success {
		return errno
	}
	b, ok := s.bytes(p[3], p[4])
	if !ok {
		return errFault
	}
	return s.put32(p[5], uint32(copy(b, target)))
}

func (s *System) pathCreateDirectory(p []uint64) Errno {
	w, name, errno := s.writable(p[0], p[1], p[2])
	if errno != Success {
		return errno
	}
	return w.Mkdir(name)
}

func (s *System) pathRemoveDirectory(p []uint64) Errno {
	w, name, errno := s.writable(p[0], p[1], p[2])
	if errno != Success {
		return errno
	}
	return w.Remove(name, true)
}

func (s *System) pathUnlinkFile(p []uint64) Errno {
	w, name, errno := s.writable(p[0], p[1], p[2])
	if errno != Success {
		return errno
	}
	return w.Remove(name, false)
}

func (s *System) pathRename(p []uint64) Errno {
	from, old, errno := s.writable(p[0], p[1], p[2])
	if errno != Success {
		return errno
	}
	to, name, errno := s.writable(p[3], p[4], p[5])
	if errno != Success {
		return errno
	}
	if from != to {
		return errXdev
	}
	return from.Rename(old, name)
}

func (s *System) pathFilestatSetTimes(p []uint64) Errno {
	w, name, errno := s.writable(p[0], p[2], p[3])
	if errno != Success {
		return errno
	}
	return w.SetTimes(name, chosenTime(p[6], setAtime, setAtimeNow, p[4]), chosenTime(p[6], setMtime, setMtimeNow, p[5]))
}
