// Package config holds the settings of an appliance: their names, defaults,
// sources and rules.
//
// Settings come from flags, then SKIFF_* environment variables, then a YAML
// file, then Default. What a setting does belongs to the package that obeys it.
package config

import (
	"path/filepath"
	"time"

	"github.com/skiffhq/skiff/core/function"
)

// Config is every setting. The yaml tags are the names in the file; the name
// of an environment variable follows from them, see EnvName.
type Config struct {
	DataDir    string     `yaml:"dataDir"`
	Listen     string     `yaml:"listen"` // host:port of the API; port 0 picks a free one
	TLS        TLS        `yaml:"tls"`
	Metrics    Metrics    `yaml:"metrics"`
	Memory     Memory     `yaml:"memory"`
	Log        Log        `yaml:"log"`
	Auth       Auth       `yaml:"auth"`
	RateLimits RateLimits `yaml:"rateLimits"`
	Invoke     Invoke     `yaml:"invoke"`
	Store      Store      `yaml:"store"`

	// Dev is set by the flag alone: plain HTTP on loopback, an administrator's
	// token in a file, no rate limits.
	Dev bool `yaml:"-"`
}

// TLS makes the API speak HTTPS; both files or neither.
type TLS struct {
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
}

// Metrics is the listener of Prometheus' own, open to everybody who reaches it
// and therefore on loopback only; empty for none.
type Metrics struct {
	Listen string `yaml:"listen"`
}

// Memory bounds everything that runs functions; 0 takes half of the host's, or
// of the cgroup's where that has less.
type Memory struct {
	Budget Bytes `yaml:"budget"`
}

// Log says what the appliance's own log holds and how it looks.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // text or json
}

// Auth says which tokens are taken. JWKS is a file or URL with the public keys
// of an external issuer.
type Auth struct {
	Issuer   string            `yaml:"issuer"`
	Audience string            `yaml:"audience"`
	JWKS     string            `yaml:"jwks"`
	TokenTTL function.Duration `yaml:"tokenTTL"`
}

// RateLimits are requests per minute; 0 is no limit.
type RateLimits struct {
	Invoke         int `yaml:"invoke"`         // invocations by one user
	InvokeFunction int `yaml:"invokeFunction"` // invocations of one function
	Writes         int `yaml:"writes"`         // changes of functions by one user
	Reads          int `yaml:"reads"`          // by one user
}

// Invoke bounds what runs and waits at once.
type Invoke struct {
	Concurrency  int               `yaml:"concurrency"`  // of all functions without a reservation
	QueueDepth   int               `yaml:"queueDepth"`   // waiting for one busy function
	QueueTimeout function.Duration `yaml:"queueTimeout"` // of one that waits
	IdleTimeout  function.Duration `yaml:"idleTimeout"`  // how long instances and loaded code outlive their last use
}

// Store bounds what lies on disk.
type Store struct {
	// Reserve is the free disk space below which changes are refused, so that
	// the store can always write out what it holds; 0 takes the store's own.
	Reserve Bytes `yaml:"reserve"`
	// CodeCache bounds unpacked code that nobody uses.
	CodeCache Bytes `yaml:"codeCache"`
}

// Default returns the settings of an appliance that says nothing.
func Default() Config {
	return Config{
		DataDir:    "/var/lib/skiff",
		Listen:     DefaultListen,
		Log:        Log{Level: "info", Format: "text"},
		Auth:       Auth{Issuer: "skiff", Audience: "skiff", TokenTTL: function.Duration(12 * time.Hour)},
		RateLimits: RateLimits{Writes: 20, Reads: 600},
		Invoke: Invoke{
			Concurrency: 1000, QueueDepth: 100,
			QueueTimeout: function.Duration(10 * time.Second), IdleTimeout: function.Duration(10 * time.Minute),
		},
		Store: Store{CodeCache: 1 << 30},
	}
}

// DefaultListen is loopback: without TLS a token must not cross a network.
const DefaultListen = "127.0.0.1:8080"

// DevDataDir is where an appliance for development keeps its data unless it is
// told otherwise, below the working directory.
const DevDataDir = "skiff-data"

// The files of a data directory that others may rely on.

// EndpointsFile tells where the appliance listens; see wire.Endpoints.
func (c *Config) EndpointsFile() string { return filepath.Join(c.DataDir, "endpoints.json") }

// TokenFile holds the administrator's token under Dev.
func (c *Config) TokenFile() string { return filepath.Join(c.DataDir, "admin.token") }

// AdminSocket is the administration socket.
func (c *Config) AdminSocket() string { return filepath.Join(c.DataDir, "admin.sock") }
