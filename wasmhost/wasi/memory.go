package wasi

import "math"

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

const (
	// maxVectors bounds the buffers of one call, as IOV_MAX does elsewhere.
	maxVectors = 1024

	// pieceSize bounds how much is worked on at once, in bytes: a guest may
	// name the same gigabyte a thousand times, and only between pieces is
	// looked whether its invocation is over.
	pieceSize = 1 << 20
)

// vectors calls fn with each buffer of a list in pieces, until one is not
// served to its end, and returns how many bytes were: no more than a guest can
// be told.
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
		if uint64(total)+size > math.MaxUint32 {
			break
		}
		n, errno := s.pieces(b, fn)
		total += n
		if errno != Success || n < len(b) {
			return total, errno
		}
	}
	return total, Success
}

// pieces calls fn with the pieces of a buffer, once for an empty one.
func (s *System) pieces(b []byte, fn func(b []byte) (int, Errno)) (total int, errno Errno) {
	for {
		s.look()
		piece := b[total:min(len(b), total+pieceSize)]
		n, errno := fn(piece)
		total += n
		if errno != Success || n < len(piece) || total == len(b) {
			return total, errno
		}
	}
}
