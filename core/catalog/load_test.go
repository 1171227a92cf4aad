package catalog

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/function"
)

// populate stores n functions with a version and an alias each.
func populate(f *fakeStore, n int) {
	born := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		fn := function.Default()
		fn.Name, fn.Runtime, fn.Handler = fmt.Sprintf("function-%05d", i), function.RuntimeWasm, function.DefaultWasmHandler
		fn.PublishedVersion, fn.NextVersion, fn.Revision, fn.CreatedAt = 1, 2, 2, born
		fn.Tags = map[string]string{"line": fmt.Sprint(i % 10)}
		f.functions[fn.Name] = fn
		f.versions[versionKey{fn.Name, 1}] = function.Version{
			FunctionName: fn.Name, Number: 1, CodeSHA256: fmt.Sprintf("%064d", i), Settings: fn.Settings,
		}
		f.aliases[aliasKey{fn.Name, "prod"}] = function.Alias{FunctionName: fn.Name, Name: "prod", Version: 1}
	}
}

func BenchmarkLoad10000(b *testing.B) {
	store := newFakeStore()
	populate(store, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		s := New(Options{Store: store})
		if err := s.load(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := New(Options{Store: store})
	if err := s.load(context.Background()); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/10_000, "B/function")
	runtime.KeepAlive(s)
}

func BenchmarkResolve(b *testing.B) {
	store := newFakeStore()
	populate(store, 10_000)
	s := New(Options{Store: store})
	if err := s.load(context.Background()); err != nil {
		b.Fatal(err)
	}
	for _, q := range []string{"", "v1", "prod"} {
		b.Run("qualifier="+q, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := s.Resolve("function-05000", q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestTenThousandFunctionsAreListedAndFound(t *testing.T) {
	store := newFakeStore()
	populate(store, 10_000)
	s := New(Options{Store: store})
	if err := s.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if functions, versions := s.Counts(); functions != 10_000 || versions != 10_000 {
		t.Fatalf("%d functions, %d versions", functions, versions)
	}
	for i := 0; i < 10_000; i += 997 {
		name := fmt.Sprintf("function-%05d", i)
		if fn, u, err := s.Resolve(name, "prod"); err != nil || fn.Name != name || u.CodeSHA256 != fmt.Sprintf("%064d", i) {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
	}
	page := s.Functions(Query{Tag: "line=3", Prefix: "function-00", Limit: 5})
	if page.Total != 100 || len(page.Functions) != 5 || !strings.HasSuffix(page.NextCursor, "00043") {
		t.Errorf("total %d, %d on the page, cursor %q", page.Total, len(page.Functions), page.NextCursor)
	}
}
