package catalog

import (
	"context"

	"github.com/skiffhq/skiff/core/function"
)

// Store keeps the records of the catalogue.
type Store interface {
	// View runs fn on one consistent state.
	View(ctx context.Context, fn func(Reader) error) error
	// Update runs fn and makes all that it wrote durable at once before it
	// returns; where fn returns an error nothing is written and that error is
	// returned. Updates are serialised, so what fn reads cannot change under
	// it. fn may not block and may not call Update.
	Update(ctx context.Context, fn func(Tx) error) error
}

// Reader reads records. A record that is not there is a nil pointer, no error.
// The returned values are the caller's own.
type Reader interface {
	Function(name string) (*function.Function, error)
	Version(name string, n function.Number) (*function.Version, error)
	Alias(name, alias string) (*function.Alias, error)
	// EachFunction, EachVersion and EachAlias call fn in order of name (and
	// number) until it returns an error. An empty name means of every function.
	EachFunction(fn func(*function.Function) error) error
	EachVersion(name string, fn func(*function.Version) error) error
	EachAlias(name string, fn func(*function.Alias) error) error
}

// Tx reads its own writes.
type Tx interface {
	Reader
	PutFunction(*function.Function) error
	DeleteFunction(name string) error
	PutVersion(*function.Version) error
	DeleteVersion(name string, n function.Number) error
	PutAlias(*function.Alias) error
	DeleteAlias(name, alias string) error
}
