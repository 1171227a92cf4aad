package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/config"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/identity/adminsock"
	"github.com/skiffhq/skiff/core/wire"
)

func (a *app) newAdminCommand() *cobra.Command {
	return newGroup("admin", "Make the first administrator, or give a new password",
		`Work on the users of an appliance on this host without logging in. It goes over
a unix socket that only root and the appliance's own user can reach.`,
		a.newAdminInitCommand(), a.newAdminResetCommand())
}

// adminFlags are the flags of both commands.
type adminFlags struct{ user, passwordFile, socket string }

func (a *app) bindAdmin(cmd *cobra.Command) *adminFlags {
	f := new(adminFlags)
	cmd.Flags().StringVar(&f.user, "username", "", "`NAME` of the user")
	passwordFlag(cmd, &f.passwordFile, "password-file", "the new")
	cmd.Flags().StringVar(&f.socket, "socket", a.adminSocket(), "administration socket of the appliance, a `PATH`")
	return f
}

// adminSocket is where an appliance with this environment has its socket.
func (a *app) adminSocket() string {
	c := config.Default()
	c.DataDir = first(a.env(config.EnvName("dataDir")), c.DataDir)
	return c.AdminSocket()
}

func (a *app) newAdminInitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "init", Short: "Make the first administrator",
		Long: "Make the first administrator. No default password exists: until this has been\ndone nobody can log in.",
		Example: `  sudo skiff admin init --username ada
  sudo skiff admin init --username ada --password-file /root/ada.password`,
	}
	f := a.bindAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		password, err := a.adminCredentials(cmd, f)
		if err != nil {
			return err
		}
		if err := adminsock.Init(cmd.Context(), f.socket, f.user, password); err != nil {
			return err
		}
		return a.printf("made the administrator %s\n", f.user)
	}
	return cmd
}

func (a *app) newAdminResetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reset-password", Short: "Give a user a new password",
		Example: "  sudo skiff admin reset-password --username ada",
	}
	f := a.bindAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		password, err := a.adminCredentials(cmd, f)
		if err != nil {
			return err
		}
		if err := adminsock.ResetPassword(cmd.Context(), f.socket, f.user, password); err != nil {
			return err
		}
		return a.printf("%s has a new password\n", f.user)
	}
	return cmd
}

func (a *app) adminCredentials(cmd *cobra.Command, f *adminFlags) (password string, err error) {
	if f.user == "" {
		if f.user, err = a.ask("Username: ", "username"); err != nil {
			return "", err
		}
	}
	return a.newPassword(cmd.Context(), f.passwordFile)
}

func (a *app) newLoginCommand() *cobra.Command {
	var user, passwordFile string
	cmd := &cobra.Command{
		Use: "login", Short: "Log in and remember it",
		Long: `Give a password for a token and keep it in $XDG_CONFIG_HOME/skiff/config.yaml
(mode 0600). The server becomes the one that later commands talk to.`,
		Example: `  skiff login --server https://edge.example --username ada
  skiff login --username ci --password-file /run/secrets/skiff`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.login(cmd, user, passwordFile) },
	}
	cmd.Flags().StringVar(&user, "username", "", "`NAME` of the user that you are; asked for if not given")
	passwordFlag(cmd, &passwordFile, "password-file", "your")
	return cmd
}

func (a *app) login(cmd *cobra.Command, user, passwordFile string) error {
	t, err := a.target()
	if err != nil {
		return err
	}
	if strings.HasPrefix(t.server, "http://") && !client.Loopback(t.server) {
		a.note("warning: %s speaks plain HTTP: whoever is on the way can read the password", t.server)
	}
	if user == "" {
		if user, err = a.ask("Username: ", "username"); err != nil {
			return err
		}
	}
	password, err := a.password(cmd.Context(), passwordFile, "password-file", "Password: ")
	if err != nil {
		return err
	}
	c, err := a.connect(target{server: t.server})
	if err != nil {
		return err
	}
	defer c.Close()
	got, err := c.Login(cmd.Context(), user, password)
	if client.HasStatus(err, http.StatusUnauthorized) {
		return fault.New(fault.Unauthenticated, "login", "%v", err) // whoever logs in needs no hint how to
	}
	if err != nil {
		return err
	}
	if err := a.remember(t.server, got); err != nil {
		return err
	}
	return a.printf("logged in to %s as %s (%s) until %s\n", t.server, clean(got.User.Username), clean(string(got.User.Role)), a.when(got.ExpiresAt))
}

// remember stores a login, and its server as the one to talk to.
func (a *app) remember(server string, got *wire.LoginResult) error {
	s, err := a.loadSettings()
	if err != nil {
		return err
	}
	if s.Logins == nil {
		s.Logins = map[string]login{}
	}
	s.Server = server
	s.Logins[server] = login{User: got.User.Username, Token: got.Token, ExpiresAt: got.ExpiresAt}
	return a.saveSettings(s)
}

func (a *app) newLogoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "Forget a login and revoke its token",
		Long:    "Revoke the token of the login at a server, and forget it. Where the server\ncannot be reached the token ends when its time is over.",
		Example: "  skiff logout\n  skiff logout --server https://edge.example",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.logout(cmd.Context()) },
	}
}

func (a *app) logout(ctx context.Context) error {
	t, err := a.target()
	if err != nil {
		return err
	}
	s, err := a.loadSettings()
	if err != nil {
		return err
	}
	l, known := s.Logins[t.server]
	if !known {
		return a.printf("not logged in to %s\n", t.server)
	}
	a.revoke(ctx, target{t.server, l.Token})
	delete(s.Logins, t.server)
	if s.Server == t.server {
		s.Server = "" // a token from elsewhere must not go there unasked
	}
	if err := a.saveSettings(s); err != nil {
		return err
	}
	return a.printf("logged out of %s\n", t.server)
}

// revokeTimeout bounds the wait for an appliance that is not needed to forget
// a login.
const revokeTimeout = 5 * time.Second

// revoke makes a token worthless. What is in the way is only told: the login
// is forgotten all the same.
func (a *app) revoke(ctx context.Context, t target) {
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	err := errors.New("it tells no id")
	if id := tokenID(t.token); id != "" {
		err = a.revokeByID(ctx, t, id)
	}
	if err != nil && !client.HasStatus(err, http.StatusUnauthorized) { // refused: it is worthless already
		a.note("warning: the token could not be revoked and is good until its time is over: %s", clean(err.Error()))
	}
}

func (a *app) revokeByID(ctx context.Context, t target, id string) error {
	c, err := a.connect(t)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.RevokeToken(ctx, id)
}

// tokenID reads a token's id, its claim jti, without judging the token: the
// server does, and knows which are the caller's.
func tokenID(token string) string {
	var claims struct {
		ID string `json:"jti"`
	}
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if data, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(data, &claims) // no id is the answer for what cannot be read
		}
	}
	return claims.ID
}
