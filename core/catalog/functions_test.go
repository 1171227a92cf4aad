package catalog

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func TestCreateMakesWhatThePatchSays(t *testing.T) {
	f := newFixture(t)
	p := wasmPatch()
	p.MemoryMB, p.Team = ptr(512), ptr("line1")
	fn, err := f.Create(t.Context(), "ada", "hello", p)
	if err != nil {
		t.Fatal(err)
	}
	if fn.OwnerID != "ada" || fn.MemoryMB != 512 || fn.Team != "line1" || fn.Handler != function.DefaultWasmHandler ||
		fn.Revision != 1 || !fn.CreatedAt.Equal(f.clock.now()) || fn.UpdatedAt != fn.CreatedAt || fn.PublishedVersion != 0 {
		t.Errorf("got %+v", fn)
	}
	if got, err := f.Function("hello"); err != nil || got != fn {
		t.Errorf("read back %p, %v, want %p", got, err, fn)
	}
	f.wantSame()
}

func TestCreateRefuses(t *testing.T) {
	f := newFixture(t)
	f.create("hello")
	_, err := f.Create(t.Context(), "ada", "hello", wasmPatch())
	wantFault(t, err, fault.Conflict, "function_exists")
	_, err = f.Create(t.Context(), "ada", "no good", &function.Patch{MemoryMB: ptr(1), Timeout: ptr(0)})
	wantFault(t, err, fault.Invalid, "validation")
	var fields []string
	for _, d := range fault.Of(err).Details {
		fields = append(fields, d.Field)
	}
	if !slices.Equal(fields, []string{"name", "runtime", "memorySize", "timeout"}) {
		t.Errorf("faults in %v", fields)
	}
	f.wantSame()
}

func TestUnknownNamesAreNotFound(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.create("hello")
	_, e1 := f.Function("other")
	_, e2 := f.Version("other", 1)
	_, e3 := f.Version("hello", 1)
	_, e4 := f.Versions("other")
	_, e5 := f.Alias("other", "prod")
	_, e6 := f.Alias("hello", "prod")
	_, e7 := f.Aliases("other")
	_, e8 := f.Update(ctx, "other", nil, wasmPatch())
	_, e9 := f.Publish(ctx, "ada", "other", Publication{Code: wasmModule("")})
	_, e10 := f.CreateAlias(ctx, "other", "prod", function.AliasSpec{Version: 1})
	_, e11 := f.UpdateAlias(ctx, "hello", "prod", nil, function.AliasSpec{Version: 1})
	_, _, e12 := f.Resolve("other", "")
	_, _, e13 := f.Resolve("hello", "v1")
	_, _, e14 := f.Resolve("hello", "prod")
	for i, err := range []error{
		e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14,
		f.Delete(ctx, "other", false), f.Delete(ctx, "other", true), f.DeleteVersion(ctx, "hello", 1),
		f.DeleteVersion(ctx, "other", 1), f.DeleteAlias(ctx, "hello", "prod", nil), f.DeleteAlias(ctx, "other", "prod", nil),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%d: got %v", i+1, err)
		}
	}
}

func TestUpdateCountsTheRevisionUp(t *testing.T) {
	f := newFixture(t)
	before := f.create("hello")
	f.clock.advance(time.Second)
	fn, err := f.Update(t.Context(), "hello", ptr(uint64(1)), &function.Patch{Description: ptr("new")})
	if err != nil || fn.Revision != 2 || fn.Description != "new" || !fn.UpdatedAt.Equal(f.clock.now()) {
		t.Fatalf("got %+v, %v", fn, err)
	}
	if before.Description != "" || before.Revision != 1 {
		t.Error("what a reader held has changed")
	}
	_, err = f.Update(t.Context(), "hello", ptr(uint64(1)), &function.Patch{Description: ptr("late")})
	wantFault(t, err, fault.Conflict, fault.ReasonPrecondition)
	_, err = f.Update(t.Context(), "hello", nil, &function.Patch{MemoryMB: ptr(1)})
	wantFault(t, err, fault.Invalid, "validation")
	f.wantSame()
}

