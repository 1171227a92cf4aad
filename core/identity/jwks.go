package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/skiffhq/skiff/core/fault"
)

const (
	lastGoodName = "jwks-last-good.json" // beside the signing key
	refreshEvery = 5 * time.Minute
	// refreshPause is the least time between two fetches, however many
	// tokens with unknown keys come in.
	refreshPause = 10 * time.Second
	fetchTimeout = 10 * time.Second
	maxJWKS      = 1 << 20 // bytes
	minRSABits   = 2048    // RFC 7518 §3.3
)

// keySet holds an external issuer's public keys, from a file or a URL. The last
// good set stays in use, in memory and on disk, while the source is away or
// broken: an appliance must not lose its users with its uplink.
type keySet struct {
	source   string
	lastGood string // path of the copy on disk
	log      *slog.Logger
	changed  func() // called after the keys have changed
	client   *http.Client

	keys   atomic.Pointer[keyfunc.Keyfunc] // nil before the first good set
	raw    []byte                          // what keys were made from; belongs to open, then to follow
	wanted chan struct{}                   // asks follow for a fetch
}

func newKeySet(source, lastGood string, log *slog.Logger, changed func()) *keySet {
	return &keySet{
		source: source, lastGood: lastGood, log: log, changed: changed,
		// No connection is kept: fetches are minutes apart.
		client: &http.Client{Timeout: fetchTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}},
		wanted: make(chan struct{}, 1),
	}
}

// keyFor returns the public key that the token names. An unknown one asks for a
// fetch in the background: requests never wait for an issuer.
func (k *keySet) keyFor(t *jwt.Token) (any, error) {
	switch t.Method {
	case jwt.SigningMethodRS256, jwt.SigningMethodES256, jwt.SigningMethodEdDSA:
	default:
		return nil, errWrongAlg
	}
	if kid, _ := t.Header["kid"].(string); kid == "" {
		return nil, errUnknownKey
	}
	if keys := k.keys.Load(); keys != nil {
		key, err := (*keys).Keyfunc(t)
		if !errors.Is(err, jwkset.ErrKeyNotFound) {
			return key, err
		}
	}
	select {
	case k.wanted <- struct{}{}:
	default: // asked for already
	}
	return nil, errUnknownKey
}

// open takes the keys from the source, or from the last good copy where the
// source does not give any. Fault: Invalid for a source that may not be used.
func (k *keySet) open(ctx context.Context) error {
	if err := checkSource(k.source); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout/4) // a start must not hang on an uplink
	defer cancel()
	err := k.refresh(ctx)
	if err == nil {
		return nil
	}
	if errCopy := k.loadLastGood(); errCopy != nil {
		k.log.Error("no keys of the external issuer: its tokens are refused until the source answers", "source", k.source, "error", errors.Join(err, errCopy))
		return nil
	}
	k.log.Warn("the external issuer's keys come from the last good copy", "source", k.source, "error", err)
	return nil
}

// checkSource refuses plain HTTP to another host: whoever sits between could
// make himself Admin.
func checkSource(source string) error {
	if !isURL(source) {
		return nil
	}
	u, err := url.Parse(source)
	if err == nil && (u.Scheme == "https" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()) {
		return nil
	}
	return fault.Wrap(err, fault.Invalid, "jwks_source", "use the key set %s: it must be a file or an https URL", source).
		WithRemedy("use https, or fetch the key set into a file")
}

func isURL(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")
}

// follow fetches the keys now and then, and soon after an unknown one was seen.
func (k *keySet) follow(ctx context.Context) {
	for {
		if !k.pause(ctx) {
			return
		}
		if err := k.refresh(ctx); err != nil && ctx.Err() == nil {
			k.log.Warn("the external issuer's keys could not be renewed; the last good ones stay", "source", k.source, "error", err)
		}
	}
}

// pause returns when the next fetch is due, false when ctx has ended.
func (k *keySet) pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(refreshPause):
	}
	select {
	case <-ctx.Done():
		return false
	case <-k.wanted:
	case <-time.After(refreshEvery - refreshPause):
	}
	return true
}

func (k *keySet) use(raw []byte) error {
	keys, err := k.parse(raw)
	if err != nil {
		return err
	}
	k.raw = raw
	k.keys.Store(&keys)
	k.changed()
	return nil
}

// parse skips keys that cannot be used: issuers publish encryption keys and
// kinds of tomorrow in the same set. A set without any key withdraws all.
func (k *keySet) parse(raw []byte) (keyfunc.Keyfunc, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, fmt.Errorf("parse key set: %w", err)
	}
	if set.Keys == nil {
		return nil, errors.New(`parse key set: there is no "keys"`)
	}
	storage := jwkset.NewMemoryStorage()
	for i, one := range set.Keys {
		jwk, err := jwkset.NewJWKFromRawJSON(one, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err == nil {
			err = checkKey(jwk)
		}
		if err != nil {
			k.log.Info("a key of the external issuer is not used", "source", k.source, "index", i, "error", err)
			continue
		}
		if err := storage.KeyWrite(context.Background(), jwk); err != nil { // in memory, does not block
			return nil, err
		}
	}
	return keyfunc.New(keyfunc.Options{Storage: storage})
}

func checkKey(jwk jwkset.JWK) error {
	if jwk.Marshal().KID == "" {
		return errors.New("it has no kid")
	}
	if use := jwk.Marshal().USE; use != "" && use != jwkset.UseSig {
		return fmt.Errorf("its use is %q", use)
	}
	switch key := jwk.Key().(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			return fmt.Errorf("RSA with %d bits is too weak", key.N.BitLen())
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return fmt.Errorf("a %T is no public key for signatures", key)
	}
	return nil
}
