package node

import (
	"bytes"
	"os"
	"strconv"
)

// fallbackMemory is taken where the host does not say what it has.
const fallbackMemory = 1 << 30

// hostMemory returns the bytes that this process may use at most: the host's
// memory, or the limit of its control group where that is lower.
func hostMemory(read func(string) ([]byte, error)) int64 {
	least := memTotal(read)
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := read(file)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
		if err == nil && n > 0 && n < least { // "max" is no number
			least = n
		}
	}
	return least
}

func memTotal(read func(string) ([]byte, error)) int64 {
	text, err := read("/proc/meminfo")
	if err != nil {
		return fallbackMemory
	}
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) < 2 || string(fields[0]) != "MemTotal:" {
			continue
		}
		if n, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
			return n << 10
		}
	}
	return fallbackMemory
}

// budget returns the memory budget of functions: what is set, else half of
// what there is, as the appliance itself and the host need the other half.
func budget(set int64) int64 {
	if set > 0 {
		return set
	}
	return hostMemory(os.ReadFile) / 2
}
