package identity

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

func TestCreateUserReportsEveryFault(t *testing.T) {
	f := newFixture(t)
	good := NewUser{Name: "ada", Password: testPassword, Role: function.RoleViewer}
	for name, tc := range map[string]struct {
		edit func(*NewUser)
		want []string // fields
	}{
		"no name":              {func(u *NewUser) { u.Name = "" }, []string{"username"}},
		"capital":              {func(u *NewUser) { u.Name = "Ada" }, []string{"username"}},
		"external name":        {func(u *NewUser) { u.Name = externalPrefix + "ada" }, []string{"username"}},
		"65 characters":        {func(u *NewUser) { u.Name = strings.Repeat("a", 65) }, []string{"username"}},
		"leading dot":          {func(u *NewUser) { u.Name = ".ada" }, []string{"username"}},
		"line feed at the end": {func(u *NewUser) { u.Name = "ada\n" }, []string{"username"}},
		"short password":       {func(u *NewUser) { u.Password = strings.Repeat("é", 11) }, []string{"password"}},
		"long password":        {func(u *NewUser) { u.Password = strings.Repeat("é", 129) }, []string{"password"}},
		"password not UTF-8":   {func(u *NewUser) { u.Password = "correct horse\xff" }, []string{"password"}},
		"unknown role":         {func(u *NewUser) { u.Role = "admin" }, []string{"role"}},
		"bad team":             {func(u *NewUser) { u.Teams = []string{"red", "a b", ""} }, []string{"teams"}},
		"all at once":          {func(u *NewUser) { *u = NewUser{} }, []string{"username", "password", "role"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := good
			tc.edit(&in)
			_, err := f.CreateUser(t.Context(), in)
			wantClass(t, err, fault.Invalid)
			var fields []string
			for _, d := range fault.Of(err).Details {
				fields = append(fields, d.Field)
			}
			if !slices.Equal(fields, tc.want) {
				t.Errorf("faults of %v, want %v", fields, tc.want)
			}
		})
	}
	if len(f.store.users) != 0 {
		t.Errorf("a refused user was stored: %v", f.store.users)
	}
}

func TestCreatedUserIsStoredWithAHashAndShownWithout(t *testing.T) {
	f := newFixture(t)
	for _, length := range []int{minPassword, maxPassword} {
		name := "ada" + strings.Repeat("x", length%60)
		u, err := f.CreateUser(t.Context(), NewUser{Name: name, Password: strings.Repeat("é", length), Role: function.RoleViewer, Teams: []string{"red", "blue", "red"}})
		if err != nil {
			t.Fatal(err)
		}
		if u.PasswordHash != "" || !slices.Equal(u.Teams, []string{"blue", "red"}) || !u.CreatedAt.Equal(f.now()) {
			t.Errorf("got %+v", u)
		}
		if hash := f.store.users[name].PasswordHash; !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("stored hash %q", hash)
		}
	}
	_, err := f.CreateUser(t.Context(), NewUser{Name: "ada" + strings.Repeat("x", minPassword), Password: testPassword, Role: function.RoleAdmin})
	wantClass(t, err, fault.Conflict)
}

func TestUsersAreListedInPages(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"cy", "ada", "bob"} {
		f.add(t, name, function.RoleViewer)
	}
	first, next := f.Users("", 2)
	if len(first) != 2 || first[0].Name != "ada" || first[1].Name != "bob" || first[0].PasswordHash != "" || next != "bob" {
		t.Fatalf("first page %v, next %q", first, next)
	}
	second, next := f.Users(next, 2)
	if len(second) != 1 || second[0].Name != "cy" || next != "" {
		t.Fatalf("second page %v, next %q", second, next)
	}
	if _, err := f.User("dan"); !fault.Is(err, fault.NotFound) {
		t.Errorf("unknown user: %v", err)
	}
	first[0].Teams[0] = "changed"
	if u, err := f.User("ada"); err != nil || u.Teams[0] != function.DefaultTeam {
		t.Errorf("a caller changed the record: %v, %v", u, err)
	}
}

