// Package identity knows who may call: users with passwords, roles and teams,
// the tokens that were given to them, and tokens of an external issuer.
//
// What a role may do on which route does not belong here; see core/api.
//
// Users and tokens are few, so all of them are held in memory and written
// through to the Store. The service must be the Store's only writer.
package identity

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// DefaultTokenTTL is the life of a token where nothing else is said.
const DefaultTokenTTL = 12 * time.Hour

// Options are the settings of a Service.
type Options struct {
	Store   Store
	KeyFile string // signing key of our own tokens; made by Start if it is not there
	// Issuer and Audience are written into our own tokens and demanded of all.
	// Empty means "skiff".
	Issuer, Audience string
	JWKS             string        // file or URL with an external issuer's public keys; empty for none
	TokenTTL         time.Duration // 0 means DefaultTokenTTL
	Now              func() time.Time
	Log              *slog.Logger
}

// Service authenticates requests and manages users and tokens. All methods may
// be called by many goroutines once Start has returned.
//
// Locks: write is taken before records' own; neither is held while a password
// is hashed.
type Service struct {
	opts    Options
	now     func() time.Time
	log     *slog.Logger
	key     signingKey
	jwks    *keySet // nil where no external issuer is set
	parser  *jwt.Parser
	records records
	cache   cache
	hasher  *hasher
	byUser  *slowdown
	byHost  *slowdown

	write sync.Mutex // one change at a time, so that rules hold over what they checked
	// epoch rises with every change that may take something away. A cached
	// verdict of another epoch is worth nothing.
	epoch atomic.Uint64

	stop context.CancelFunc // nil unless running
	loop sync.WaitGroup
}

// New returns a Service that does nothing until Start.
func New(opts Options) *Service {
	opts = withDefaults(opts)
	s := &Service{
		opts: opts, now: opts.Now, log: opts.Log,
		parser: newParser(opts),
		hasher: newHasher(maxHashes),
		byUser: newSlowdown(freeTriesPerUser, maxUserDelay),
		byHost: newSlowdown(freeTriesPerHost, maxHostDelay),
	}
	s.cache.init()
	if opts.JWKS != "" {
		lastGood := filepath.Join(filepath.Dir(opts.KeyFile), lastGoodName)
		s.jwks = newKeySet(opts.JWKS, lastGood, opts.Log, func() { s.epoch.Add(1) })
	}
	return s
}

func withDefaults(opts Options) Options {
	if opts.Issuer == "" {
		opts.Issuer = "skiff"
	}
	if opts.Audience == "" {
		opts.Audience = "skiff"
	}
	if opts.TokenTTL <= 0 {
		opts.TokenTTL = DefaultTokenTTL
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return opts
}

// Start reads or makes the signing key, loads users and tokens, removes expired
// tokens and begins the background work. An external issuer that cannot be
// reached is no reason to fail: its keys come from the last good copy, and
// without one only its tokens are refused.
func (s *Service) Start(ctx context.Context) error {
	key, err := loadKey(s.opts.KeyFile)
	if err != nil {
		return err
	}
	s.key = key
	if err := s.records.load(ctx, s.opts.Store); err != nil {
		return err
	}
	if err := s.prune(ctx); err != nil {
		return err
	}
	if s.jwks != nil {
		if err := s.jwks.open(ctx); err != nil {
			return err
		}
	}
	s.run()
	return nil
}

func (s *Service) run() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.loop.Go(func() { s.pruneLoop(ctx) })
	if s.jwks != nil {
		s.loop.Go(func() { s.jwks.follow(ctx) })
	}
}

// Stop ends the background work and waits for it, as long as ctx allows. It may
// be called more than once, but not while Start runs.
func (s *Service) Stop(ctx context.Context) error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	done := make(chan struct{})
	go func() { s.loop.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
