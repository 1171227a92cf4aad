package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func TestLoginGivesATokenOfTheUser(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleOperator, "red")
	got, err := f.Login(t.Context(), "ada", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	if !got.ExpiresAt.Equal(f.now().Add(DefaultTokenTTL)) || got.User.Name != "ada" || got.User.PasswordHash != "" {
		t.Errorf("got %+v", got)
	}
	p, err := f.Authenticate(t.Context(), got.Token)
	if err != nil || p.TokenID != got.TokenID || p.Role != function.RoleOperator || !slices.Equal(p.Teams, []string{"red"}) {
		t.Errorf("the token stands for %+v, %v", p, err)
	}
}

func TestLoginDoesNotTellWhichPartIsWrong(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer)
	if _, err := f.EnsureDevAdmin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string][2]string{
		"wrong password": {"ada", "wrong password"},
		"no password":    {"ada", ""},
		"unknown user":   {"eve", testPassword},
		"passwordless":   {devUser, testPassword},
		"passwordless 2": {devUser, ""},
		"malformed name": {"ADA", testPassword},
		"huge password":  {"ada", strings.Repeat("x", 4*maxPassword+1)},
	} {
		_, err := f.Login(t.Context(), tc[0], tc[1])
		if !errors.Is(err, errBadLogin) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFailedLoginsOfAUserAreSlowed(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer)
	for range freeTriesPerUser {
		if wait := f.byUser.begin("ada", f.now()); wait != 0 {
			t.Fatalf("a free try waits %v", wait)
		}
	}
	_, err := f.Login(t.Context(), "ada", "wrong password")
	wantClass(t, err, fault.Unauthenticated)
	_, err = f.Login(t.Context(), "ada", testPassword)
	wantClass(t, err, fault.Throttled)
	if got := fault.Of(err).RetryAfter; got != time.Second {
		t.Errorf("RetryAfter %v", got)
	}
	if _, err := f.checkLogin(t.Context(), "eve", testPassword); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("another user waits too: %v", err)
	}
	f.clock.advance(time.Second)
	if _, err := f.Login(t.Context(), "ada", testPassword); err != nil {
		t.Fatalf("after the wait: %v", err)
	}
	if f.byUser.seen["ada"] != nil {
		t.Error("the login did not clear the failures")
	}
}

func TestFailuresOfARemoteAreSlowedAcrossUsers(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer)
	ctx := WithRemote(t.Context(), "192.0.2.7:1234")
	for i := range freeTriesPerHost + 1 {
		if err := f.beginLogin(fmt.Sprintf("user%d", i), remoteOf(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := f.Login(ctx, "ada", testPassword)
	wantClass(t, err, fault.Throttled)
	if f.byUser.seen["ada"] != nil {
		t.Error("a try that was not made counts against the user")
	}
	if _, err := f.Login(WithRemote(t.Context(), "192.0.2.8:1234"), "ada", testPassword); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	f.clock.advance(time.Second)
	before := f.byHost.seen["192.0.2.7"].count
	if _, err := f.Login(ctx, "ada", testPassword); err != nil {
		t.Fatal(err)
	}
	if got := f.byHost.seen["192.0.2.7"].count; got != before {
		t.Errorf("a good login changed the remote's failures from %d to %d", before, got)
	}
}

func TestRemotesAreCountedByNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"": "", "192.0.2.7:99": "192.0.2.7", "192.0.2.7": "192.0.2.7", "[::ffff:192.0.2.7]:99": "192.0.2.7",
		"[2001:db8::1]:99": "2001:db8::/64", "2001:db8::ffff:1": "2001:db8::/64", "[fe80::1%eth0]:9": "fe80::/64", "@": "@",
	} {
		if got := remoteOf(WithRemote(t.Context(), addr)); got != want {
			t.Errorf("%q counts as %q, want %q", addr, got, want)
		}
	}
}

func TestSlowdownDoublesUpToItsLimitAndForgets(t *testing.T) {
	s := newSlowdown(1, 5*time.Second)
	now := newClock().now()
	for i, want := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if wait := s.begin("k", now); wait != 0 {
			t.Fatalf("try %d: waits %v after the wait", i, wait)
		}
		if want == 0 {
			continue // asking again would count
		}
		if wait := s.begin("k", now); wait != want {
			t.Errorf("after failure %d: wait %v, want %v", i+1, wait, want)
		}
		now = now.Add(want)
	}
	if s.seen["k"].count != 6 {
		t.Fatalf("counted %d", s.seen["k"].count)
	}
	if s.begin("k", now.Add(forgetAfter)); s.seen["k"].count != 1 {
		t.Errorf("not forgotten: %d", s.seen["k"].count)
	}
}

