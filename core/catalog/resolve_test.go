package catalog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func TestResolveAllocatesNothingAndKeepsThePointer(t *testing.T) {
	f := withVersions(t, 3)
	f.alias("hello", "prod", function.AliasSpec{Version: 1})
	f.alias("hello", "split", function.AliasSpec{Routing: map[function.Number]int{1: 50, 2: 50}})
	for _, q := range []string{"", "$LATEST", "2", "v2", "prod", "split"} {
		if n := testing.AllocsPerRun(100, func() { _, _, _ = f.Resolve("hello", q) }); n != 0 {
			t.Errorf("%q: %v allocations", q, n)
		}
		if first := f.resolve("hello", q); q != "split" && f.resolve("hello", q) != first {
			t.Errorf("%q: two pointers for one unit", q)
		}
	}
	latest, two := f.resolve("hello", ""), f.resolve("hello", "v2")
	f.publish("hello", "again") // and others change
	if f.resolve("hello", "v2") != two || f.resolve("hello", "") == latest {
		t.Error("the wrong unit changed with a publish")
	}
}

func TestResolveRefusesMalformedQualifiers(t *testing.T) {
	f := withVersions(t, 1)
	for _, q := range []string{"a b", "0", "$latest"} {
		_, _, err := f.Resolve("hello", q)
		wantFault(t, err, fault.Invalid, "bad_qualifier")
	}
	_, _, err := f.Resolve("", "")
	wantFault(t, err, fault.NotFound, "")
}

// TestResolveDuringChanges has many readers during every kind of change. Each
// sees one consistent state: what it is given fits together.
func TestResolveDuringChanges(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Code = newFakeCode() })
	f.create("stable")
	f.publish("stable", "s")
	f.alias("stable", "prod", function.AliasSpec{Version: 1})
	var done atomic.Bool
	var readers, writers sync.WaitGroup
	for r := range 4 {
		readers.Go(func() {
			for i := 0; !done.Load(); i++ {
				f.read(fmt.Sprint("f", (r+i)%3))
			}
		})
	}
	for w := range 3 {
		writers.Go(func() { f.changes(fmt.Sprint("f", w), 25) })
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
	f.wantSame()
}

func (f *fixture) read(name string) {
	if _, _, err := f.Resolve("stable", "prod"); err != nil {
		f.t.Errorf("what nobody changes: %v", err)
	}
	for _, q := range []string{"", "prod", "v1"} {
		fn, u, err := f.Resolve(name, q)
		switch {
		case err != nil:
			if !fault.Is(err, fault.NotFound) && !fault.HasReason(err, fault.ReasonNoCode) {
				f.t.Errorf("%s:%s: %v", name, q, err)
			}
		case u.Function != fn.Name || u.Born != fn.Born() || u.Team != fn.Team || q == "" && !u.Settings.Equal(&fn.Settings):
			f.t.Errorf("%s:%s: %+v of %+v", name, q, u, fn)
		}
	}
	f.Functions(Query{Prefix: "f", Limit: 2})
	_, _ = f.Versions(name)
	_, _ = f.Aliases(name)
}

// changes leads a function through its life, again and again.
func (f *fixture) changes(name string, rounds int) {
	ctx := context.Background()
	for i := range rounds {
		f.create(name)
		f.publish(name, fmt.Sprint(name, i))
		f.publish(name, "shared by all")
		f.alias(name, "prod", function.AliasSpec{Routing: map[function.Number]int{1: 50, 2: 50}})
		for _, p := range []*function.Patch{{MemoryMB: ptr(512)}, {Team: ptr("line1")}, {Description: ptr("d")}} {
			if _, err := f.Update(ctx, name, nil, p); err != nil {
				f.t.Error(err)
			}
		}
		if _, err := f.UpdateAlias(ctx, name, "prod", nil, function.AliasSpec{Version: 2}); err != nil {
			f.t.Error(err)
		}
		if err := f.DeleteVersion(ctx, name, 1); err != nil {
			f.t.Error(err)
		}
		if err := f.Delete(ctx, name, i%2 == 0); err != nil {
			f.t.Error(err)
		}
	}
}

// TestConcurrentPublishesOfOneFunction gives each a number of its own.
func TestConcurrentPublishesOfOneFunction(t *testing.T) {
	code := newFakeCode()
	f := newFixture(t, func(o *Options) { o.Code = code })
	f.create("hello")
	var wg sync.WaitGroup
	var seen sync.Map
	for i := range 40 {
		wg.Go(func() {
			body := wasmModule(fmt.Sprint(i % 5))
			v, err := f.Publish(context.Background(), "ada", "hello", Publication{Code: body})
			if err != nil {
				t.Error(err)
				return
			}
			if _, twice := seen.LoadOrStore(v.Number, true); twice {
				t.Errorf("number %d was given twice", v.Number)
			}
		})
	}
	wg.Wait()
	if fn, _ := f.Function("hello"); fn.PublishedVersion != 40 || len(code.held) != 5 {
		t.Errorf("published %d, %d bundles", fn.PublishedVersion, len(code.held))
	}
	f.wantSame()
}