func TestOnlyChangesOfSettingsOrTeamRetireUnits(t *testing.T) {
	for name, tc := range map[string]struct {
		patch   *function.Patch
		retired int
	}{
		"description":  {&function.Patch{Description: ptr("d")}, 0},
		"tags":         {&function.Patch{Tags: map[string]string{"a": "b"}}, 0},
		"scaling":      {&function.Patch{Scaling: &function.ScalingPatch{MaxInstances: ptr(5)}}, 0},
		"same memory":  {&function.Patch{MemoryMB: ptr(256)}, 0},
		"memory":       {&function.Patch{MemoryMB: ptr(512)}, 1},
		"environment":  {&function.Patch{Environment: map[string]string{"A": "1"}}, 1},
		"team":         {&function.Patch{Team: ptr("line1")}, 3}, // both versions and $LATEST
		"nothing":      {&function.Patch{}, 0},
		"allowedRoles": {&function.Patch{AllowedRoles: []function.Role{function.RoleAdmin}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create("hello")
			f.publish("hello", "1")
			f.publish("hello", "2")
			f.alias("hello", "prod", function.AliasSpec{Version: 1})
			f.retired.take()
			units := map[string]*function.Unit{"": f.resolve("hello", ""), "v1": f.resolve("hello", "v1"), "prod": f.resolve("hello", "prod")}
			fn, err := f.Update(t.Context(), "hello", nil, tc.patch)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.retired.take(); len(got) != tc.retired {
				t.Errorf("retired %v, want %d", got, tc.retired)
			}
			latest := f.resolve("hello", "")
			if (latest == units[""]) != (tc.retired == 0) || latest.Team != fn.Team || !latest.Settings.Equal(&fn.Settings) {
				t.Errorf("$LATEST is %+v", latest)
			}
			if moved := tc.retired == 3; (f.resolve("hello", "v1") == units["v1"]) == moved || (f.resolve("hello", "prod") == units["prod"]) == moved {
				t.Error("the units of versions changed without need, or did not change")
			}
			if f.resolve("hello", "prod") != f.resolve("hello", "v1") || f.resolve("hello", "v1").Team != fn.Team {
				t.Error("the alias leads to another unit than its version")
			}
			f.wantSame()
		})
	}
}

func TestDeletedFunctionIsInvisibleAndItsNameFree(t *testing.T) {
	f := newFixture(t)
	f.create("hello")
	f.publish("hello", "1")
	f.publish("hello", "2")
	f.alias("hello", "prod", function.AliasSpec{Version: 1})
	old := f.resolve("hello", "v1")
	f.retired.take()
	if err := f.Delete(t.Context(), "hello", false); err != nil {
		t.Fatal(err)
	}
	if got := f.retired.take(); len(got) != 3 {
		t.Errorf("retired %v, want $LATEST and two versions", got)
	}
	_, _, err := f.Resolve("hello", "prod")
	wantFault(t, err, fault.NotFound, "function_not_found")
	if page := f.Functions(Query{}); page.Total != 0 {
		t.Errorf("listed: %v", page)
	}
	if len(f.bundles()) != 2 {
		t.Errorf("code %v, want both bundles kept", f.bundles())
	}
	f.reopen()

	fn := f.create("hello") // the clock stands still
	if fn.PublishedVersion != 0 || fn.NextVersion != 1 || fn.Revision != 1 || fn.Born() <= old.Born {
		t.Errorf("the successor is %+v", fn)
	}
	if got := f.bundles(); len(got) != 0 {
		t.Errorf("code of the predecessor is left: %v", got)
	}
	_, err = f.Alias("hello", "prod")
	wantFault(t, err, fault.NotFound, "")
	f.publish("hello", "1")
	if now := f.resolve("hello", "v1"); now.Key == old.Key {
		t.Errorf("the key %+v means two units", now.Key)
	}
	f.wantSame()
}

func TestForceDeletesEverythingAtOnce(t *testing.T) {
	f := newFixture(t)
	old := f.create("hello")
	f.publish("hello", "1")
	f.alias("hello", "prod", function.AliasSpec{Version: 1})
	f.create("other")
	f.publish("other", "1") // the same bytes
	f.publish("hello", "2")
	if err := f.Delete(t.Context(), "hello", true); err != nil {
		t.Fatal(err)
	}
	if st := f.store.state(); len(st.functions) != 1 || len(st.versions) != 1 || len(st.aliases) != 0 {
		t.Errorf("left: %+v", st)
	}
	if got := f.bundles(); len(got) != 1 || got[0] != f.resolve("other", "").CodeSHA256 {
		t.Errorf("code %v, want what the other function uses", got)
	}
	if fn := f.create("hello"); fn.Born() <= old.Born() {
		t.Error("the successor is born with its namesake")
	}
	f.wantSame()
}

