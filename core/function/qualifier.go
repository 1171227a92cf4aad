package function

import (
	"strconv"
	"strings"

	"github.com/skiffhq/skiff/core/fault"
)

// Latest is the qualifier of the newest published code under the function's
// present configuration.
const Latest = "$LATEST"

// maxName is the longest name of a function, an alias or a team, in bytes.
const maxName = 64

// Qualifier says which unit of a function a request means. The zero value is
// $LATEST.
type Qualifier struct {
	Version Number // set for a version
	Alias   string // set for an alias
}

// IsLatest reports whether the qualifier means $LATEST.
func (q Qualifier) IsLatest() bool { return q == Qualifier{} }

// String returns the form that ParseQualifier reads.
func (q Qualifier) String() string {
	switch {
	case q.Alias != "":
		return q.Alias
	case q.Version != 0:
		return strconv.FormatUint(uint64(q.Version), 10)
	}
	return Latest
}

// ParseQualifier reads "", "$LATEST", a version ("7" or "v7") or the name of
// an alias. Whether it exists is not asked. It allocates only to refuse, with
// an Invalid fault.
func ParseQualifier(s string) (Qualifier, error) {
	if s == "" || s == Latest {
		return Qualifier{}, nil
	}
	if n, ok := parseNumber(s); ok {
		return Qualifier{Version: n}, nil
	}
	if !ValidAliasName(s) {
		return Qualifier{}, fault.New(fault.Invalid, "bad_qualifier",
			"qualifier %.80q is neither a version, an alias nor %s", s, Latest)
	}
	return Qualifier{Alias: s}, nil
}

// ParseNumber reads the number of a version, "7" or "v7".
func ParseNumber(s string) (Number, error) {
	n, ok := parseNumber(s)
	if !ok {
		return 0, fault.New(fault.Invalid, "bad_version", "version %.80q is not a number from 1, such as 7 or v7", s)
	}
	return n, nil
}

func parseNumber(s string) (Number, bool) {
	s = strings.TrimPrefix(s, "v")
	if len(s) == 0 || len(s) > 10 || s[0] == '0' || !digits(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return Number(n), err == nil
}

// String returns "v7", or "$LATEST" for zero.
func (n Number) String() string {
	if n == 0 {
		return Latest
	}
	return "v" + strconv.FormatUint(uint64(n), 10)
}

// ParseReference splits "name" or "name:qualifier" and checks both.
func ParseReference(s string) (name string, q Qualifier, err error) {
	name, rest, qualified := strings.Cut(s, ":")
	if !ValidName(name) || qualified && rest == "" {
		return "", Qualifier{}, fault.New(fault.Invalid, "bad_reference",
			"reference %.160q is not a function's name, nor a name, a colon and a qualifier", s)
	}
	q, err = ParseQualifier(rest)
	return name, q, err
}

// ValidName reports whether s may name a function or a team: 1 to 64 letters,
// digits, hyphens and underscores.
func ValidName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return true
}

// ValidAliasName is ValidName without what could be taken for a version: all
// digits, or a v and digits.
func ValidAliasName(s string) bool {
	return ValidName(s) && !digits(strings.TrimPrefix(s, "v"))
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
