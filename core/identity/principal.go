package identity

import (
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/function"
)

// Principal is who stands behind a request and what they may do. It is shared
// by all requests that bear the same token: nobody may change it.
type Principal struct {
	// User is the name of a user of this appliance, or externalPrefix and the
	// subject where the token came from an external issuer. No user of this
	// appliance can have such a name, so neither can pass for the other.
	User    string
	TokenID string // empty for an external token without jti
	Role    function.Role
	Teams   []string
}

// externalPrefix holds a character that user names may not hold.
const externalPrefix = "external:"

// Sees reports whether the functions of the team are visible. An Admin sees
// every team.
func (p *Principal) Sees(team string) bool {
	return p.Role == function.RoleAdmin || slices.Contains(p.Teams, team)
}

// External reports whether another issuer vouches for the principal: such a
// principal has neither a password nor token records here.
func (p *Principal) External() bool { return strings.HasPrefix(p.User, externalPrefix) }

// intersect returns the role whose permissions both roles hold. Admin holds
// all, every role holds Viewer's, and Developer and Operator share no more than
// that.
func intersect(a, b function.Role) function.Role {
	switch {
	case a == b || b == function.RoleAdmin:
		return a
	case a == function.RoleAdmin:
		return b
	default:
		return function.RoleViewer
	}
}

// principalOf returns what a token is worth today: never more than its user is,
// so that a demotion or a lost team counts at once.
func principalOf(t *Token, u *User) *Principal {
	p := &Principal{User: u.Name, TokenID: t.ID, Role: intersect(t.Role, u.Role), Teams: t.Teams}
	if u.Role != function.RoleAdmin {
		p.Teams = slices.DeleteFunc(slices.Clone(t.Teams), func(team string) bool {
			return !slices.Contains(u.Teams, team)
		})
	}
	return p
}
