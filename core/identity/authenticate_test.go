package identity

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/golang-jwt/jwt/v5"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// forge signs claims that are those of a good token but for what edit changes.
func (f *fixture) forge(t testing.TB, rec *Token, method jwt.SigningMethod, key any, edit func(header, c map[string]any)) string {
	t.Helper()
	now := f.now().Unix()
	c := jwt.MapClaims{
		"iss": "skiff", "aud": "skiff", "sub": rec.User, "jti": rec.ID, "iat": now, "nbf": now, "exp": now + 3600,
		"role": rec.Role, "teams": rec.Teams,
	}
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"] = f.key.id
	if edit != nil {
		edit(token.Header, c)
	}
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestForgedAndStaleTokensAreRefused(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleDeveloper)
	rec, good := f.token(t, "ada")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	hs := func(edit func(header, c map[string]any)) string {
		return f.forge(t, rec, jwt.SigningMethodHS256, f.key.secret, edit)
	}
	set := func(name string, value any) string {
		return hs(func(_, c map[string]any) { c[name] = value })
	}
	now := f.now().Unix()
	for name, bearer := range map[string]string{
		"nothing":                   "",
		"no token":                  "abc",
		"too long":                  good + strings.Repeat("A", maxBearer),
		"alg none":                  f.forge(t, rec, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"no signature":              good[:strings.LastIndex(good, ".")+1],
		"other secret":              f.forge(t, rec, jwt.SigningMethodHS256, []byte("another secret of thirty-two byt"), nil),
		"public key used as secret": f.forge(t, rec, jwt.SigningMethodHS256, public, nil),
		"RS256 with our kid":        f.forge(t, rec, jwt.SigningMethodRS256, rsaKey, nil),
		"HS384 with our key":        f.forge(t, rec, jwt.SigningMethodHS384, f.key.secret, nil),
		"unknown kid":               hs(func(h, _ map[string]any) { h["kid"] = "skiff-0" }),
		"no kid":                    hs(func(h, _ map[string]any) { delete(h, "kid") }),
		"kid of another type":       hs(func(h, _ map[string]any) { h["kid"] = 7 }),
		"wrong issuer":              set("iss", "else"),
		"wrong audience":            set("aud", "else"),
		"no audience":               hs(func(_, c map[string]any) { delete(c, "aud") }),
		"expired by its exp":        set("exp", now-60),
		"not valid yet":             set("nbf", now+120),
		"unknown jti":               set("jti", "none"),
		"no jti":                    hs(func(_, c map[string]any) { delete(c, "jti") }),
		"another user's jti":        set("sub", "bob"),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := f.Authenticate(t.Context(), bearer)
			wantClass(t, err, fault.Unauthenticated)
			if p != nil || !fault.HasReason(err, fault.ReasonUnknownToken) {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
	if _, err := f.Authenticate(t.Context(), hs(nil)); err != nil {
		t.Errorf("the unedited forgery is refused, so the cases prove nothing: %v", err)
	}
}

func TestClaimsDoNotRaiseARecord(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer, "red")
	rec, _ := f.token(t, "ada")
	p, err := f.Authenticate(t.Context(), f.forge(t, rec, jwt.SigningMethodHS256, f.key.secret, func(_, c map[string]any) {
		c["role"], c["teams"] = "Admin", []string{"red", "blue"}
	}))
	if err != nil || p.Role != function.RoleViewer || p.Sees("blue") || !p.Sees("red") {
		t.Fatalf("got %+v, %v", p, err)
	}
}

func TestCachedTokenEndsAtOnce(t *testing.T) {
	admin, viewer := function.RoleAdmin, function.RoleViewer
	for name, end := range map[string]func(*testing.T, *fixture, *Token) error{
		"revoked": func(t *testing.T, f *fixture, tok *Token) error {
			return f.RevokeToken(t.Context(), &Principal{User: "ada"}, tok.ID)
		},
		"user deleted": func(t *testing.T, f *fixture, _ *Token) error { return f.DeleteUser(t.Context(), "ada") },
		"expired":      func(_ *testing.T, f *fixture, _ *Token) error { f.clock.advance(time.Hour); return nil },
		"user deleted and made again": func(t *testing.T, f *fixture, _ *Token) error {
			err := f.DeleteUser(t.Context(), "ada")
			f.add(t, "ada", admin)
			return err
		},
		"revoked by an Admin": func(t *testing.T, f *fixture, tok *Token) error {
			return f.RevokeToken(t.Context(), &Principal{User: "root", Role: admin}, tok.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.add(t, "root", admin)
			f.add(t, "ada", viewer)
			tok, bearer := f.token(t, "ada")
			for range 2 {
				if _, err := f.Authenticate(t.Context(), bearer); err != nil {
					t.Fatal(err)
				}
			}
			if err := end(t, f, tok); err != nil {
				t.Fatal(err)
			}
			_, err := f.Authenticate(t.Context(), bearer)
			wantClass(t, err, fault.Unauthenticated)
			if f.cache.load(bearer) != nil {
				t.Error("the refused token is still in the cache")
			}
		})
	}
}

func TestCachedTokenLosesWhatItsUserLoses(t *testing.T) {
	for _, tc := range []struct {
		name       string
		role, then function.Role
		teams      []string
		want       function.Role
		sees       []string
	}{
		{"demoted to Viewer", function.RoleDeveloper, function.RoleViewer, nil, function.RoleViewer, []string{"blue", "red"}},
		{"Developer becomes Operator", function.RoleDeveloper, function.RoleOperator, nil, function.RoleViewer, []string{"blue", "red"}},
		{"Admin becomes Operator", function.RoleAdmin, function.RoleOperator, []string{"red"}, function.RoleOperator, []string{"red"}},
		{"promoted gains nothing", function.RoleOperator, function.RoleAdmin, nil, function.RoleOperator, []string{"blue", "red"}},
		{"lost a team", function.RoleDeveloper, function.RoleDeveloper, []string{"blue"}, function.RoleDeveloper, []string{"blue"}},
		{"gained a team", function.RoleDeveloper, function.RoleDeveloper, []string{"blue", "green", "red"}, function.RoleDeveloper, []string{"blue", "red"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			f.add(t, "root", function.RoleAdmin)
			f.add(t, "ada", tc.role, "red", "blue")
			_, bearer := f.token(t, "ada")
			if _, err := f.Authenticate(t.Context(), bearer); err != nil {
				t.Fatal(err)
			}
			if _, err := f.UpdateUser(t.Context(), "ada", UserChange{Role: &tc.then, Teams: tc.teams}); err != nil {
				t.Fatal(err)
			}
			p, err := f.Authenticate(t.Context(), bearer)
			if err != nil || p.Role != tc.want || !slices.Equal(p.Teams, tc.sees) {
				t.Fatalf("got %+v, %v; want %s of %v", p, err, tc.want, tc.sees)
			}
		})
	}
}

func TestCacheDoesNotKeepTheCallersBuffer(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer)
	_, bearer := f.token(t, "ada")
	buffer := []byte(bearer)
	if _, err := f.Authenticate(t.Context(), unsafe.String(&buffer[0], len(buffer))); err != nil {
		t.Fatal(err)
	}
	clear(buffer) // as fasthttp does with the next request
	if f.cache.load(bearer) == nil {
		t.Fatal("the cache kept the buffer instead of the token")
	}
}

func TestCachedTokenCostsNoAllocation(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer)
	_, bearer := f.token(t, "ada")
	ctx := t.Context()
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := f.Authenticate(ctx, bearer); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("a cached token costs %v allocations", allocs)
	}
}

