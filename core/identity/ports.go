package identity

import (
	"context"
	"time"

	"github.com/skiffhq/skiff/core/function"
)

// User is somebody who can log in.
type User struct {
	Name         string        `json:"username"`
	PasswordHash string        `json:"passwordHash"` // argon2id in PHC string format
	Role         function.Role `json:"role"`
	Teams        []string      `json:"teams"`
	CreatedAt    time.Time     `json:"createdAt"`
	UpdatedAt    time.Time     `json:"updatedAt"`
}

// Token is the record of a credential that was given out. The credential
// itself is a signed JWT and is not stored.
type Token struct {
	ID        string        `json:"tokenId"`
	Name      string        `json:"name,omitempty"`
	User      string        `json:"user"` // whose it is
	Role      function.Role `json:"role"`
	Teams     []string      `json:"teams"`
	Login     bool          `json:"login,omitempty"` // given for a password, and ends with it
	CreatedAt time.Time     `json:"createdAt"`
	ExpiresAt time.Time     `json:"expiresAt,omitzero"` // zero: never
	RevokedAt time.Time     `json:"revokedAt,omitzero"`
}

// Store keeps users and tokens. Its rules are those of catalog.Store: Update
// is serialised, atomic and durable, and fn may not block.
type Store interface {
	View(ctx context.Context, fn func(Reader) error) error
	Update(ctx context.Context, fn func(Tx) error) error
}

// Reader reads records; one that is not there is a nil pointer, no error.
type Reader interface {
	User(name string) (*User, error)
	EachUser(fn func(*User) error) error
	Token(id string) (*Token, error)
	EachToken(fn func(*Token) error) error
}

// Tx reads its own writes.
type Tx interface {
	Reader
	PutUser(*User) error
	DeleteUser(name string) error
	PutToken(*Token) error
	DeleteToken(id string) error
}
