package linear

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func byteCount(kib int) string { return strconv.Itoa(kib) + "KiB" }

func open(b *testing.B, m *mapping, size int) {
	b.Helper()
	if err := unix.Mprotect(m.bytes[:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		b.Fatal(err)
	}
}

// touch writes to every fourth page, as guests use part of their memory.
func touch(b []byte) {
	for i := 0; i < len(b); i += 4 * 4096 {
		b[i] = 1
	}
}

func madvise(b *testing.B, m []byte) {
	b.Helper()
	if err := unix.Madvise(m, unix.MADV_DONTNEED); err != nil {
		b.Fatal(err)
	}
}
