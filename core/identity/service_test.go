package identity

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func TestSigningKeyIsMadeOnceForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token.key")
	first, err := loadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != keyBytes {
		t.Errorf("key file %v, %v", info, err)
	}
	second, err := loadKey(path)
	if err != nil || second.id != first.id || !bytes.Equal(second.secret, first.secret) {
		t.Errorf("the second load gives another key: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
	other, err := loadKey(path + "2")
	if err != nil || other.id == first.id {
		t.Errorf("two keys share the id %q, %v", other.id, err)
	}
}

func TestUnusableKeyFilesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		size int
		mode os.FileMode
	}{"short": {31, 0o600}, "long": {33, 0o600}, "empty": {0, 0o600}, "readable by the group": {32, 0o640}, "readable by all": {32, 0o604}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, make([]byte, tc.size), tc.mode); err != nil {
				t.Fatal(err)
			}
			s := New(Options{Store: newFakeStore(), KeyFile: path})
			err := s.Start(t.Context())
			wantClass(t, err, fault.Invalid)
			if fault.Of(err).Remedy == "" {
				t.Error("no remedy")
			}
			stop(t, s)
		})
	}
	s := New(Options{Store: newFakeStore(), KeyFile: filepath.Join(t.TempDir(), "no", "such", "key")})
	wantClass(t, s.Start(t.Context()), fault.Internal)
}

func TestStopMayBeCalledTwice(t *testing.T) {
	f := newFixture(t)
	stop(t, f.Service)
	stop(t, f.Service)
}

func TestFirstAdminIsMadeOnce(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	wantClass(t, f.InitAdmin(ctx, "root", "short"), fault.Invalid)
	if err := f.InitAdmin(ctx, "root", testPassword); err != nil {
		t.Fatal(err)
	}
	err := f.InitAdmin(ctx, "other", testPassword)
	wantClass(t, err, fault.Conflict)
	if !bytes.Contains([]byte(fault.Of(err).Remedy), []byte("skiff admin reset-password")) {
		t.Errorf("remedy %q", fault.Of(err).Remedy)
	}
	if got, err := f.Login(ctx, "root", testPassword); err != nil || got.User.Role != function.RoleAdmin {
		t.Errorf("login: %+v, %v", got, err)
	}
}

func TestResetPasswordEndsLoginsAndTheWait(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.add(t, "root", function.RoleAdmin)
	old, err := f.Login(ctx, "root", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	for range freeTriesPerUser + 1 {
		f.byUser.begin("root", f.now())
	}
	const fresh = "another password"
	if err := f.ResetPassword(ctx, "root", fresh); err != nil {
		t.Fatal(err)
	}
	_, err = f.Authenticate(ctx, old.Token)
	wantClass(t, err, fault.Unauthenticated)
	if _, err := f.Login(ctx, "root", fresh); err != nil {
		t.Errorf("login with the new password: %v", err)
	}
	wantClass(t, f.ResetPassword(ctx, "nobody", fresh), fault.NotFound)
}

func TestDevAdminTokenNeverEndsAndStaysTheSame(t *testing.T) {
	f := newFixture(t)
	first, err := f.EnsureDevAdmin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.clock.advance(20 * 365 * 24 * 3600e9)
	if err := f.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := f.EnsureDevAdmin(t.Context())
	if err != nil || second != first || len(f.store.tokens) != 1 {
		t.Fatalf("second call: another token %v, %d stored, %v", second != first, len(f.store.tokens), err)
	}
	p, err := f.Authenticate(t.Context(), second)
	if err != nil || p.User != "admin" || p.Role != function.RoleAdmin {
		t.Fatalf("got %+v, %v", p, err)
	}
	if err := f.RevokeToken(t.Context(), p, p.TokenID); err != nil {
		t.Fatal(err)
	}
	if third, err := f.EnsureDevAdmin(t.Context()); err != nil || third == first {
		t.Errorf("the revoked token came back, %v", err)
	}
}

func TestDevAdminDoesNotTakeOverAUser(t *testing.T) {
	f := newFixture(t)
	f.add(t, "admin", function.RoleViewer)
	_, err := f.EnsureDevAdmin(t.Context())
	wantClass(t, err, fault.Conflict)
}
