package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a number of bytes, read as "512MiB" or as a plain number.
type Bytes int64

var units = []struct {
	name string
	size float64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1},
}

var errBytes = errors.New(`must be a size such as "512MiB" or "2GiB"`)

// ParseBytes reads a number with a unit (KiB to TiB, kB to TB, B) or without.
func ParseBytes(s string) (Bytes, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || n*u.size >= math.MaxInt64 || math.IsNaN(n) {
			return 0, errBytes
		}
		return Bytes(n * u.size), nil
	}
	return 0, errBytes
}

// String returns the largest binary unit that leaves a whole number.
func (b Bytes) String() string {
	for _, u := range units[:4] {
		if size := int64(u.size); b != 0 && int64(b)%size == 0 {
			return strconv.FormatInt(int64(b)/size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}
