package catalog

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func zipOf(t testing.TB, names ...string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := w.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestPublishFreezesTheSettings(t *testing.T) {
	f := newFixture(t)
	fn, err := f.Create(t.Context(), "ada", "hello", &function.Patch{Runtime: ptr("wasm"), Environment: map[string]string{"A": "1", "B": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Publish(t.Context(), "bob", "hello", Publication{
		Code: wasmModule("x"), Description: "first", Environment: map[string]string{"B": "2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if v.Number != 1 || v.CreatedBy != "bob" || v.Description != "first" || v.CodeSize != 9 || len(v.CodeSHA256) != 64 ||
		v.Status != function.VersionActive || !v.CreatedAt.Equal(f.clock.now()) || fmt.Sprint(v.Environment) != "map[A:1 B:2]" {
		t.Errorf("got %+v", v)
	}
	if got, err := f.Version("hello", 1); err != nil || got.CodeSHA256 != v.CodeSHA256 {
		t.Errorf("read back %+v, %v", got, err)
	}
	if _, err := f.Update(t.Context(), "hello", nil, &function.Patch{MemoryMB: ptr(512)}); err != nil {
		t.Fatal(err)
	}
	if u := f.resolve("hello", "1"); u.MemoryMB != 256 || u.Environment["B"] != "2" || u.Revision != 0 || u.Version != 1 {
		t.Errorf("v1 runs %+v", u)
	}
	if u := f.resolve("hello", "$LATEST"); u.MemoryMB != 512 || u.Environment["B"] != "1" || u.Version != 0 || u.Born != fn.Born() {
		t.Errorf("$LATEST runs %+v", u)
	}
	f.wantSame()
}

func TestPublishMovesLatestAndRetiresItsOldUnit(t *testing.T) {
	f := newFixture(t)
	f.create("hello")
	_, _, err := f.Resolve("hello", "")
	wantFault(t, err, fault.Conflict, fault.ReasonNoCode)
	if !strings.Contains(err.Error(), "skiff deploy") {
		t.Errorf("no remedy in %q", err)
	}
	f.publish("hello", "1")
	if got := f.retired.take(); got != nil {
		t.Errorf("retired %v", got)
	}
	first, one := f.resolve("hello", ""), f.resolve("hello", "v1")
	f.publish("hello", "2")
	if got := f.retired.take(); len(got) != 1 || got[0] != first.Key {
		t.Errorf("retired %v, want %v", got, first.Key)
	}
	if u := f.resolve("hello", ""); u.Key == first.Key || u.CodeSHA256 != f.resolve("hello", "v2").CodeSHA256 {
		t.Errorf("$LATEST runs %+v", u)
	}
	if f.resolve("hello", "v1") != one {
		t.Error("the unit of v1 changed")
	}
	list, err := f.Versions("hello")
	if err != nil || len(list) != 2 || list[0].Number != 2 || list[1].Number != 1 {
		t.Errorf("versions %v, %v", list, err)
	}
	f.wantSame()
}

func TestNumbersAreNeverGivenTwice(t *testing.T) {
	f := newFixture(t)
	f.create("hello")
	for i := range 3 {
		f.publish("hello", fmt.Sprint(i))
	}
	for _, n := range []function.Number{1, 2} {
		if err := f.DeleteVersion(t.Context(), "hello", n); err != nil {
			t.Fatal(err)
		}
	}
	f.reopen()
	if v := f.publish("hello", "4"); v.Number != 4 {
		t.Errorf("got %d, want 4", v.Number)
	}
	f.wantSame()
}

func TestDeleteVersionAsksWhoNeedsIt(t *testing.T) {
	f := newFixture(t)
	f.create("hello")
	for i := range 5 {
		f.publish("hello", fmt.Sprint(i))
	}
	f.alias("hello", "prod", function.AliasSpec{Version: 1})
	f.alias("hello", "test", function.AliasSpec{Version: 4, Routing: map[function.Number]int{2: 50, 4: 50}})
	for n, want := range map[function.Number]string{1: `"prod"`, 2: `"test"`, 4: `"test"`, 5: "newest"} {
		err := f.DeleteVersion(t.Context(), "hello", n)
		wantFault(t, err, fault.Conflict, "version_in_use")
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	three := f.resolve("hello", "v3")
	f.retired.take()
	if err := f.DeleteVersion(t.Context(), "hello", 3); err != nil {
		t.Fatal(err)
	}
	if got := f.retired.take(); len(got) != 1 || got[0] != three.Key || len(f.bundles()) != 4 {
		t.Errorf("retired %v, code %v", got, f.bundles())
	}
	if err := f.DeleteAlias(t.Context(), "hello", "prod", nil); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteVersion(t.Context(), "hello", 1); err != nil {
		t.Error(err)
	}
	f.wantSame()
}

func TestPublishRefuses(t *testing.T) {
	broken := errors.New("connection lost")
	for name, tc := range map[string]struct {
		runtime, handler string
		p                Publication
		class            fault.Class
		reason           string
	}{
		"module for node":   {"node20", "a.b", Publication{Code: wasmModule("")}, fault.Invalid, fault.ReasonInvalidCodePackage},
		"neither":           {"wasm", "", Publication{Code: strings.NewReader("hello")}, fault.Invalid, fault.ReasonInvalidCodePackage},
		"empty":             {"wasm", "", Publication{Code: strings.NewReader("")}, fault.Invalid, fault.ReasonInvalidCodePackage},
		"too large":         {"wasm", "", Publication{Code: wasmModule("x"), Limit: 8}, fault.TooLarge, ""},
		"long description":  {"wasm", "", Publication{Code: wasmModule(""), Description: strings.Repeat("d", 1025)}, fault.Invalid, "validation"},
		"bad environment":   {"wasm", "", Publication{Code: wasmModule(""), Environment: map[string]string{"1": ""}}, fault.Invalid, "validation"},
		"environment large": {"wasm", "", Publication{Code: wasmModule(""), Environment: map[string]string{"A": strings.Repeat("x", 4096)}}, fault.Invalid, "validation"},
		"upload breaks off": {"wasm", "", Publication{Code: io.MultiReader(wasmModule(""), brokenReader{broken})}, fault.Internal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if _, err := f.Create(t.Context(), "ada", "hello", &function.Patch{Runtime: &tc.runtime, Handler: &tc.handler}); err != nil {
				t.Fatal(err)
			}
			_, err := f.Publish(t.Context(), "ada", "hello", tc.p)
			wantFault(t, err, tc.class, tc.reason)
			if got := f.bundles(); len(got) != 0 {
				t.Errorf("code is left: %v", got)
			}
			f.wantSame()
		})
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestPublishTakesZipForEveryRuntime(t *testing.T) {
	f := newFixture(t)
	for runtime, handler := range map[string]string{"wasm": "app.handle", "node20": "index.handler"} {
		if _, err := f.Create(t.Context(), "ada", runtime, &function.Patch{Runtime: &runtime, Handler: &handler}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Publish(t.Context(), "ada", runtime, Publication{Code: zipOf(t, runtime, "app.wasm")}); err != nil {
			t.Errorf("%s: %v", runtime, err)
		}
	}
}

func TestCheckJudgesADraftAndItsRefusalLeavesNothing(t *testing.T) {
	var seen []function.Unit
	refuse := true
	f := newFixture(t, func(o *Options) {
		o.Check = func(_ context.Context, u *function.Unit) error {
			seen = append(seen, *u)
			if refuse {
				return fault.New(fault.Invalid, fault.ReasonInvalidWasm, "no such export")
			}
			return nil
		}
	})
	f.create("hello")
	_, err := f.Publish(t.Context(), "ada", "hello", Publication{Code: wasmModule("x"), Environment: map[string]string{"A": "1"}})
	wantFault(t, err, fault.Invalid, fault.ReasonInvalidWasm)
	if len(f.bundles()) != 0 {
		t.Error("the refused code is left")
	}
	refuse = false
	v := f.publish("hello", "x")
	if v.Number != 1 || len(seen) != 2 || seen[0].CodeSHA256 != v.CodeSHA256 || seen[0].Environment["A"] != "1" {
		t.Errorf("version %d, seen %+v", v.Number, seen)
	}
	for _, key := range []function.Key{f.resolve("hello", "").Key, f.resolve("hello", "v1").Key} {
		if seen[1].Key == key {
			t.Errorf("the draft has the key of a real unit: %+v", key)
		}
	}
	f.wantSame()
}

// TestCodeIsJudgedAgainUnderNewSettings changes the function while its code is
// being judged.
func TestCodeIsJudgedAgainUnderNewSettings(t *testing.T) {
	var f *fixture
	changes, judged := 1, 0
	f = newFixture(t, func(o *Options) {
		o.Check = func(ctx context.Context, u *function.Unit) error {
			judged++
			if changes--; changes >= 0 {
				_, err := f.Update(ctx, "hello", nil, &function.Patch{MemoryMB: ptr(u.MemoryMB + 64)})
				return err
			}
			return nil
		}
	})
	f.create("hello")
	if v := f.publish("hello", "x"); v.MemoryMB != 320 || judged != 2 {
		t.Errorf("published with %d MiB after %d judgements", v.MemoryMB, judged)
	}
	changes = 100
	_, err := f.Publish(t.Context(), "ada", "hello", Publication{Code: wasmModule("y")})
	wantFault(t, err, fault.Conflict, "configuration_changing")
	if len(f.bundles()) != 1 {
		t.Error("code is left")
	}
	f.wantSame()
}

func TestFunctionThatGoesWhileItsCodeIsJudged(t *testing.T) {
	for name, replace := range map[string]bool{"deleted": false, "replaced": true} {
		t.Run(name, func(t *testing.T) {
			var f *fixture
			f = newFixture(t, func(o *Options) {
				o.Check = func(ctx context.Context, _ *function.Unit) error {
					if err := f.Delete(ctx, "hello", true); err != nil {
						return err
					}
					if replace {
						f.create("hello")
					}
					return nil
				}
			})
			f.create("hello")
			_, err := f.Publish(t.Context(), "ada", "hello", Publication{Code: wasmModule("x")})
			wantFault(t, err, fault.NotFound, "")
			if st := f.store.state(); len(st.versions) != 0 || len(f.bundles()) != 0 {
				t.Errorf("left: %v, code %v", st.versions, f.bundles())
			}
			f.wantSame()
		})
	}
}
