package main

import (
	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/config"
	"github.com/skiffhq/skiff/core/identity/adminsock"
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
	if clear := "http://"; len(t.server) > len(clear) && t.server[:len(clear)] == clear && !client.Loopback(t.server) {
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
	got, err := c.Login(cmd.Context(), user, password)
	if err != nil {
		return err
	}
	s, err := a.loadSettings()
	if err != nil {
		return err
	}
	if s.Logins == nil {
		s.Logins = map[string]login{}
	}
	s.Server = t.server
	s.Logins[t.server] = login{User: got.User.Username, Token: got.Token, ExpiresAt: got.ExpiresAt}
	if err := a.saveSettings(s); err != nil {
		return err
	}
	return a.printf("logged in to %s as %s (%s) until %s\n", t.server, clean(got.User.Username), clean(string(got.User.Role)), a.when(got.ExpiresAt))
}

func (a *app) newLogoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "Forget a login",
		Long:    "Forget the login at a server. Its token ends when its time is over; where that\nis too late, give the user a new password.",
		Example: "  skiff logout\n  skiff logout --server https://edge.example",
		RunE: func(*cobra.Command, []string) error {
			t, err := a.target()
			if err != nil {
				return err
			}
			s, err := a.loadSettings()
			if err != nil {
				return err
			}
			if _, known := s.Logins[t.server]; !known {
				return a.printf("not logged in to %s\n", t.server)
			}
			delete(s.Logins, t.server)
			if err := a.saveSettings(s); err != nil {
				return err
			}
			return a.printf("logged out of %s\n", t.server)
		},
	}
}
