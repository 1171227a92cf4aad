package memory

import (
	"reflect"
	"sync"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
)

func TestReserveStopsAtTheBudget(t *testing.T) {
	l := New(100)
	a, b := l.Account("a"), l.Account("b")
	if err := a.Reserve(60); err != nil {
		t.Fatal(err)
	}
	if err := b.Reserve(41); !fault.Is(err, fault.Exhausted) || !fault.HasReason(err, ReasonBudget) {
		t.Fatalf("over the budget: %v", err)
	}
	if b.Held() != 0 || l.Usage().Used != 60 {
		t.Error("a refused reservation was charged")
	}
	if err := b.Reserve(40); err != nil {
		t.Errorf("exactly the rest: %v", err)
	}
}

func TestUsageAddsUpHoldersAndSortsThem(t *testing.T) {
	l := New(100)
	for holder, n := range map[string]int64{"small": 1, "large": 50, "none": 0} {
		if err := l.Account(holder).Reserve(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Account("small").Reserve(2); err != nil {
		t.Fatal(err)
	}
	want := Usage{Budget: 100, Used: 53, Holders: []Holder{{"large", 50}, {"small", 3}}}
	if got := l.Usage(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestCloseGivesEverythingBackOnce(t *testing.T) {
	l := New(10)
	a := l.Account("a")
	if err := a.Reserve(7); err != nil {
		t.Fatal(err)
	}
	a.Release(3)
	a.Close()
	a.Close()
	if u := l.Usage(); u.Used != 0 || len(u.Holders) != 0 {
		t.Errorf("after Close: %+v", u)
	}
}

func TestReleasingTooMuchPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(10).Account("a").Release(1)
}

func TestHugeReservationsDoNotOverflow(t *testing.T) {
	l := New(10)
	a := l.Account("a")
	if err := a.Reserve(5); err != nil {
		t.Fatal(err)
	}
	if err := a.Reserve(1<<63 - 1); err == nil {
		t.Error("accepted")
	}
}

func TestManyReserveAtOnceNeverPassTheBudget(t *testing.T) {
	const budget = 50
	l := New(budget)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			a := l.Account("x")
			defer a.Close()
			for i := range 2000 {
				n := int64(i % 9)
				if a.Reserve(n) != nil {
					continue
				}
				if used := l.used.Load(); used > budget {
					t.Errorf("used %d", used)
				}
				a.Release(n)
			}
		})
	}
	wg.Wait()
	if u := l.Usage(); u.Used != 0 {
		t.Errorf("left %+v", u)
	}
}

func BenchmarkReserveRelease(b *testing.B) {
	l := New(1 << 40)
	b.RunParallel(func(pb *testing.PB) {
		a := l.Account("x")
		defer a.Close()
		for pb.Next() {
			if err := a.Reserve(65536); err != nil {
				b.Fatal(err)
			}
			a.Release(65536)
		}
	})
}