func TestSlowdownDoesNotLockOutWhenTheClockStepsBack(t *testing.T) {
	s := newSlowdown(0, time.Minute)
	now := newClock().now()
	s.begin("k", now)
	if wait := s.begin("k", now.Add(-24*time.Hour)); wait > time.Minute {
		t.Errorf("wait %v", wait)
	}
}

func TestSlowdownIsBoundedAndKeepsTheWorst(t *testing.T) {
	s := newSlowdown(5, time.Minute)
	now := newClock().now()
	for range 3 {
		s.begin("target", now)
	}
	for i := range 2 * maxTracked {
		s.begin(fmt.Sprint("invented", i), now)
	}
	if len(s.seen) > maxTracked || s.seen["target"] == nil {
		t.Errorf("%d keys, target %v", len(s.seen), s.seen["target"])
	}
}

func TestManyTriesAtOnceGainNothing(t *testing.T) {
	s := newSlowdown(5, time.Minute)
	now := newClock().now()
	var mu sync.Mutex
	let := 0
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if s.begin("k", now) == 0 {
				mu.Lock()
				defer mu.Unlock()
				let++
			}
		})
	}
	wg.Wait()
	if let != 6 {
		t.Errorf("%d tries were let through, want 5 free ones and the one that starts the wait", let)
	}
}

func TestHashingIsBounded(t *testing.T) {
	h := newHasher(1)
	if err := h.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.hash(ctx, testPassword); !fault.Is(err, fault.Canceled) {
		t.Errorf("with every slot taken: %v", err)
	}
	h.waiting.Store(maxWaiting)
	_, err := h.verify(t.Context(), "", testPassword)
	wantClass(t, err, fault.Throttled)
	h.waiting.Store(0)
	h.leave()
	if _, err := h.verify(t.Context(), "", testPassword); err != nil {
		t.Errorf("with a free slot: %v", err)
	}
}

func TestLoginWithoutAVerdictCountsAsNoFailure(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(WithRemote(t.Context(), "192.0.2.7:1"))
	cancel()
	for range cap(f.hasher.slots) {
		f.hasher.slots <- struct{}{}
	}
	_, err := f.Login(ctx, "ada", testPassword)
	wantClass(t, err, fault.Canceled)
	if len(f.byUser.seen)+len(f.byHost.seen) != 0 {
		t.Errorf("counted: %v %v", f.byUser.seen, f.byHost.seen)
	}
}

func TestDamagedHashesAreRefused(t *testing.T) {
	good := testHash()
	if c, err := decodePHC(good); err != nil || c.memory != argonMemory || c.time != argonTime || len(c.hash) != hashBytes {
		t.Fatalf("%+v, %v", c, err)
	}
	for name, s := range map[string]string{
		"empty":            "",
		"other algorithm":  strings.Replace(good, "argon2id", "argon2i", 1),
		"other version":    strings.Replace(good, "v=19", "v=16", 1),
		"too much memory":  strings.Replace(good, "m=19456", "m=4000000", 1),
		"no passes":        strings.Replace(good, "t=2", "t=0", 1),
		"too many threads": strings.Replace(good, "p=1", "p=17", 1),
		"no numbers":       strings.Replace(good, "m=19456", "m=x", 1),
		"bad base64":       good + "!",
		"cut":              good[:strings.LastIndex(good, "$")],
		"no hash":          good[:strings.LastIndex(good, "$")+1],
	} {
		if _, err := decodePHC(s); !errors.Is(err, errBadHash) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownUserCostsTheSameWork(t *testing.T) {
	decoy, err := decodePHC(newHasher(1).decoy)
	if err != nil {
		t.Fatal(err)
	}
	real, err := decodePHC(testHash())
	if err != nil {
		t.Fatal(err)
	}
	if decoy.memory != real.memory || decoy.time != real.time || decoy.threads != real.threads || len(decoy.hash) != len(real.hash) || len(decoy.salt) != len(real.salt) {
		t.Errorf("the decoy costs %+v, a user %+v", decoy, real)
	}
}
