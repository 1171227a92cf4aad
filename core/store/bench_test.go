package store

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/function"
)

func sample(i int) (*function.Function, *function.Version) {
	f := function.Default()
	f.Name, f.Runtime, f.Handler = fmt.Sprintf("function-%05d", i), function.RuntimeWasm, function.DefaultWasmHandler
	f.Description = "counts what comes in from the shop floor"
	f.Tags = map[string]string{"line": "7", "site": "north"}
	f.Environment = map[string]string{"LEVEL": "info", "TOPIC": "plant/7/counter"}
	f.PublishedVersion, f.NextVersion, f.OwnerID = 1, 2, "ada"
	f.CreatedAt = time.Date(2026, 3, 1, 12, 0, 0, i, time.UTC)
	f.UpdatedAt, f.Revision = f.CreatedAt, 1
	v := &function.Version{
		FunctionName: f.Name, Number: 1, CodeSHA256: fmt.Sprintf("%064x", i), CodeSize: 3 << 20,
		Status: function.VersionActive, CreatedAt: f.CreatedAt, CreatedBy: "ada", Settings: f.Settings,
	}
	return &f, v
}

// fill stores n functions with a version each.
func fill(t testing.TB, s catalog.Store, n int) {
	t.Helper()
	const step = 500
	for from := 0; from < n; from += step {
		err := s.Update(context.Background(), func(tx catalog.Tx) error {
			for i := from; i < min(from+step, n); i++ {
				f, v := sample(i)
				if err := tx.PutFunction(f); err != nil {
					return err
				}
				if err := tx.PutVersion(v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func count(t testing.TB, s catalog.Store) (functions, versions int) {
	t.Helper()
	err := s.View(context.Background(), func(r catalog.Reader) error {
		if err := r.EachFunction(func(*function.Function) error { functions++; return nil }); err != nil {
			return err
		}
		return r.EachVersion("", func(*function.Version) error { versions++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return functions, versions
}

// BenchmarkOpen10000 opens a store of 10,000 functions with a version each and
// reads all of them, as the appliance does at start.
func BenchmarkOpen10000(b *testing.B) {
	const n = 10_000
	dir := b.TempDir()
	s := New(Options{Dir: dir})
	if err := s.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	fill(b, s.Catalog(), n)
	stop(b, s)
	var open, read time.Duration
	for b.Loop() {
		began := time.Now()
		s := New(Options{Dir: dir})
		if err := s.Start(context.Background()); err != nil {
			b.Fatal(err)
		}
		open += time.Since(began)
		began = time.Now()
		if f, v := count(b, s.Catalog()); f != n || v != n {
			b.Fatalf("%d functions, %d versions", f, v)
		}
		read += time.Since(began)
		b.StopTimer()
		stop(b, s)
		b.StartTimer()
	}
	b.ReportMetric(open.Seconds()*1e3/float64(b.N), "ms-open/op")
	b.ReportMetric(read.Seconds()*1e3/float64(b.N), "ms-read/op")
}

// BenchmarkUpdateParallel shows what group commit gains: updates by many at
// once, and one after the other, which is one sync each.
func BenchmarkUpdateParallel(b *testing.B) {
	for _, writers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := started(b, Options{Dir: b.TempDir()})
			before := s.Stats()
			b.SetParallelism(max(writers/runtime.GOMAXPROCS(0), 1))
			if writers == 1 {
				for b.Loop() {
					updateOne(b, s, 0)
				}
			} else {
				var n atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						updateOne(b, s, int(n.Add(1))%10_000)
					}
				})
			}
			after := s.Stats()
			b.ReportMetric(float64(after.Requests-before.Requests)/b.Elapsed().Seconds(), "updates/s")
			b.ReportMetric(float64(after.Requests-before.Requests)/float64(after.Commits-before.Commits), "updates/commit")
		})
	}
}

func updateOne(b *testing.B, s *Store, i int) {
	f, _ := sample(i)
	if err := s.Catalog().Update(context.Background(), func(tx catalog.Tx) error { return tx.PutFunction(f) }); err != nil {
		b.Error(err)
	}
}
