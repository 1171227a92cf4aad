package identity

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore is a Store in memory. fail, where set, refuses an Update.
type fakeStore struct {
	mu     sync.Mutex
	users  map[string]User
	tokens map[string]Token
	fail   error
}

func newFakeStore() *fakeStore {
	return &fakeStore{users: map[string]User{}, tokens: map[string]Token{}}
}

func (f *fakeStore) View(_ context.Context, fn func(Reader) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fn(fakeTx{f})
}

func (f *fakeStore) Update(_ context.Context, fn func(Tx) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	users, tokens := maps.Clone(f.users), maps.Clone(f.tokens)
	err := fn(fakeTx{f})
	if err != nil {
		f.users, f.tokens = users, tokens
	}
	return err
}

type fakeTx struct{ f *fakeStore }

func (tx fakeTx) User(name string) (*User, error) { return lookup(tx.f.users, name) }
func (tx fakeTx) Token(id string) (*Token, error) { return lookup(tx.f.tokens, id) }

func lookup[V any](m map[string]V, key string) (*V, error) {
	if v, ok := m[key]; ok {
		return &v, nil
	}
	return nil, nil
}

func (tx fakeTx) EachUser(fn func(*User) error) error   { return each(tx.f.users, fn) }
func (tx fakeTx) EachToken(fn func(*Token) error) error { return each(tx.f.tokens, fn) }

func each[V any](m map[string]V, fn func(*V) error) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		v := m[key]
		if err := fn(&v); err != nil {
			return err
		}
	}
	return nil
}

func (tx fakeTx) PutUser(u *User) error        { tx.f.users[u.Name] = *u; return nil }
func (tx fakeTx) PutToken(t *Token) error      { tx.f.tokens[t.ID] = *t; return nil }
func (tx fakeTx) DeleteUser(name string) error { delete(tx.f.users, name); return nil }
func (tx fakeTx) DeleteToken(id string) error  { delete(tx.f.tokens, id); return nil }

// clock is a time that stands until it is told to go on.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

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

// fixture is a running service with a store and a clock of its own.
type fixture struct {
	*Service
	store *fakeStore
	clock *clock
	dir   string
}

func newFixture(t testing.TB, set ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{store: newFakeStore(), clock: newClock(), dir: t.TempDir()}
	opts := Options{Store: f.store, KeyFile: filepath.Join(f.dir, "token.key"), Now: f.clock.now}
	for _, fn := range set {
		fn(&opts)
	}
	f.Service = New(opts)
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, f.Service) })
	return f
}

func stop(t testing.TB, s *Service) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

const testPassword = "correct horse battery"

// testHash costs as much as a login, so all tests share one.
var testHash = sync.OnceValue(func() string {
	hash, err := newHasher(1).hash(context.Background(), testPassword)
	if err != nil {
		panic(err)
	}
	return hash
})

// add makes a user with testPassword, without the cost of hashing it again.
func (f *fixture) add(t testing.TB, name string, role function.Role, teams ...string) {
	t.Helper()
	f.write.Lock()
	defer f.write.Unlock()
	if _, err := f.addUser(t.Context(), NewUser{Name: name, Role: role, Teams: teams}, testHash()); err != nil {
		t.Fatal(err)
	}
}

// token gives a user a token of their own role and teams, for an hour.
func (f *fixture) token(t testing.TB, name string) (*Token, string) {
	t.Helper()
	f.write.Lock()
	defer f.write.Unlock()
	u := f.records.user(name)
	rec := f.newToken(name, u.Role, u.Teams, time.Hour)
	signed, err := f.addToken(t.Context(), rec)
	if err != nil {
		t.Fatal(err)
	}
	return rec, signed
}

// principal is who a new token of the user stands for.
func (f *fixture) principal(t testing.TB, name string) *Principal {
	t.Helper()
	_, bearer := f.token(t, name)
	p, err := f.Authenticate(t.Context(), bearer)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantClass(t testing.TB, err error, class fault.Class) {
	t.Helper()
	if !fault.Is(err, class) {
		t.Fatalf("got error %v, want class %v", err, class)
	}
}
