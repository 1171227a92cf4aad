package identity

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func TestNobodyMintsMoreThanTheyAre(t *testing.T) {
	const admin, dev, op, viewer = function.RoleAdmin, function.RoleDeveloper, function.RoleOperator, function.RoleViewer
	allowed := map[function.Role][]function.Role{
		admin: {admin, dev, op, viewer}, dev: {dev, viewer}, op: {op, viewer}, viewer: {viewer},
	}
	f := newFixture(t)
	for creator, roles := range allowed {
		name := strings.ToLower(string(creator))
		f.add(t, name, creator, "red", "blue")
		p := f.principal(t, name)
		for _, role := range function.Roles() {
			_, bearer, err := f.CreateToken(t.Context(), p, NewToken{Role: role, Teams: []string{"red"}})
			if want := slices.Contains(roles, role); (err == nil) != want || err != nil && !fault.Is(err, fault.Denied) {
				t.Errorf("%s makes %s: %v, allowed is %v", creator, role, err, want)
			}
			if err != nil {
				continue
			}
			if got, err := f.Authenticate(t.Context(), bearer); err != nil || got.Role != role || !slices.Equal(got.Teams, []string{"red"}) {
				t.Errorf("%s of %s is worth %+v, %v", role, creator, got, err)
			}
		}
		_, _, err := f.CreateToken(t.Context(), p, NewToken{Teams: []string{"red", "green"}})
		if (err == nil) != (creator == admin) {
			t.Errorf("%s makes a token for a team of others: %v", creator, err)
		}
	}
}

func TestWeakTokenOfAStrongUserMintsWeakTokens(t *testing.T) {
	f := newFixture(t)
	f.add(t, "root", function.RoleAdmin, "red")
	_, bearer, err := f.CreateToken(t.Context(), f.principal(t, "root"), NewToken{Role: function.RoleViewer, Teams: []string{"red"}})
	if err != nil {
		t.Fatal(err)
	}
	weak, err := f.Authenticate(t.Context(), bearer)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.CreateToken(t.Context(), weak, NewToken{Role: function.RoleDeveloper})
	wantClass(t, err, fault.Denied)
}

func TestCreateTokenRefusals(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleDeveloper)
	p := f.principal(t, "ada")
	gone := f.principal(t, "ada")
	if err := f.RevokeToken(t.Context(), p, gone.TokenID); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		p    *Principal
		in   NewToken
		want fault.Class
	}{
		"unknown role":      {p, NewToken{Role: "King"}, fault.Invalid},
		"bad team":          {p, NewToken{Teams: []string{""}}, fault.Invalid},
		"long name":         {p, NewToken{Name: strings.Repeat("n", maxTokenName+1)}, fault.Invalid},
		"negative ttl":      {p, NewToken{TTL: -time.Hour}, fault.Invalid},
		"endless ttl":       {p, NewToken{TTL: maxTokenTTL + time.Second}, fault.Invalid},
		"ttl of no second":  {p, NewToken{TTL: time.Millisecond}, fault.Invalid},
		"external user":     {&Principal{User: externalPrefix + "x", Role: function.RoleAdmin}, NewToken{}, fault.Denied},
		"revoked meanwhile": {gone, NewToken{}, fault.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := f.CreateToken(t.Context(), tc.p, tc.in)
			wantClass(t, err, tc.want)
		})
	}
}

func TestTokensPerUserAreBounded(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleDeveloper)
	p := f.principal(t, "ada")
	f.write.Lock()
	var c change
	for i := range 2 * maxTokensPerUser {
		tok := f.newToken("ada", function.RoleDeveloper, nil, time.Hour)
		tok.Login = i%2 == 0
		c.putTokens = append(c.putTokens, tok)
	}
	if err := f.commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	f.write.Unlock()
	_, _, err := f.CreateToken(t.Context(), p, NewToken{})
	wantClass(t, err, fault.Conflict)
	if _, err := f.Login(t.Context(), "ada", testPassword); err != nil {
		t.Fatalf("the oldest login made no room: %v", err)
	}
	if n := len(f.tokenIDs(func(t *Token) bool { return t.Login })); n != maxTokensPerUser {
		t.Errorf("%d logins are left, want %d", n, maxTokensPerUser)
	}
	if f.store.tokens[c.putTokens[0].ID].ID != "" {
		t.Error("the oldest login is still there")
	}
}

