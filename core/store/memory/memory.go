// Package memory keeps what core/store keeps, in memory: the executable
// specification of the ports, for tests and for appliances that shall forget.
//
// It says in the plainest way what a store does; what a disk adds (durability,
// reserve, backup) is not here.
package memory

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"sync"

	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/invoke"
)

// Store holds records. It may be used by many goroutines between Start and
// Stop; at other times everything returns an Unavailable fault.
type Store struct {
	turn chan struct{} // held by the update that runs

	mu      sync.RWMutex // guards what follows
	running bool
	now     state
}

// state is never changed once others can see it: an update works on a copy.
type state struct {
	functions, users, tokens, audit table[string]
	versions, totals                table[numbered]
	aliases                         table[named]
}

func (s state) clone() state {
	return state{
		functions: maps.Clone(s.functions), users: maps.Clone(s.users), tokens: maps.Clone(s.tokens),
		audit: maps.Clone(s.audit), versions: maps.Clone(s.versions), totals: maps.Clone(s.totals),
		aliases: maps.Clone(s.aliases),
	}
}

// New returns an empty store.
func New() *Store {
	return &Store{turn: make(chan struct{}, 1), now: state{
		functions: table[string]{}, users: table[string]{}, tokens: table[string]{}, audit: table[string]{},
		versions: table[numbered]{}, totals: table[numbered]{}, aliases: table[named]{},
	}}
}

// Start lets the store be used.
func (s *Store) Start(context.Context) error { s.run(true); return nil }

// Stop ends the use; what the store holds stays.
func (s *Store) Stop(context.Context) error { s.run(false); return nil }

func (s *Store) run(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = on
}

// Catalog returns the store of functions, versions and aliases.
func (s *Store) Catalog() catalog.Store { return catalogStore{s} }

// Identity returns the store of users and tokens.
func (s *Store) Identity() identity.Store { return identityStore{s} }

// Audit returns the store of audit entries.
func (s *Store) Audit() audit.Store { return auditStore{s} }

// Totals returns the store of the counters that functions have for life. The
// counters of a function or a version go when catalog's Tx deletes it.
func (s *Store) Totals() invoke.TotalsStore { return totalsStore{s} }

// view returns a state that nobody changes.
func (s *Store) view(ctx context.Context) (state, error) {
	if err := ctx.Err(); err != nil {
		return state{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.running {
		return state{}, fault.New(fault.Unavailable, "store_not_running", "use the store: it is not running")
	}
	return s.now, nil
}

// update runs fn on a copy, which replaces the state where fn returns nil.
func (s *Store) update(ctx context.Context, fn func(state) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	next, err := s.view(ctx)
	if err != nil {
		return err
	}
	next = next.clone()
	if err := fn(next); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = next
	return nil
}

type (
	numbered struct {
		name   string
		number function.Number
	}
	named struct{ name, alias string }
)

// table holds records as JSON, so that nobody shares memory with the store.
type table[K comparable] map[K][]byte

// put refuses names that cannot be names, as a store whose keys are made of
// them must.
func (t table[K]) put(key K, record any, names ...string) error {
	for _, n := range names {
		if n == "" || len(n) > 1024 || strings.ContainsRune(n, 0) {
			return fault.New(fault.Invalid, "bad_key", "write a record: %.80q is no name", n)
		}
	}
	b, err := json.Marshal(record)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encode_record", "encode a record")
	}
	t[key] = b
	return nil
}

func read[V any, K comparable](t table[K], key K) (*V, error) {
	b, ok := t[key]
	if !ok {
		return nil, nil
	}
	v := new(V)
	return v, json.Unmarshal(b, v)
}
