package catalog

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type versionKey struct {
	name string
	n    function.Number
}

type aliasKey struct{ name, alias string }

// records are the content of a fakeStore.
type records struct {
	functions map[string]function.Function
	versions  map[versionKey]function.Version
	aliases   map[aliasKey]function.Alias
}

func (r records) clone() records {
	return records{maps.Clone(r.functions), maps.Clone(r.versions), maps.Clone(r.aliases)}
}

// fakeStore is a Store in memory. fail, where set, is asked before every
// operation of an Update and before its end, "commit".
type fakeStore struct {
	mu sync.Mutex
	records
	fail func(op string) error
	most int // operations of the largest Update
	ops  int
}

func newFakeStore() *fakeStore {
	return &fakeStore{records: records{
		map[string]function.Function{}, map[versionKey]function.Version{}, map[aliasKey]function.Alias{},
	}}
}

func (f *fakeStore) View(_ context.Context, fn func(Reader) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fn(fakeTx{f})
}

func (f *fakeStore) Update(ctx context.Context, fn func(Tx) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.clone()
	f.ops = 0
	err := fn(fakeTx{f})
	if err == nil {
		err = f.step("commit")
	}
	f.most = max(f.most, f.ops)
	if err != nil {
		f.records = before
	}
	return err
}

func (f *fakeStore) step(op string) error {
	f.ops++
	if f.fail != nil {
		return f.fail(op)
	}
	return nil
}

// state is a copy of all that is stored.
func (f *fakeStore) state() records {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clone()
}

type fakeTx struct{ f *fakeStore }

func lookup[K comparable, V any](m map[K]V, key K) (*V, error) {
	if v, ok := m[key]; ok {
		return &v, nil
	}
	return nil, nil
}

func (tx fakeTx) Function(name string) (*function.Function, error) {
	f, ok := tx.f.functions[name]
	if !ok {
		return nil, nil
	}
	return f.Clone(), nil
}

func (tx fakeTx) Version(name string, n function.Number) (*function.Version, error) {
	return lookup(tx.f.versions, versionKey{name, n})
}

func (tx fakeTx) Alias(name, alias string) (*function.Alias, error) {
	return lookup(tx.f.aliases, aliasKey{name, alias})
}

func each[K comparable, V any](m map[K]V, less func(a, b K) int, of func(K) bool, fn func(*V) error) error {
	for _, k := range slices.SortedFunc(maps.Keys(m), less) {
		if !of(k) {
			continue
		}
		v := m[k]
		if err := fn(&v); err != nil {
			return err
		}
	}
	return nil
}

func (tx fakeTx) EachFunction(fn func(*function.Function) error) error {
	return each(tx.f.functions, strings.Compare, func(string) bool { return true }, fn)
}

func (tx fakeTx) EachVersion(name string, fn func(*function.Version) error) error {
	return each(tx.f.versions, func(a, b versionKey) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.n, b.n))
	}, func(k versionKey) bool { return name == "" || k.name == name }, fn)
}

func (tx fakeTx) EachAlias(name string, fn func(*function.Alias) error) error {
	return each(tx.f.aliases, func(a, b aliasKey) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.alias, b.alias))
	}, func(k aliasKey) bool { return name == "" || k.name == name }, fn)
}

func (tx fakeTx) PutFunction(f *function.Function) error {
	tx.f.functions[f.Name] = *f.Clone()
	return tx.f.step("PutFunction")
}

func (tx fakeTx) DeleteFunction(name string) error {
	delete(tx.f.functions, name)
	return tx.f.step("DeleteFunction")
}

func (tx fakeTx) PutVersion(v *function.Version) error {
	tx.f.versions[versionKey{v.FunctionName, v.Number}] = *v
	return tx.f.step("PutVersion")
}

func (tx fakeTx) DeleteVersion(name string, n function.Number) error {
	delete(tx.f.versions, versionKey{name, n})
	return tx.f.step("DeleteVersion")
}

func (tx fakeTx) PutAlias(a *function.Alias) error {
	tx.f.aliases[aliasKey{a.FunctionName, a.Name}] = *a
	return tx.f.step("PutAlias")
}

func (tx fakeTx) DeleteAlias(name, alias string) error {
	delete(tx.f.aliases, aliasKey{name, alias})
	return tx.f.step("DeleteAlias")
}

// clock is a time that stands until it is told to go on.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// retirements collects what Retired is told.
type retirements struct {
	mu   sync.Mutex
	keys []function.Key
}

func (r *retirements) add(k function.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append(r.keys, k)
}

