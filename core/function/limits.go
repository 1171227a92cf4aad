package function

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/skiffhq/skiff/core/fault"
)

// The limits of a function's configuration; contract values where the contract
// names them.
const (
	MinMemoryMB     = 128   // MiB
	MaxMemoryMB     = 10240 // MiB
	MaxWasmMemoryMB = 4096  // MiB, the most that 32-bit WebAssembly can address
	MemoryStepMB    = 64    // MiB

	MinTimeout = time.Second
	MaxTimeout = 900 * time.Second

	MaxEnvironment = 4 << 10 // bytes of all names and values together
	MaxDescription = 1024    // bytes
	MaxTags        = 50
	MaxTagKey      = 128 // bytes
	MaxTagValue    = 256 // bytes

	MaxInstanceConcurrency = 1000
	MaxReservedConcurrency = 100_000
	MaxScaledInstances     = 10_000
	MaxTargetConcurrency   = 1000
	MaxCooldown            = 24 * time.Hour
	MinKeepWarmInterval    = time.Second
	MaxKeepWarmInterval    = 24 * time.Hour

	MaxAttempts   = 100
	MaxRetryDelay = 24 * time.Hour
	MinRetryAge   = time.Second
	MaxRetryAge   = 14 * 24 * time.Hour
	MaxTarget     = 256 // bytes of a dead-letter target

	// What one function may have at once. Every change of a function copies
	// the list of its versions, and all of them are held in memory; so their
	// number is bounded, far above what anybody rolls back to.
	MaxVersions = 10_000
	MaxAliases  = 100
)

// checker notes faults, the first of each field only: what follows from a
// fault would say nothing new.
type checker struct{ *fault.Collector }

func (c checker) check(ok bool, field, format string, args ...any) {
	if !ok && !c.Has(field) {
		c.Add(field, format, args...)
	}
}

func (c checker) between(field string, v, low, high int) {
	c.check(v >= low && v <= high, field, "must be %d to %d", low, high)
}

func (c checker) span(field string, d Duration, low, high time.Duration) {
	v := time.Duration(d)
	c.check(v >= low && v <= high, field, "must be %s to %s", Duration(low), Duration(high))
}

func (c checker) share(field string, v float64) {
	c.check(v >= 0 && v <= 1, field, "must be a fraction, 0 to 1")
}

func (c checker) text(field, s string, limit int) {
	c.check(len(s) <= limit && utf8.ValidString(s) && !strings.ContainsRune(s, 0), field,
		"must be text of at most %d bytes", limit)
}

// oneOf reports a value that is not in the list.
func oneOf[T ~string](c checker, field string, v T, list ...T) {
	c.check(slices.Contains(list, v), field, "must be %s", alternatives(list))
}

// alternatives writes a list as "a, b or c".
func alternatives[T ~string](list []T) string {
	var b strings.Builder
	for i, v := range list {
		switch {
		case i > 0 && i == len(list)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(v))
	}
	return b.String()
}

// line reports whether s is one line of visible text.
func line(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// quoted lists a few strings for a message, each cut to a readable length.
func quoted(list []string) string {
	const shown = 5
	var parts []string
	for _, s := range list[:min(len(list), shown)] {
		parts = append(parts, fmt.Sprintf("%.64q", s))
	}
	if more := len(list) - shown; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}