func TestLargeDeletesFitInTransactions(t *testing.T) {
	const many = 2*batch + 100
	grow := func(f *fixture) {
		f.create("hello")
		v := *f.publish("hello", "1")
		for n := range function.Number(many - 1) {
			v.Number = n + 2
			f.store.versions[versionKey{"hello", v.Number}] = v
			f.store.aliases[aliasKey{"hello", v.Number.String() + "x"}] = function.Alias{FunctionName: "hello", Name: v.Number.String() + "x", Version: 1}
		}
		f.reopen()
	}
	t.Run("force", func(t *testing.T) {
		f := newFixture(t)
		grow(f)
		if err := f.Delete(t.Context(), "hello", true); err != nil {
			t.Fatal(err)
		}
		if st := f.store.state(); len(st.functions)+len(st.versions)+len(st.aliases) != 0 || f.store.most > batch+2 {
			t.Errorf("left %d versions; the largest transaction had %d operations", len(st.versions), f.store.most)
		}
		if len(f.bundles()) != 0 {
			t.Error("code is left")
		}
	})
	t.Run("create over it", func(t *testing.T) {
		f := newFixture(t)
		grow(f)
		if err := f.Delete(t.Context(), "hello", false); err != nil {
			t.Fatal(err)
		}
		f.create("hello")
		if st := f.store.state(); len(st.functions) != 1 || len(st.versions)+len(st.aliases) != 0 || f.store.most > batch+2 {
			t.Errorf("left %d versions; the largest transaction had %d operations", len(st.versions), f.store.most)
		}
		f.wantSame()
	})
	t.Run("force, interrupted, is ended by a sweep", func(t *testing.T) {
		f := newFixture(t)
		grow(f)
		commits := 0
		f.store.fail = func(op string) error {
			if op != "commit" {
				return nil
			}
			if commits++; commits == 2 {
				return errStore
			}
			return nil
		}
		if err := f.Delete(t.Context(), "hello", true); !errors.Is(err, errStore) {
			t.Fatalf("got %v", err)
		}
		f.store.fail = nil
		_, err := f.Function("hello")
		wantFault(t, err, fault.NotFound, "")
		f.wantSame()
		f.reopen() // as after a crash between two batches
		_, err = f.Function("hello")
		wantFault(t, err, fault.NotFound, "")
		if len(f.store.state().versions) == 0 {
			t.Fatal("nothing was left to be interrupted")
		}
		if err := f.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := f.store.state(); len(st.functions)+len(st.versions)+len(st.aliases) != 0 || len(f.bundles()) != 0 {
			t.Errorf("left %d versions, code %v", len(st.versions), f.bundles())
		}
	})
}

func TestSweepRemovesAfterSevenDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(o *Options) { o.Now = time.Now })
		if err := f.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"alive", "deleted"} {
			f.create(name)
			f.publish(name, name)
		}
		if err := f.Delete(context.Background(), "deleted", false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keepDeleted - time.Second)
		synctest.Wait()
		if len(f.bundles()) != 2 || len(f.store.state().functions) != 2 {
			t.Fatal("removed too early")
		}
		time.Sleep(time.Second + sweepInterval)
		synctest.Wait()
		if st := f.store.state(); len(st.functions) != 1 || len(st.versions) != 1 || len(f.bundles()) != 1 {
			t.Errorf("left: %+v, code %v", st, f.bundles())
		}
		if f.resolve("alive", "") == nil {
			t.Error("the sweep took what is alive")
		}
		f.wantSame()
	})
}

