package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// externalKey is a key of an external issuer.
type externalKey struct {
	kid    string
	method jwt.SigningMethod
	signer crypto.Signer
	use    jwkset.USE
}

func ecKey(t testing.TB, kid string) externalKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return externalKey{kid: kid, method: jwt.SigningMethodES256, signer: key}
}

func rsaKey(t testing.TB, kid string, bits int) externalKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return externalKey{kid: kid, method: jwt.SigningMethodRS256, signer: key}
}

func edKey(t testing.TB, kid string) externalKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return externalKey{kid: kid, method: jwt.SigningMethodEdDSA, signer: key}
}

func (k externalKey) public(t testing.TB) json.RawMessage {
	t.Helper()
	jwk, err := jwkset.NewJWKFromKey(k.signer.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: k.kid, USE: k.use}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(jwk.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// publish returns a key set of the keys and of raw ones.
func publish(t testing.TB, keys []externalKey, raw ...string) []byte {
	t.Helper()
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.public(t))
	}
	for _, r := range raw {
		set.Keys = append(set.Keys, json.RawMessage(r))
	}
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sign makes an external token, good but for what edit changes.
func (k externalKey) sign(t testing.TB, now time.Time, edit func(c jwt.MapClaims)) string {
	t.Helper()
	c := jwt.MapClaims{"iss": "skiff", "aud": []string{"other", "skiff"}, "sub": "ada", "exp": now.Add(time.Hour).Unix(), "role": "Developer", "teams": []string{"red"}}
	if edit != nil {
		edit(c)
	}
	token := jwt.NewWithClaims(k.method, c)
	token.Header["kid"] = k.kid
	signed, err := token.SignedString(k.signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func keyFile(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func withJWKS(source string) func(*Options) { return func(o *Options) { o.JWKS = source } }

func TestExternalTokensOfEveryAlgorithm(t *testing.T) {
	keys := []externalKey{rsaKey(t, "r", 2048), ecKey(t, "e"), edKey(t, "d")}
	f := newFixture(t, withJWKS(keyFile(t, publish(t, keys, `{"kty":"tomorrow","kid":"x"}`))))
	for _, k := range keys {
		p, err := f.Authenticate(t.Context(), k.sign(t, f.now(), nil))
		if err != nil || p.User != "external:ada" || !p.External() || p.Role != function.RoleDeveloper || !p.Sees("red") || p.Sees("blue") {
			t.Errorf("%s: %+v, %v", k.method.Alg(), p, err)
		}
	}
}

func TestForgedExternalTokensAreRefused(t *testing.T) {
	good := rsaKey(t, "good", 2048)
	weak, enc := rsaKey(t, "weak", 1024), ecKey(t, "enc")
	enc.use = jwkset.UseEnc
	secret := []byte("a secret that the issuer published")
	oct := `{"kty":"oct","kid":"oct","k":"` + phcBase64.EncodeToString(secret) + `"}`
	f := newFixture(t, withJWKS(keyFile(t, publish(t, []externalKey{good, weak, enc}, oct))))
	set := func(name string, value any) string {
		return good.sign(t, f.now(), func(c jwt.MapClaims) { c[name] = value })
	}
	without := func(name string) string {
		return good.sign(t, f.now(), func(c jwt.MapClaims) { delete(c, name) })
	}
	der, err := x509.MarshalPKIXPublicKey(good.signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	raw := func(method jwt.SigningMethod, kid string, key any) string {
		token := jwt.NewWithClaims(method, jwt.MapClaims{"iss": "skiff", "aud": "skiff", "sub": "ada", "exp": f.now().Add(time.Hour).Unix(), "role": "Admin"})
		token.Header["kid"] = kid
		signed, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	other, ec := rsaKey(t, "good", 2048), ecKey(t, "good")
	now := f.now().Unix()
	for name, bearer := range map[string]string{
		"HS256 with the RSA public key": raw(jwt.SigningMethodHS256, "good", der),
		"HS256 with a published secret": raw(jwt.SigningMethodHS256, "oct", secret),
		"alg none":                      raw(jwt.SigningMethodNone, "good", jwt.UnsafeAllowNoneSignatureType),
		"another key of that kid":       other.sign(t, f.now(), nil),
		"another kind of that kid":      ec.sign(t, f.now(), nil),
		"RS384":                         raw(jwt.SigningMethodRS384, "good", good.signer),
		"our kid":                       raw(jwt.SigningMethodRS256, f.key.id, good.signer),
		"no kid":                        raw(jwt.SigningMethodRS256, "", good.signer),
		"weak key":                      weak.sign(t, f.now(), nil),
		"encryption key":                enc.sign(t, f.now(), nil),
		"wrong issuer":                  set("iss", "else"),
		"wrong audience":                set("aud", []string{"else"}),
		"expired":                       set("exp", now-60),
		"never expires":                 without("exp"),
		"not valid yet":                 set("nbf", now+60),
		"no subject":                    without("sub"),
		"long subject":                  set("sub", strings.Repeat("s", 257)),
		"no role":                       without("role"),
		"unknown role":                  set("role", "admin"),
		"role of another type":          set("role", []string{"Admin"}),
		"too many teams":                set("teams", make([]string, maxTeams+1)),
	} {
		if p, err := f.Authenticate(t.Context(), bearer); !fault.Is(err, fault.Unauthenticated) || p != nil {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestExternalTokenIsCachedUntilItExpires(t *testing.T) {
	k := ecKey(t, "k")
	f := newFixture(t, withJWKS(keyFile(t, publish(t, []externalKey{k}))))
	bearer := k.sign(t, f.now(), nil)
	if _, err := f.Authenticate(t.Context(), bearer); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(time.Hour + leeway)
	_, err := f.Authenticate(t.Context(), bearer)
	wantClass(t, err, fault.Unauthenticated)
}

func TestKeysRotateByURL(t *testing.T) {
	first, second := ecKey(t, "first"), ecKey(t, "second")
	var set atomic.Value
	set.Store(publish(t, []externalKey{first}))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(set.Load().([]byte)) }))
	defer srv.Close()
	f := newFixture(t, withJWKS(srv.URL))
	stop(t, f.Service) // the test fetches by hand
	old, fresh := first.sign(t, f.now(), nil), second.sign(t, f.now(), nil)
	if _, err := f.Authenticate(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	_, err := f.Authenticate(t.Context(), fresh)
	wantClass(t, err, fault.Unauthenticated)
	if len(f.jwks.wanted) != 1 {
		t.Error("an unknown key asked for no fetch")
	}
	set.Store(publish(t, []externalKey{second}))
	if err := f.jwks.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), fresh); err != nil {
		t.Errorf("new key: %v", err)
	}
	_, err = f.Authenticate(t.Context(), old)
	wantClass(t, err, fault.Unauthenticated)
}

func TestKeysRotateByFileInTheBackground(t *testing.T) {
	first, second, third := ecKey(t, "first"), ecKey(t, "second"), ecKey(t, "third")
	path := keyFile(t, publish(t, []externalKey{first}))
	replace := func(k externalKey) {
		if err := os.WriteFile(path, publish(t, []externalKey{k}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, withJWKS(path), func(o *Options) { o.Now = time.Now })
		replace(second)
		time.Sleep(refreshEvery + time.Second)
		synctest.Wait()
		if _, err := f.Authenticate(t.Context(), second.sign(t, time.Now(), nil)); err != nil {
			t.Errorf("after the interval: %v", err)
		}
		replace(third)
		bearer := third.sign(t, time.Now(), nil)
		_, err := f.Authenticate(t.Context(), bearer)
		wantClass(t, err, fault.Unauthenticated)
		time.Sleep(refreshPause + time.Second)
		synctest.Wait()
		if _, err := f.Authenticate(t.Context(), bearer); err != nil {
			t.Errorf("soon after an unknown key: %v", err)
		}
	})
}

func TestLastGoodKeysStayWhileTheIssuerIsAway(t *testing.T) {
	k := ecKey(t, "k")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(publish(t, []externalKey{k})) }))
	f := newFixture(t, withJWKS(srv.URL))
	srv.Close()
	if err := f.jwks.refresh(t.Context()); err == nil {
		t.Fatal("a closed server answered")
	}
	bearer := k.sign(t, f.now(), nil)
	if _, err := f.Authenticate(t.Context(), bearer); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	again := New(f.opts)
	if err := again.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, again)
	if _, err := again.Authenticate(t.Context(), bearer); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	opts := f.opts
	opts.JWKS = srv.URL + "/of-another-issuer"
	moved := New(opts)
	if err := moved.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, moved)
	_, err := moved.Authenticate(t.Context(), bearer)
	wantClass(t, err, fault.Unauthenticated)
}