func TestTokensAreListedToTheirOwnerAndToAdmins(t *testing.T) {
	f := newFixture(t)
	f.add(t, "root", function.RoleAdmin)
	f.add(t, "ada", function.RoleViewer)
	root, ada := f.principal(t, "root"), f.principal(t, "ada")
	if got, next := f.Tokens(ada, "", 10); len(got) != 1 || got[0].ID != ada.TokenID || next != "" {
		t.Errorf("ada sees %v, next %q", got, next)
	}
	first, next := f.Tokens(root, "", 1)
	second, end := f.Tokens(root, next, 1)
	if len(first) != 1 || len(second) != 1 || first[0].ID != root.TokenID || second[0].ID != ada.TokenID || end != "" {
		t.Errorf("root sees %v and %v, cursors %q and %q", first, second, next, end)
	}
	wantClass(t, f.RevokeToken(t.Context(), ada, root.TokenID), fault.NotFound)
	wantClass(t, f.RevokeToken(t.Context(), root, "none"), fault.NotFound)
	for range 2 { // the second does nothing
		if err := f.RevokeToken(t.Context(), root, ada.TokenID); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := f.Tokens(root, root.TokenID, 1); got[0].RevokedAt.IsZero() {
		t.Error("the list does not show the revocation")
	}
}

func TestPruneRemovesExpiredAndLongRevoked(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer)
	p := f.principal(t, "ada") // one hour
	long, _, err := f.CreateToken(t.Context(), p, NewToken{Name: "long", TTL: 365 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	kept, _, err := f.CreateToken(t.Context(), p, NewToken{Name: "kept", TTL: 365 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.RevokeToken(t.Context(), p, long.ID); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{0, 3}, {time.Hour, 2}, {keepRevoked, 1}} {
		f.clock.advance(step.after)
		if err := f.prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(f.store.tokens); n != step.left {
			t.Errorf("after %v more %d tokens are stored, want %d", step.after, n, step.left)
		}
	}
	if _, ok := f.store.tokens[kept.ID]; !ok {
		t.Error("the live token is gone")
	}
}

func TestBackgroundPrunesEveryHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(o *Options) { o.Now = time.Now })
		f.add(t, "ada", function.RoleViewer)
		f.token(t, "ada") // ends in an hour
		time.Sleep(2*pruneEvery + time.Second)
		synctest.Wait()
		f.store.mu.Lock()
		defer f.store.mu.Unlock()
		if len(f.store.tokens) != 0 {
			t.Errorf("%d expired tokens are still stored", len(f.store.tokens))
		}
	})
}

func TestUsersAndTokensSurviveARestart(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleDeveloper, "red")
	_, bearer := f.token(t, "ada")
	rec, revoked := f.token(t, "ada")
	if err := f.RevokeToken(t.Context(), &Principal{User: "ada"}, rec.ID); err != nil {
		t.Fatal(err)
	}
	again := New(f.opts)
	if err := again.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, again)
	if p, err := again.Authenticate(t.Context(), bearer); err != nil || p.User != "ada" || !p.Sees("red") {
		t.Errorf("after restart: %+v, %v", p, err)
	}
	_, err := again.Authenticate(t.Context(), revoked)
	wantClass(t, err, fault.Unauthenticated)
}

func TestTokenLivesAtLeastItsTTL(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer)
	p := f.principal(t, "ada")
	f.clock.advance(999 * time.Millisecond)
	rec, bearer, err := f.CreateToken(t.Context(), p, NewToken{TTL: time.Second})
	if err != nil || rec.CreatedAt.After(f.now()) {
		t.Fatalf("created at %v, %v", rec.CreatedAt, err)
	}
	f.clock.advance(time.Second - 1)
	if _, err := f.Authenticate(t.Context(), bearer); err != nil {
		t.Errorf("within its life: %v", err)
	}
	f.clock.advance(time.Second)
	_, err = f.Authenticate(t.Context(), bearer)
	wantClass(t, err, fault.Unauthenticated)
}
