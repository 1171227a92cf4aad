package store

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// TestLayersReadLikeOneMap compares a snapshot under layers with a plain map,
// over many random histories.
func TestLayersReadLikeOneMap(t *testing.T) {
	s := started(t, Options{Dir: t.TempDir()})
	rnd := rand.New(rand.NewPCG(1, 2))
	model := map[string]string{}
	for round := range 30 {
		must(t, s.db.View(func(txn *badger.Txn) error {
			st := state{txn: txn}
			want := maps.Clone(model)
			for range rnd.IntN(4) {
				st.layers = append(st.layers, randomWrites(rnd, want))
			}
			compareState(t, &st, want)
			return nil
		}))
		must(t, s.update(context.Background(), func(tx *tx) error {
			maps.Copy(tx.own, randomWrites(rnd, model))
			return nil
		}))
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// randomWrites returns a layer and applies it to the model.
func randomWrites(rnd *rand.Rand, model map[string]string) layer {
	l := layer{}
	for range rnd.IntN(20) {
		key := fmt.Sprintf("\x01fn\x00%02d", rnd.IntN(40))
		if rnd.IntN(3) == 0 {
			l[key] = nil
			delete(model, key)
			continue
		}
		value := fmt.Sprint(rnd.Uint32())
		l[key] = []byte(value)
		model[key] = value
	}
	return l
}

func compareState(t *testing.T, st *state, want map[string]string) {
	t.Helper()
	var keys []string
	must(t, st.scan(prefixOf(kindFunction), false, func(key, value []byte) error {
		keys = append(keys, string(key))
		if string(value) != want[string(key)] {
			t.Errorf("scan: %q is %q, want %q", key, value, want[string(key)])
		}
		return nil
	}))
	if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(keys, sorted) {
		t.Errorf("scan: %q\nwant  %q", keys, sorted)
	}
	for i := range 40 {
		key := fmt.Sprintf("\x01fn\x00%02d", i)
		var got strings.Builder
		found, err := st.read([]byte(key), func(v []byte) error { got.Write(v); return nil })
		must(t, err)
		if value, ok := want[key]; found != ok || got.String() != value {
			t.Errorf("read %q: %q, %v; want %q, %v", key, got.String(), found, value, ok)
		}
	}
}

func TestScanBackBeginsBelowItsStart(t *testing.T) {
	s := started(t, Options{Dir: t.TempDir()})
	must(t, s.update(context.Background(), func(tx *tx) error {
		for _, key := range []string{"\x01a\x00x", "\x01audit\x001", "\x01audit\x002", "\x01audit\x003", "\x01b\x00x"} {
			tx.own[key] = []byte{1}
		}
		return nil
	}))
	for before, want := range map[string]string{"": "321", "\x01audit\x003": "21", "\x01audit\x0025": "21", "\x01audit\x001": ""} {
		var start []byte
		if before != "" {
			start = []byte(before)
		}
		got := ""
		must(t, s.view(context.Background(), func(st *state) error {
			return st.scanBack(prefixOf(kindAudit), start, true, func(key, _ []byte) error {
				got += string(key[len(key)-1:])
				return nil
			})
		}))
		if got != want {
			t.Errorf("below %q: %q, want %q", before, got, want)
		}
	}
}
