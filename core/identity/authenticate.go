package identity

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

const (
	maxBearer = 8 << 10          // bytes; the largest of ours has about 3 KiB
	leeway    = 30 * time.Second // between our clock and an external issuer's
)

// claims is what a token says, ours or an external one.
type claims struct {
	jwt.RegisteredClaims
	Role  function.Role `json:"role"`
	Teams []string      `json:"teams"`
}

var (
	errTokenGone   = errors.New("the token was revoked, has expired or its user is gone")
	errNoExpiry    = errors.New("an external token must have an exp")
	errNoIdentity  = errors.New("an external token must have a sub of 1 to 256 characters, a known role and at most 32 teams")
	errUnknownKey  = errors.New("no key of that kid")
	errWrongAlg    = errors.New("the alg does not fit the key")
	errTokenTooBig = errors.New("the token is too long")
)

// unauthenticated tells the log why and the caller only that.
func unauthenticated(cause error) error {
	return fault.Wrap(cause, fault.Unauthenticated, fault.ReasonUnknownToken, "authenticate: the token is missing, expired, revoked or not valid here").
		WithRemedy("run skiff login, or ask an Admin for a token")
}

func newParser(opts Options) *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256", "RS256", "ES256", "EdDSA"}),
		jwt.WithIssuer(opts.Issuer), jwt.WithAudience(opts.Audience),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(opts.Now), jwt.WithStrictDecoding(),
	)
}

// Authenticate returns who bears the token. The bearer string may live in a
// buffer that is used again. Verified tokens are remembered until they expire
// or anything is taken away from anybody. Fault: Unauthenticated, and never
// another.
func (s *Service) Authenticate(_ context.Context, bearer string) (*Principal, error) {
	// The epoch is read before the records: a verdict that missed a change
	// made meanwhile then bears an epoch that has passed.
	epoch, now := s.epoch.Load(), s.now()
	if v := s.cache.load(bearer); v != nil && v.epoch == epoch && now.UnixNano() < v.until {
		return v.principal, nil
	}
	v, err := s.verify(bearer, now)
	if err != nil {
		s.cache.drop(bearer)
		return nil, unauthenticated(err)
	}
	v.epoch = epoch
	s.cache.store(strings.Clone(bearer), v, now)
	return v.principal, nil
}

func (s *Service) verify(bearer string, now time.Time) (*verdict, error) {
	if len(bearer) > maxBearer {
		return nil, errTokenTooBig
	}
	var c claims
	token, err := s.parser.ParseWithClaims(strings.Clone(bearer), &c, s.keyFor)
	if err != nil {
		return nil, err
	}
	if token.Header["kid"] == s.key.id {
		return s.ownVerdict(&c, now)
	}
	return externalVerdict(&c)
}

// keyFor pins the algorithm to the kind of key: ours signs HS256 and nothing
// else, an external one never does, so a public key cannot pass for a secret.
func (s *Service) keyFor(t *jwt.Token) (any, error) {
	if t.Header["kid"] == s.key.id {
		if t.Method != jwt.SigningMethodHS256 {
			return nil, errWrongAlg
		}
		return s.key.secret, nil
	}
	if s.jwks == nil {
		return nil, errUnknownKey
	}
	return s.jwks.keyFor(t)
}

// ownVerdict judges by the record, which knows of revocation and demotion.
func (s *Service) ownVerdict(c *claims, now time.Time) (*verdict, error) {
	t, u := s.records.token(c.ID)
	if t == nil || u == nil || t.User != c.Subject || !t.live(now) {
		return nil, errTokenGone
	}
	until := int64(math.MaxInt64)
	if !t.ExpiresAt.IsZero() {
		until = t.ExpiresAt.UnixNano()
	}
	return &verdict{principal: principalOf(t, u), until: until}, nil
}

func externalVerdict(c *claims) (*verdict, error) {
	if c.ExpiresAt == nil {
		return nil, errNoExpiry
	}
	known := slices.Contains(function.Roles(), c.Role) && len(c.Teams) <= maxTeams
	if n := utf8.RuneCountInString(c.Subject); !known || n == 0 || n > 256 {
		return nil, errNoIdentity
	}
	p := &Principal{User: externalPrefix + c.Subject, TokenID: c.ID, Role: c.Role, Teams: c.Teams}
	return &verdict{principal: p, until: c.ExpiresAt.Add(leeway).UnixNano()}, nil
}

// sign returns the credential of a record. The same record gives the same one.
func (s *Service) sign(t *Token) (string, error) {
	c := claims{Role: t.Role, Teams: t.Teams, RegisteredClaims: jwt.RegisteredClaims{
		Issuer: s.opts.Issuer, Audience: jwt.ClaimStrings{s.opts.Audience}, Subject: t.User, ID: t.ID,
		IssuedAt: jwt.NewNumericDate(t.CreatedAt), NotBefore: jwt.NewNumericDate(t.CreatedAt),
	}}
	if !t.ExpiresAt.IsZero() {
		c.ExpiresAt = jwt.NewNumericDate(t.ExpiresAt)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	token.Header["kid"] = s.key.id
	signed, err := token.SignedString(s.key.secret)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "sign_token", "sign token %q", t.ID)
	}
	return signed, nil
}
