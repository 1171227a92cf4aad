package store

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func TestDecodeTellsWhatItCannotRead(t *testing.T) {
	key := append(prefixOf(kindFunction), 'f')
	for name, tc := range map[string]struct {
		value  string
		reason string
	}{
		"empty":        {"", "record_corrupt"},
		"newer format": {"\x02{}", "record_version"},
		"cut short":    {"\x01{\"name\":", "record_corrupt"},
		"no JSON":      {"\x01\x00\x00", "record_corrupt"},
		"wrong type":   {"\x01{\"name\":7}", "record_corrupt"},
	} {
		var f function.Function
		err := decode(key, []byte(tc.value), &f)
		t.Run(name, func(t *testing.T) { wantFault(t, err, fault.Internal, tc.reason) })
	}
}

func TestARecordThatCannotBeReadEndsTheList(t *testing.T) {
	s := started(t, Options{Dir: t.TempDir()})
	fill(t, s.Catalog(), 100)
	bad, _ := sample(50)
	must(t, s.update(context.Background(), func(tx *tx) error {
		tx.own[string(prefixOf(kindFunction))+bad.Name] = []byte("\x09")
		return nil
	}))
	seen := 0
	err := s.Catalog().View(context.Background(), func(r catalog.Reader) error {
		return r.EachFunction(func(*function.Function) error { seen++; return nil })
	})
	wantFault(t, err, fault.Internal, "record_version")
	if seen != 50 {
		t.Errorf("saw %d before it", seen)
	}
}

func TestWhatCannotBeEncodedIsRefused(t *testing.T) {
	if _, err := encode(func() {}); !fault.Is(err, fault.Internal) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	fn, v := sample(1)
	for _, rec := range []any{fn, v, function.Alias{Name: "a"}} {
		b, err := encode(rec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var first, second function.Function
		if decode([]byte{layout}, value, &first) != nil {
			return
		}
		if y := first.CreatedAt.Year(); y < 0 || y > 9999 {
			return // JSON has no such time
		}
		again, err := encode(first)
		if err != nil {
			return // e.g. a time zone that cannot be written
		}
		must(t, decode([]byte{layout}, again, &second))
		for _, at := range []*time.Time{&first.CreatedAt, &first.UpdatedAt, &first.DeletedAt, &second.CreatedAt, &second.UpdatedAt, &second.DeletedAt} {
			*at = at.UTC()
		}
		if first.Revision != second.Revision || !reflect.DeepEqual(first.Settings.Timeout, second.Settings.Timeout) || !first.CreatedAt.Equal(second.CreatedAt) {
			t.Errorf("%+v became %+v", first, second)
		}
	})
}