func TestSweepLeavesANameThatWasTakenAgain(t *testing.T) {
	f := newFixture(t)
	f.create("hello")
	if err := f.sweepFunction(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if len(f.store.state().functions) != 1 {
		t.Error("the sweep took a function that is alive")
	}
}

var errStore = errors.New("the store failed")

// steps lists the operations that the change makes, by letting it pass.
func (f *fixture) steps(change func() error) (ops []string) {
	f.store.fail = func(op string) error { ops = append(ops, op); return nil }
	defer func() { f.store.fail = nil }()
	if err := change(); err != nil {
		f.t.Fatal(err)
	}
	return ops
}

func TestNothingChangesWhereTheStoreFailsAtAnyStep(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(f *fixture) error{
		"create":      func(f *fixture) error { _, err := f.Create(ctx, "ada", "new", wasmPatch()); return err },
		"create over": func(f *fixture) error { _, err := f.Create(ctx, "ada", "buried", wasmPatch()); return err },
		"update": func(f *fixture) error {
			_, err := f.Update(ctx, "hello", nil, &function.Patch{MemoryMB: ptr(512)})
			return err
		},
		"delete": func(f *fixture) error { return f.Delete(ctx, "hello", false) },
		"force":  func(f *fixture) error { return f.Delete(ctx, "hello", true) },
		"publish": func(f *fixture) error {
			_, err := f.Publish(ctx, "ada", "hello", Publication{Code: wasmModule("3")})
			return err
		},
		"publish the same": func(f *fixture) error {
			_, err := f.Publish(ctx, "ada", "hello", Publication{Code: wasmModule("2")})
			return err
		},
		"delete version": func(f *fixture) error { return f.DeleteVersion(ctx, "hello", 1) },
		"create alias": func(f *fixture) error {
			_, err := f.CreateAlias(ctx, "hello", "test", function.AliasSpec{Version: 1})
			return err
		},
		"update alias": func(f *fixture) error {
			_, err := f.UpdateAlias(ctx, "hello", "prod", nil, function.AliasSpec{Version: 1})
			return err
		},
		"delete alias": func(f *fixture) error { return f.DeleteAlias(ctx, "hello", "prod", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			g := prepared(t)
			count := len(g.steps(func() error { return change(g) }))
			for i := range count {
				f := prepared(t)
				before, code := dump(f.Service), f.bundles()
				f.failAt(i)
				if err := change(f); !errors.Is(err, errStore) {
					t.Fatalf("step %d: got %v", i, err)
				}
				f.store.fail = nil
				if got := dump(f.Service); got != before || len(f.retired.take()) != 0 {
					t.Errorf("step %d changed memory:\n%s\nto\n%s", i, before, got)
				}
				if got := f.bundles(); !slices.Equal(got, code) {
					t.Errorf("step %d: code %v, before %v", i, got, code)
				}
				f.wantSame()
			}
		})
	}
}

// prepared has a function with two versions and an alias, and a deleted one.
func prepared(t *testing.T) *fixture {
	f := newFixture(t)
	f.create("hello")
	f.publish("hello", "1")
	f.publish("hello", "2")
	f.alias("hello", "prod", function.AliasSpec{Version: 2})
	f.create("buried")
	f.publish("buried", "b")
	if err := f.Delete(context.Background(), "buried", false); err != nil {
		t.Fatal(err)
	}
	f.retired.take()
	return f
}

// failAt lets the nth operation from now fail.
func (f *fixture) failAt(n int) {
	f.store.fail = func(string) error {
		if n--; n < 0 {
			return errStore
		}
		return nil
	}
}

func TestCancelledContextChangesNothing(t *testing.T) {
	f := prepared(t)
	before := dump(f.Service)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Update(ctx, "hello", nil, &function.Patch{MemoryMB: ptr(512)})
	if !errors.Is(err, context.Canceled) || dump(f.Service) != before {
		t.Errorf("got %v", err)
	}
}

func TestRemovedFunctionsAreTold(t *testing.T) {
	var told []string
	f := newFixture(t, func(o *Options) {
		o.Removed = func(fn *function.Function) { told = append(told, fn.Name) }
	})
	for _, force := range []bool{false, true} {
		f.create("hello")
		if err := f.Delete(t.Context(), "hello", force); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Update(t.Context(), "hello", nil, &function.Patch{}); err == nil {
		t.Fatal("a deleted function was changed")
	}
	if want := []string{"hello", "hello"}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}
