package api

import (
	"context"
	"io"
	"time"

	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/identity"
	"github.com/skiffhq/skiff/core/invoke"
)

// Catalog is all that the API needs of the catalogue. core/catalog is one.
type Catalog interface {
	FunctionReader
	FunctionWriter
	Versions
	AliasReader
	AliasWriter
}

// FunctionReader reads functions, from memory. What it returns is shared and
// not to be changed. Fault: NotFound.
type FunctionReader interface {
	Function(name string) (*function.Function, error)
	Functions(q catalog.Query) catalog.Page
}

// FunctionWriter changes functions, durably before it returns.
type FunctionWriter interface {
	Create(ctx context.Context, actor, name string, p *function.Patch) (*function.Function, error)
	Update(ctx context.Context, name string, ifMatch *uint64, p *function.Patch) (*function.Function, error)
	Delete(ctx context.Context, name string, force bool) error
}

// Versions reads, publishes and deletes versions.
type Versions interface {
	Version(name string, n function.Number) (*function.Version, error)
	Versions(name string) ([]*function.Version, error)
	Publish(ctx context.Context, actor, name string, p catalog.Publication) (*function.Version, error)
	DeleteVersion(ctx context.Context, name string, n function.Number) error
}

// AliasReader reads aliases.
type AliasReader interface {
	Alias(name, alias string) (*function.Alias, error)
	Aliases(name string) ([]*function.Alias, error)
}

// AliasWriter changes aliases.
type AliasWriter interface {
	CreateAlias(ctx context.Context, name, alias string, s function.AliasSpec) (*function.Alias, error)
	UpdateAlias(ctx context.Context, name, alias string, ifMatch *uint64, s function.AliasSpec) (*function.Alias, error)
	DeleteAlias(ctx context.Context, name, alias string, ifMatch *uint64) error
}

// Identity is all that the API needs to know who calls. core/identity is one.
type Identity interface {
	Credentials
	Users
	Passwords
	Tokens
}

// Credentials tells who bears a token, and gives one for a password.
type Credentials interface {
	Authenticate(ctx context.Context, bearer string) (*identity.Principal, error)
	Login(ctx context.Context, user, password string) (identity.LoginResult, error)
}

// Users manages users.
type Users interface {
	CreateUser(ctx context.Context, in identity.NewUser) (*identity.User, error)
	User(name string) (*identity.User, error)
	Users(cursor string, limit int) (users []*identity.User, next string)
	DeleteUser(ctx context.Context, name string) error
}

// Passwords changes what users are and know.
type Passwords interface {
	UpdateUser(ctx context.Context, name string, in identity.UserChange) (*identity.User, error)
	ChangePassword(ctx context.Context, p *identity.Principal, old, password string) error
}

// Tokens manages tokens.
type Tokens interface {
	CreateToken(ctx context.Context, p *identity.Principal, in identity.NewToken) (*identity.Token, string, error)
	Tokens(p *identity.Principal, cursor string, limit int) (tokens []*identity.Token, next string)
	RevokeToken(ctx context.Context, p *identity.Principal, id string) error
}

// Invoker runs functions and knows what they did. core/invoke is one.
type Invoker interface {
	Invoke(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error)
	Window(f *function.Function, length time.Duration, now time.Time) invoke.Summary
	Totals(f *function.Function) (uint64, time.Time)
	VersionTotals(f *function.Function, n function.Number) (uint64, time.Time)
}

// Audit notes changes and lists them. core/audit is one.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
	List(ctx context.Context, q audit.Query) (entries []audit.Entry, next string, err error)
}

// Code hands out stored bundles, verified. The caller closes the reader.
// core/artifact is one.
type Code interface {
	Code(ctx context.Context, sha256 string) (io.ReadCloser, int64, error)
}

// Memory is the budget that large bodies are charged to. Reserve charges
// nothing where it returns a fault. An account of core/memory is one.
type Memory interface {
	Reserve(bytes int64) error
	Release(bytes int64)
}

// Requests counts requests. route is the pattern of the route, or empty where
// none was found. It is called by many goroutines and must not block.
type Requests interface {
	Request(route, method string, status int, took time.Duration)
}
