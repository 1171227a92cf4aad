package store

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// The shapes are on disk: this test may only grow.
func TestKeysHaveTheirShape(t *testing.T) {
	for want, make := range map[string]func() ([]byte, error){
		"\x01fn\x00hello":                      func() ([]byte, error) { return join(kindFunction, "hello") },
		"\x01ver\x00hello\x00\x00\x00\x01\x02": func() ([]byte, error) { return joinNumber(kindVersion, "hello", 258) },
		"\x01al\x00hello\x00prod":              func() ([]byte, error) { return join(kindAlias, "hello", "prod") },
		"\x01user\x00ada.l":                    func() ([]byte, error) { return join(kindUser, "ada.l") },
		"\x01tok\x00t1":                        func() ([]byte, error) { return join(kindToken, "t1") },
		"\x01audit\x000f":                      func() ([]byte, error) { return join(kindAudit, "0f") },
		"\x01tot\x00hello\x00\x00\x00\x00\x00": func() ([]byte, error) { return joinNumber(kindTotals, "hello", 0) },
		"\x01meta\x00schema":                   func() ([]byte, error) { return schemaKey, nil },
		"\x01meta\x00step":                     func() ([]byte, error) { return stepKey, nil },
		"\x01al\x00hello\x00":                  func() ([]byte, error) { return scope(kindAlias, "hello"), nil },
		"\x01al\x00":                           func() ([]byte, error) { return scope(kindAlias, ""), nil },
	} {
		if got, err := make(); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

func TestWhatIsNoNameMakesNoKey(t *testing.T) {
	for _, bad := range []string{"", "\x00", "a\x00b", strings.Repeat("x", maxKeyPart+1)} {
		_, err1 := join(kindAlias, "f", bad)
		_, err2 := joinNumber(kindVersion, bad, 1)
		if !fault.Is(err1, fault.Invalid) || !fault.Is(err2, fault.Invalid) {
			t.Errorf("%.20q: %v, %v", bad, err1, err2)
		}
		if find(kindAlias, "f", bad) != nil || findNumber(kindVersion, bad, 1) != nil || bad != "" && scope(kindAlias, bad) != nil {
			t.Errorf("%.20q names something", bad)
		}
	}
}

// FuzzKeys holds that keys sort as names and numbers do, and that none is
// within the scope of another name.
func FuzzKeys(f *testing.F) {
	f.Add("a", uint32(1), "a-b", uint32(256))
	f.Add("a", uint32(0), "a", uint32(1<<31))
	f.Add("ab", uint32(7), "a\xff", uint32(7))
	f.Fuzz(func(t *testing.T, a string, m uint32, b string, n uint32) {
		ka, err1 := joinNumber(kindVersion, a, function.Number(m))
		kb, err2 := joinNumber(kindVersion, b, function.Number(n))
		if err1 != nil || err2 != nil {
			return
		}
		want := strings.Compare(a, b)
		if want == 0 {
			want = slices.Compare([]uint32{m}, []uint32{n})
		}
		if got := bytes.Compare(ka, kb); got != want {
			t.Errorf("%q/%d and %q/%d compare as %d", a, m, b, n, got)
		}
		within := scope(kindVersion, a)
		if bytes.HasPrefix(kb, within) != (a == b) {
			t.Errorf("%q is found within %q", kb, within)
		}
	})
}

func TestDescribeIsReadable(t *testing.T) {
	key, _ := join(kindAlias, "hello", "prod")
	if got := describe(key); got != "al/hello/prod" {
		t.Errorf("got %q", got)
	}
}
