package identity

import (
	"cmp"
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

const (
	maxTokensPerUser = 1000 // of logins, and of others
	maxTokenName     = 64   // characters
	maxTokenTTL      = 10 * 365 * 24 * time.Hour
	keepRevoked      = 30 * 24 * time.Hour // so that the list can still show them
	pruneEvery       = time.Hour
	pruneBatch       = 1000 // records in one transaction of the store
)

// NewToken describes a token to be made.
type NewToken struct {
	Name  string        // for people; may be empty
	Role  function.Role // empty means the creator's own
	Teams []string      // empty means the creator's own
	TTL   time.Duration // 0 means Options.TokenTTL
}

// CreateToken gives the principal another token of at most the same worth: an
// Admin may make one of any role, everyone else one of their own role or of a
// Viewer, for teams of their own. It returns the record, which is shared and not
// to be changed, and the credential, which cannot be shown again. Faults: Invalid, Denied, Conflict where the user
// has too many.
func (s *Service) CreateToken(ctx context.Context, p *Principal, in NewToken) (*Token, string, error) {
	in.Role = cmp.Or(in.Role, p.Role)
	in.Teams = teamsOr(in.Teams, teamsOr(p.Teams, []string{function.DefaultTeam}))
	in.TTL = cmp.Or(in.TTL, s.opts.TokenTTL)
	if err := checkNewToken(in); err != nil {
		return nil, "", err
	}
	if err := mayMint(p, in); err != nil {
		return nil, "", err
	}
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.roomForToken(p); err != nil {
		return nil, "", err
	}
	t := s.newToken(p.User, in.Role, in.Teams, in.TTL)
	t.Name = in.Name
	signed, err := s.addToken(ctx, t)
	return t, signed, err
}

func checkNewToken(in NewToken) error {
	var c fault.Collector
	checkRole(&c, in.Role)
	checkTeams(&c, in.Teams)
	c.Check(utf8.ValidString(in.Name) && utf8.RuneCountInString(in.Name) <= maxTokenName, "name", "must have at most %d characters", maxTokenName)
	c.Check(in.TTL >= time.Second && in.TTL <= maxTokenTTL, "ttl", "must be one second to ten years")
	return c.Err("create token")
}

func mayMint(p *Principal, in NewToken) error {
	if p.External() {
		return fault.New(fault.Denied, "external_user", "create token: %q is no user of this appliance", p.User).
			WithRemedy("ask the external issuer for a token, or log in as a user of this appliance")
	}
	if intersect(p.Role, in.Role) != in.Role {
		return fault.New(fault.Denied, "role", "create token: a %s may not make a token of role %s", p.Role, in.Role)
	}
	for _, team := range in.Teams {
		if !p.Sees(team) {
			return fault.New(fault.Denied, "team", "create token: team %q is not one of yours", team)
		}
	}
	return nil
}

// roomForToken also sees that the principal's user and token are still there:
// the caller holds s.write, so they stay.
func (s *Service) roomForToken(p *Principal) error {
	if t, u := s.records.token(p.TokenID); u == nil || !t.live(s.now()) {
		return unauthenticated(errTokenGone)
	}
	if len(s.tokenIDs(func(t *Token) bool { return t.User == p.User && !t.Login })) >= maxTokensPerUser {
		return fault.New(fault.Conflict, "too_many_tokens", "create token: user %q has %d already", p.User, maxTokensPerUser).
			WithRemedy("delete tokens that nobody uses")
	}
	return nil
}

// newToken returns a record whose id sorts by time. A ttl of 0 never ends.
func (s *Service) newToken(user string, role function.Role, teams []string, ttl time.Duration) *Token {
	now := s.now().UTC()
	// A JWT counts whole seconds: it begins no later and ends no earlier.
	t := &Token{ID: uuid.Must(uuid.NewV7()).String(), User: user, Role: role, Teams: teams, CreatedAt: now.Truncate(time.Second)}
	if ttl > 0 {
		t.ExpiresAt = now.Add(ttl + time.Second - 1).Truncate(time.Second)
	}
	return t
}

// addToken stores the record and returns its credential. The caller holds s.write.
func (s *Service) addToken(ctx context.Context, t *Token) (string, error) {
	signed, err := s.sign(t)
	if err != nil {
		return "", err
	}
	return signed, s.commit(ctx, change{putTokens: []*Token{t}})
}

// Tokens lists the principal's own tokens, for an Admin everybody's, by age,
// from the one after the cursor, at most limit of them, 0 meaning all; next is
// the cursor of the following page. The records are shared and not to be changed.
// Revoked tokens are shown for 30 days, expired ones until they are removed.
func (s *Service) Tokens(p *Principal, cursor string, limit int) (tokens []*Token, next string) {
	tokens = s.records.selectTokens(func(t *Token) bool { return t.ID > cursor && owns(p, t) })
	slices.SortFunc(tokens, func(a, b *Token) int { return cmp.Compare(a.ID, b.ID) })
	if limit > 0 && len(tokens) > limit {
		tokens = tokens[:limit]
		next = tokens[limit-1].ID
	}
	return tokens, next
}

func owns(p *Principal, t *Token) bool { return p.Role == function.RoleAdmin || t.User == p.User }

// RevokeToken ends a token: once it has returned, the token is refused. It does
// nothing to a token that was revoked before. Fault: NotFound, also for a token
// of somebody else.
func (s *Service) RevokeToken(ctx context.Context, p *Principal, id string) error {
	s.write.Lock()
	defer s.write.Unlock()
	t, _ := s.records.token(id)
	if t == nil || !owns(p, t) {
		return fault.New(fault.NotFound, "token_not_found", "no token %q", id)
	}
	if !t.RevokedAt.IsZero() {
		return nil
	}
	revoked := *t
	revoked.RevokedAt = s.now().UTC()
	return s.commit(ctx, change{putTokens: []*Token{&revoked}})
}

// tokenIDs returns the ids of the tokens that match, the oldest first.
func (s *Service) tokenIDs(match func(*Token) bool) []string {
	var ids []string
	for _, t := range s.records.selectTokens(match) {
		ids = append(ids, t.ID)
	}
	slices.Sort(ids)
	return ids
}

// prune removes records of tokens that have expired, or were revoked long ago.
func (s *Service) prune(ctx context.Context) error {
	now := s.now()
	old := s.tokenIDs(func(t *Token) bool {
		expired := !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt)
		return expired || !t.RevokedAt.IsZero() && now.Sub(t.RevokedAt) >= keepRevoked
	})
	for batch := range slices.Chunk(old, pruneBatch) {
		if err := s.pruneTokens(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) pruneTokens(ctx context.Context, ids []string) error {
	s.write.Lock()
	defer s.write.Unlock()
	return s.commit(ctx, change{deleteTokens: ids})
}

func (s *Service) pruneLoop(ctx context.Context) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := s.prune(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("expired tokens were not removed; the next try follows", "error", err)
			}
		}
	}
}
