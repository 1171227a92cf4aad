package wasi

// bytes returns guest memory; ok is false where it is not all there.
func (s *System) bytes(ptr, n uint64) (b []byte, ok bool) {
	if s.mem == nil { // a module without memory
		return nil, false
	}
	return s.mem.Read(uint32(ptr), uint32(n))
}

// put writes a number of size bytes, little-endian.
func (s *System) put(ptr uint64, size int, v uint64) Errno {
	b, ok := s.bytes(ptr, uint64(size))
	if !ok {
		return errFault
	}
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return Success
}

func (s *System) put32(ptr uint64, v uint32) Errno { return s.put(ptr, 4, uint64(v)) }

func (s *System) put64(ptr uint64, v uint64) Errno { return s.put(ptr, 8, v) }

func get(b []byte, size int) (v uint64) {
	for i := range size {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

// maxVectors bounds the buffers of one call, as IOV_MAX does elsewhere: the
// host's loop over them is not interrupted by the deadline.
const maxVectors = 1024

// vectors calls fn with each buffer of a list, until one is not served to its
// end, and returns how many bytes were.
func (s *System) vectors(ptr, count uint64, fn func(b []byte) (int, Errno)) (total int, errno Errno) {
	if count > maxVectors {
		return 0, errInval
	}
	list, ok := s.bytes(ptr, count*8)
	if !ok {
		return 0, errFault
	}
	for ; len(list) > 0; list = list[8:] {
		size := get(list[4:], 4)
		b, ok := s.bytes(get(list, 4), size)
		if !ok {
			return total, errFault
		}
		n, errno := fn(b)
		total += n
		if errno != Success {
			return total, errno
		}
		if n < len(b) {
			break
		}
	}
	return total, Success
}
