package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/skiffhq/skiff/core/fault"
)

// Cost of a password: the first choice of the OWASP Password Storage Cheat
// Sheet for Argon2id (m = 19 MiB, t = 2, p = 1), about 30 ms on a small host.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	saltBytes    = 16
	hashBytes    = 32
)

const (
	maxHashes  = 2  // at once, so at most 38 MiB
	maxWaiting = 16 // behind them; at 30 ms each nobody waits longer than a second

	minPassword, maxPassword = 12, 128 // characters
)

// hasher bounds how many passwords are hashed at once: each costs memory that
// a small host needs for functions.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int32
	// decoy is compared against where a user does not exist or has no
	// password, so that the answer takes as long as for one who does.
	decoy string
}

func newHasher(slots int) *hasher {
	junk := make([]byte, saltBytes+hashBytes)
	rand.Read(junk)
	return &hasher{slots: make(chan struct{}, slots), decoy: encodePHC(junk[:saltBytes], junk[saltBytes:])}
}

// enter waits for a slot; the caller must call leave. Faults: Throttled where
// too many wait already.
func (h *hasher) enter(ctx context.Context) error {
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		return fault.New(fault.Throttled, fault.ReasonRateLimit, "check password: too many at once").WithRetryAfter(time.Second)
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hasher) leave() { <-h.slots }

// hash returns the PHC string of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	return encodePHC(salt, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, hashBytes)), nil
}

// verify reports whether the password is the one behind the PHC string. An
// empty string matches no password, at the same cost as any other.
func (h *hasher) verify(ctx context.Context, phc, password string) (bool, error) {
	usable := phc != ""
	if !usable {
		phc = h.decoy
	}
	c, err := decodePHC(phc)
	if err != nil {
		return false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	sum := argon2.IDKey([]byte(password), c.salt, c.time, c.memory, c.threads, uint32(len(c.hash)))
	return subtle.ConstantTimeCompare(sum, c.hash) == 1 && usable, nil
}

// phc is a decoded PHC string.
type phc struct {
	memory, time uint32 // KiB, passes
	threads      uint8
	salt, hash   []byte
}

var phcBase64 = base64.RawStdEncoding.Strict()

func encodePHC(salt, hash []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		phcBase64.EncodeToString(salt), phcBase64.EncodeToString(hash))
}

// decodePHC refuses costs that would harm the host: the record may be damaged.
func decodePHC(s string) (phc, error) {
	var c phc
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, errBadHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); err != nil {
		return c, errBadHash
	}
	var errSalt, errHash error
	c.salt, errSalt = phcBase64.DecodeString(parts[4])
	c.hash, errHash = phcBase64.DecodeString(parts[5])
	if errSalt != nil || errHash != nil || !c.sane() {
		return c, errBadHash
	}
	return c, nil
}

func (c *phc) sane() bool {
	return c.memory >= 8 && c.memory <= 256*1024 && c.time >= 1 && c.time <= 16 && c.threads >= 1 && c.threads <= 16 &&
		len(c.salt) >= 8 && len(c.salt) <= 64 && len(c.hash) >= 16 && len(c.hash) <= 64
}

var errBadHash = fault.New(fault.Internal, "password_hash", "check password: the stored hash is damaged").
	WithRemedy("give the user a new password: skiff admin reset-password")

// checkPassword notes what is wrong with a new password. Length is all that is
// asked for: rules of composition make passwords worse (NIST SP 800-63B §5.1.1.2).
func checkPassword(c *fault.Collector, field, password string) {
	if !utf8.ValidString(password) {
		c.Add(field, "must be valid UTF-8")
		return
	}
	n := utf8.RuneCountInString(password)
	c.Check(n >= minPassword && n <= maxPassword, field, "must have %d to %d characters", minPassword, maxPassword)
}