func TestLastAdminStays(t *testing.T) {
	f := newFixture(t)
	f.add(t, "root", function.RoleAdmin)
	f.add(t, "ada", function.RoleViewer)
	viewer := function.RoleViewer
	_, err := f.UpdateUser(t.Context(), "root", UserChange{Role: &viewer})
	wantClass(t, err, fault.Conflict)
	wantClass(t, f.DeleteUser(t.Context(), "root"), fault.Conflict)
	f.add(t, "second", function.RoleAdmin)
	if err := f.DeleteUser(t.Context(), "root"); err != nil {
		t.Fatalf("delete with another Admin: %v", err)
	}
	wantClass(t, f.DeleteUser(t.Context(), "root"), fault.NotFound)
	wantClass(t, f.DeleteUser(t.Context(), "second"), fault.Conflict)
}

func TestAdminsWhoDeleteEachOtherLeaveOne(t *testing.T) {
	f := newFixture(t)
	names := []string{"a", "b", "c", "d"}
	for _, name := range names {
		f.add(t, name, function.RoleAdmin)
	}
	var wg sync.WaitGroup
	for _, name := range names {
		wg.Go(func() {
			if err := f.DeleteUser(t.Context(), name); err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left, _ := f.Users("", 0); len(left) != 1 || !left[0].isAdmin() {
		t.Errorf("left: %v", left)
	}
}

func TestUpdateUserRefusesWhatCreateRefuses(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer)
	role, short := function.Role("King"), "short"
	_, err := f.UpdateUser(t.Context(), "ada", UserChange{Role: &role, Teams: []string{"!"}, Password: &short})
	wantClass(t, err, fault.Invalid)
	if n := len(fault.Of(err).Details); n != 3 {
		t.Errorf("%d faults, want 3: %v", n, err)
	}
	_, err = f.UpdateUser(t.Context(), "bob", UserChange{})
	wantClass(t, err, fault.NotFound)
}

func TestFailedWriteChangesNothingInMemory(t *testing.T) {
	f := newFixture(t)
	f.add(t, "root", function.RoleAdmin)
	f.add(t, "ada", function.RoleViewer)
	rec, bearer := f.token(t, "ada")
	disk := errors.New("disk full")
	f.store.fail = disk
	admin := &Principal{User: "root", Role: function.RoleAdmin}
	if err := f.DeleteUser(t.Context(), "ada"); !errors.Is(err, disk) {
		t.Errorf("delete: %v", err)
	}
	if err := f.RevokeToken(t.Context(), admin, rec.ID); !errors.Is(err, disk) {
		t.Errorf("revoke: %v", err)
	}
	if _, err := f.Authenticate(t.Context(), bearer); err != nil {
		t.Errorf("memory ran ahead of the store: %v", err)
	}
}

func TestOwnPasswordChange(t *testing.T) {
	f := newFixture(t)
	f.add(t, "ada", function.RoleViewer)
	ctx := t.Context()
	here, err := f.Login(ctx, "ada", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	there, err := f.Login(ctx, "ada", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	_, device := f.token(t, "ada")
	p, err := f.Authenticate(ctx, here.Token)
	if err != nil {
		t.Fatal(err)
	}
	const fresh = "a password of mine"
	wantClass(t, f.ChangePassword(ctx, p, "wrong password", fresh), fault.Denied)
	wantClass(t, f.ChangePassword(ctx, p, testPassword, "short"), fault.Invalid)
	wantClass(t, f.ChangePassword(ctx, p, testPassword, testPassword), fault.Invalid)
	wantClass(t, f.ChangePassword(ctx, &Principal{User: externalPrefix + "ada"}, testPassword, fresh), fault.Denied)
	if err := f.ChangePassword(ctx, p, testPassword, fresh); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		bearer string
		lives  bool
	}{"the login that changed it": {here.Token, true}, "another login": {there.Token, false}, "a device's token": {device, true}} {
		if _, err := f.Authenticate(ctx, tc.bearer); (err == nil) != tc.lives {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = f.Login(ctx, "ada", testPassword)
	wantClass(t, err, fault.Unauthenticated)
	if _, err := f.Login(ctx, "ada", fresh); err != nil {
		t.Errorf("new password: %v", err)
	}
}
