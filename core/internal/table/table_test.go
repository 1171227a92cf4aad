package table

import (
	"strconv"
	"sync"
	"testing"
)

func put(t *Table[string, int], key string, n int) {
	t.Update(key, func(*int) *int { return &n })
}

func TestLoadFindsWhatUpdateStored(t *testing.T) {
	var tb Table[string, int]
	if tb.Load("a") != nil {
		t.Fatal("an empty table holds something")
	}
	for i := range 1000 {
		put(&tb, strconv.Itoa(i), i)
	}
	for i := range 1000 {
		if got := tb.Load(strconv.Itoa(i)); got == nil || *got != i {
			t.Fatalf("Load(%d) = %v", i, got)
		}
	}
}

func TestFillAddsToWhatIsThere(t *testing.T) {
	var tb Table[string, int]
	put(&tb, "before", -1)
	values := make([]int, 1000)
	tb.Fill(func(yield func(string, *int) bool) {
		for i := range values {
			values[i] = i
			if !yield(strconv.Itoa(i), &values[i]) {
				return
			}
		}
	})
	put(&tb, "after", -2)
	for i := range values {
		if got := tb.Load(strconv.Itoa(i)); got == nil || *got != i {
			t.Fatalf("Load(%d) = %v", i, got)
		}
	}
	if *tb.Load("before") != -1 || *tb.Load("after") != -2 {
		t.Error("Fill or what came later lost an entry")
	}
}

func TestUpdateToNilRemoves(t *testing.T) {
	var tb Table[string, int]
	put(&tb, "a", 1)
	if got := tb.Update("a", func(*int) *int { return nil }); got != nil || tb.Load("a") != nil {
		t.Fatalf("still there: %v", got)
	}
	for k := range tb.All() {
		t.Errorf("All yields the removed key %q", k)
	}
}

func TestAllYieldsEveryEntryOnceAndStopsWhenTold(t *testing.T) {
	var tb Table[string, int]
	for i := range 300 {
		put(&tb, strconv.Itoa(i), i)
	}
	seen := map[string]bool{}
	for k := range tb.All() {
		if seen[k] {
			t.Fatalf("%q twice", k)
		}
		seen[k] = true
	}
	if len(seen) != 300 {
		t.Fatalf("%d entries, want 300", len(seen))
	}
	for range tb.All() {
		break
	}
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	var tb Table[string, int]
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 200 {
				tb.Update("sum", func(old *int) *int {
					n := 1
					if old != nil {
						n += *old
					}
					return &n
				})
				put(&tb, strconv.Itoa(g*1000+i), i)
				_ = tb.Load("sum")
			}
		})
	}
	wg.Wait()
	if got := *tb.Load("sum"); got != 16*200 {
		t.Fatalf("sum = %d, want %d", got, 16*200)
	}
}

func TestLoadAllocatesNothing(t *testing.T) {
	type key struct {
		name string
		n    uint64
	}
	var tb Table[key, int]
	tb.Update(key{"a", 1}, func(*int) *int { return new(int) })
	if n := testing.AllocsPerRun(100, func() { _ = tb.Load(key{"a", 1}) }); n != 0 {
		t.Fatalf("%v allocations a Load", n)
	}
}