// take returns what came since the last time.
func (r *retirements) take() []function.Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := r.keys
	r.keys = nil
	return keys
}

// fixture is a service with a store, code and a clock of its own. It has loaded
// what is stored but sweeps only when a test says so.
type fixture struct {
	*Service
	t       testing.TB
	store   *fakeStore
	code    *artifact.Store
	clock   *clock
	retired *retirements
}

func newFixture(t testing.TB, set ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{
		t: t, store: newFakeStore(), code: artifact.New(t.TempDir(), artifact.Options{}),
		clock:   &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)},
		retired: &retirements{},
	}
	if err := f.code.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	opts := Options{Store: f.store, Code: f.code, Now: f.clock.now, Retired: f.retired.add}
	for _, fn := range set {
		fn(&opts)
	}
	f.Service = New(opts)
	f.open()
	t.Cleanup(f.end)
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	if err := f.load(context.Background()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) end() {
	f.t.Helper()
	if err := f.Stop(context.Background()); err != nil {
		f.t.Errorf("stop: %v", err)
	}
}

// reopen makes a new service on what is stored.
func (f *fixture) reopen() {
	f.t.Helper()
	f.end()
	f.Service = New(f.opts)
	f.open()
}

func ptr[T any](v T) *T { return &v }

// wasmModule returns bytes that the code store takes for a module.
func wasmModule(text string) io.Reader {
	return strings.NewReader("\x00asm\x01\x00\x00\x00" + text)
}

func wasmPatch() *function.Patch { return &function.Patch{Runtime: ptr("wasm")} }

func (f *fixture) create(name string) *function.Function {
	f.t.Helper()
	fn, err := f.Create(context.Background(), "ada", name, wasmPatch())
	if err != nil {
		f.t.Fatal(err)
	}
	return fn
}

func (f *fixture) publish(name, code string) *function.Version {
	f.t.Helper()
	v, err := f.Publish(context.Background(), "ada", name, Publication{Code: wasmModule(code)})
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

func (f *fixture) alias(name, alias string, spec function.AliasSpec) *function.Alias {
	f.t.Helper()
	a, err := f.CreateAlias(context.Background(), name, alias, spec)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

func (f *fixture) resolve(name, qualifier string) *function.Unit {
	f.t.Helper()
	_, u, err := f.Resolve(name, qualifier)
	if err != nil {
		f.t.Fatalf("resolve %s:%s: %v", name, qualifier, err)
	}
	return u
}

func (f *fixture) bundles() []string {
	f.t.Helper()
	list, err := f.code.List(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// wantFault checks the class and, where it is not empty, the reason.
func wantFault(t testing.TB, err error, class fault.Class, reason string) {
	t.Helper()
	if !fault.Is(err, class) || reason != "" && !fault.HasReason(err, reason) {
		t.Errorf("got %v, want a fault %s %s", err, class, reason)
	}
}

// wantSame checks that memory holds what the store holds, by loading it anew.
func (f *fixture) wantSame() {
	f.t.Helper()
	fresh := New(f.opts)
	if err := fresh.load(context.Background()); err != nil {
		f.t.Fatal(err)
	}
	have, want := dump(f.Service), dump(fresh)
	if have != want {
		f.t.Errorf("memory is not what is stored:\nmemory %s\nstored %s", have, want)
	}
	if !maps.Equal(f.Service.bundles.uses, fresh.bundles.uses) {
		f.t.Errorf("uses of code: memory %v, stored %v", f.Service.bundles.uses, fresh.bundles.uses)
	}
}

func dump(s *Service) string {
	var b bytes.Buffer
	functions, versions := s.Counts()
	fmt.Fprintln(&b, functions, versions)
	for _, fn := range s.Functions(Query{}).Functions {
		e := s.index.load(fn.Name)
		fmt.Fprintf(&b, "%+v\n", *fn)
		for _, v := range e.versions {
			fmt.Fprintf(&b, "  %+v unit %v %s %s\n", v.record, v.unit.Version, v.unit.CodeSHA256, v.unit.Team)
		}
		for _, r := range e.aliases {
			fmt.Fprintf(&b, "  %+v leads to", *r.alias)
			for _, t := range r.targets {
				fmt.Fprintf(&b, " %v=%d", t.unit.Version, t.weight)
			}
			fmt.Fprintln(&b)
		}
		if e.latest != nil {
			fmt.Fprintf(&b, "  latest %s %s %+v\n", e.latest.CodeSHA256, e.latest.Team, e.latest.Settings)
		}
	}
	return b.String()
}