func TestAuthenticateNeverAcceptsAfterRevokeReturned(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleDeveloper)
	for range 30 {
		rec, bearer := f.token(t, "ada")
		revoked := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for done := false; !done; {
					select {
					case <-revoked:
						done = true
					default:
					}
					if _, err := f.Authenticate(t.Context(), bearer); done && err == nil {
						t.Error("accepted after it was revoked")
					}
				}
			})
		}
		if err := f.RevokeToken(t.Context(), &Principal{User: "ada"}, rec.ID); err != nil {
			t.Error(err)
		}
		close(revoked)
		wg.Wait()
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	c.init()
	now := newClock().now()
	for i := range 2 * cacheShards * shardEntries {
		c.store(strings.Repeat("x", i%97)+string(rune('a'+i%26))+time.Duration(i).String(), &verdict{until: math.MaxInt64}, now)
	}
	total := 0
	for i := range c.shards {
		n := len(*c.shards[i].entries.Load())
		if n > shardEntries {
			t.Errorf("shard %d holds %d entries", i, n)
		}
		total += n
	}
	if total < cacheShards*shardEntries/2 {
		t.Errorf("only %d entries are left", total)
	}
}

func TestCacheDropsVoidEntriesFirst(t *testing.T) {
	now := newClock().now()
	entries := map[string]*verdict{
		"old epoch": {epoch: 1, until: math.MaxInt64},
		"expired":   {epoch: 2, until: now.UnixNano()},
		"good":      {epoch: 2, until: now.UnixNano() + 1},
	}
	makeRoom(entries, 2, now)
	if len(entries) != 1 || entries["good"] == nil {
		t.Fatalf("left %v", entries)
	}
}

func BenchmarkAuthenticateCached(b *testing.B) {
	f := newFixture(b, func(o *Options) { o.Now = nil })
	f.add(b, "ada", function.RoleDeveloper)
	_, bearer := f.token(b, "ada")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Authenticate(b.Context(), bearer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthenticateFirstTime(b *testing.B) {
	f := newFixture(b, func(o *Options) { o.Now = nil })
	f.add(b, "ada", function.RoleDeveloper)
	_, bearer := f.token(b, "ada")
	b.ReportAllocs()
	for b.Loop() {
		f.cache.drop(bearer)
		if _, err := f.Authenticate(b.Context(), bearer); err != nil {
			b.Fatal(err)
		}
	}
}
