package function

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/skiffhq/skiff/core/fault"
)

// reserved begins the names of variables that hosts set for each invocation.
const reserved = "SKIFF_"

// traceparent is the other variable that hosts set.
const traceparent = "TRACEPARENT"

// MergeEnvironment returns base with the variables of over added or put in
// their place. It changes neither; the result may be one of them.
func MergeEnvironment(base, over map[string]string) map[string]string {
	if len(over) == 0 {
		return base
	}
	merged := make(map[string]string, len(base)+len(over))
	maps.Copy(merged, base)
	maps.Copy(merged, over)
	return merged
}

// CheckEnvironment notes the fault of a set of environment variables, if it has
// one, under the field "environment".
func CheckEnvironment(env map[string]string, faults *fault.Collector) {
	checkEnvironment(checker{faults}, env)
}

func checkEnvironment(c checker, env map[string]string) {
	var names, taken, values []string
	size := 0
	for _, k := range slices.Sorted(maps.Keys(env)) {
		size += len(k) + len(env[k])
		switch {
		case !validVariable(k):
			names = append(names, k)
		case strings.HasPrefix(k, reserved) || k == traceparent:
			taken = append(taken, k)
		}
		if v := env[k]; !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			values = append(values, k)
		}
	}
	const field = "environment"
	c.check(size <= MaxEnvironment, field, "must be at most %d bytes, names and values together, and is %d", MaxEnvironment, size)
	c.check(names == nil, field, "names must be letters, digits and underscores, and not begin with a digit: %s", quoted(names))
	c.check(taken == nil, field, "the names %s… and %s are kept for the appliance: %s", reserved, traceparent, quoted(taken))
	c.check(values == nil, field, "values must be text without zero bytes: that of %s", quoted(values))
}

func validVariable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '-' || !nameByte(c) || i == 0 && c >= '0' && c <= '9' {
			return false
		}
	}
	return s != ""
}