func TestBrokenKeySetsAreNotTaken(t *testing.T) {
	k := ecKey(t, "k")
	path := keyFile(t, publish(t, []externalKey{k}))
	f := newFixture(t, withJWKS(path))
	stop(t, f.Service)
	bearer := k.sign(t, f.now(), nil)
	for name, data := range map[string]string{
		"empty": "", "no JSON": "<html>", "no keys": "{}", "keys of another type": `{"keys":{}}`,
		"too large": `{"keys":[]}` + strings.Repeat(" ", maxJWKS),
	} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.jwks.refresh(context.Background()); err == nil {
			t.Errorf("%s: taken", name)
		}
		if _, err := f.Authenticate(t.Context(), bearer); err != nil {
			t.Errorf("%s: the good keys are gone: %v", name, err)
		}
	}
	if err := os.WriteFile(path, []byte(`{"keys":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.jwks.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := f.Authenticate(t.Context(), bearer)
	wantClass(t, err, fault.Unauthenticated)
}

func TestErrorPagesAreNoKeySets(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		w.Write([]byte(`{"keys":[]}`))
	}))
	defer srv.Close()
	f := newFixture(t, withJWKS(srv.URL))
	if f.jwks.keys.Load() != nil {
		t.Error("the body of a 502 was taken for keys")
	}
}

func TestKeysOverPlainHTTPComeFromThisHostOnly(t *testing.T) {
	for source, ok := range map[string]bool{
		"/etc/keys.json": true, "keys.json": true, "https://id.example/keys": true,
		"http://localhost:1/keys": true, "http://127.0.0.1:1/keys": true, "http://[::1]:1/keys": true,
		"http://id.example/keys": false, "http://192.0.2.1/keys": false, "http://localhost.example/": false, "http://%zz": false,
	} {
		err := checkSource(source)
		if (err == nil) != ok || err != nil && fault.Of(err).Class != fault.Invalid {
			t.Errorf("%s: %v", source, err)
		}
	}
	s := New(Options{Store: newFakeStore(), KeyFile: filepath.Join(t.TempDir(), "key"), JWKS: "http://id.example/keys"})
	wantClass(t, s.Start(t.Context()), fault.Invalid)
}
