package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

func (a *app) newUserCommand() *cobra.Command {
	return newGroup("user", "Create, list, change and delete users",
		`Users log in with a password. An Admin manages them; everybody may change their
own password.`,
		a.newUserCreateCommand(), a.newUserListCommand(), a.newUserGetCommand(), a.newUserUpdateCommand(), a.newUserDeleteCommand())
}

func (a *app) newUserCreateCommand() *cobra.Command {
	var body wire.CreateUser
	var file string
	var role *function.Role
	cmd := a.printable(&cobra.Command{
		Use: "create NAME", Short: "Create a user",
		Long: `Create a user. A Viewer sees and invokes the functions of their teams. An
Operator also points aliases elsewhere and deletes them. A Developer also
creates, changes and deploys functions. An Admin may do everything, in every
team. Without --team the user is in the team "default".`,
		Example: "  skiff user create ada --role Developer --team sensors\n  skiff user create ci --role Operator --password-file ci.password",
	})
	optional(cmd.Flags(), &role, flag{"role", "ROLE", "what they may do: Admin, Developer, Operator or Viewer"}, choice(function.Roles()...))
	complete(cmd, "role", texts(function.Roles())...)
	list(cmd.Flags(), &body.Teams, flag{"team", "TEAM", "team whose functions they see; may be repeated"}, parseText)
	passwordFlag(cmd, &file, "password-file", "the new")
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		if role == nil {
			return usagef("--role is missing: Admin, Developer, Operator or Viewer")
		}
		body.Username, body.Role = args[0], *role
		var err error
		if body.Password, err = a.newPassword(ctx, file); err != nil {
			return err
		}
		u, err := c.CreateUser(ctx, body)
		if err != nil {
			return err
		}
		return a.show(u, func() error { return a.printf("created user %s (%s)\n", clean(u.Username), clean(string(u.Role))) })
	})
	return cmd
}

func (a *app) newUserListCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{Use: "list", Short: "List users", Example: "  skiff user list"})
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all := wire.Users{Users: []wire.User{}}
		err := eachPage(func(p client.Page) (string, error) {
			page, err := c.Users(ctx, p)
			if err != nil {
				return "", err
			}
			all.Users = append(all.Users, page.Users...)
			return page.NextCursor, nil
		})
		if err != nil {
			return err
		}
		return a.show(all, func() error {
			var rows [][]string
			for _, u := range all.Users {
				rows = append(rows, []string{u.Username, string(u.Role), strings.Join(u.Teams, ","), a.when(u.CreatedAt)})
			}
			return a.table("users", "NAME ROLE TEAMS CREATED", rows)
		})
	})
	return cmd
}

func (a *app) newUserGetCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{Use: "get NAME", Short: "Show a user", Example: "  skiff user get ada"})
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		u, err := c.User(ctx, args[0])
		if err != nil {
			return err
		}
		return a.show(u, func() error { return a.showUser(u) })
	})
	return cmd
}

func (a *app) showUser(u *wire.User) error {
	return a.fields([][2]string{
		{"Name", u.Username}, {"Role", string(u.Role)}, {"Teams", strings.Join(u.Teams, ", ")},
		{"Created", a.when(u.CreatedAt)}, {"Updated", a.when(u.UpdatedAt)},
	}...)
}

// userChange is what the flags of user update say.
type userChange struct {
	body     wire.UpdateUser
	password bool
	file     string
	oldFile  string
}

func (a *app) newUserUpdateCommand() *cobra.Command {
	var change userChange
	cmd := a.printable(&cobra.Command{
		Use: "update NAME", Short: "Change a user's role, teams or password",
		Example: `  skiff user update ada --role Operator
  skiff user update ada --password              # your own: asks for the old one too
  skiff user update ci --password-file new.txt`,
	})
	optional(cmd.Flags(), &change.body.Role, flag{"role", "ROLE", "what they may do: Admin, Developer, Operator or Viewer"}, choice(function.Roles()...))
	complete(cmd, "role", texts(function.Roles())...)
	list(cmd.Flags(), &change.body.Teams, flag{"team", "TEAM", "team whose functions they see, instead of those before; may be repeated"}, parseText)
	cmd.Flags().BoolVar(&change.password, "password", false, "ask for a new password")
	passwordFlag(cmd, &change.file, "password-file", "the new")
	passwordFlag(cmd, &change.oldFile, "old-password-file", "your present")
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		if err := a.fillChange(ctx, args[0], &change); err != nil {
			return err
		}
		u, err := c.UpdateUser(ctx, args[0], change.body)
		if err != nil {
			return err
		}
		return a.show(u, func() error { return a.showUser(u) })
	})
	return cmd
}

// fillChange reads the passwords. The old one is asked for where the user seems
// to be oneself: the server wants it from everybody but an Admin.
func (a *app) fillChange(ctx context.Context, name string, u *userChange) (err error) {
	if !u.password && u.file == "" && u.body.Role == nil && u.body.Teams == nil {
		return usagef("there is nothing to change: give --role, --team or --password")
	}
	if u.oldFile != "" || u.password && u.file == "" && a.isSelf(name) {
		if u.body.OldPassword, err = a.password(ctx, u.oldFile, "old-password-file", "Present password: "); err != nil {
			return err
		}
	}
	if u.password || u.file != "" {
		text, err := a.newPassword(ctx, u.file)
		if err != nil {
			return err
		}
		u.body.Password = &text
	}
	return nil
}

// isSelf reports whether the login in use is the user's own.
func (a *app) isSelf(name string) bool {
	t, err := a.target()
	if err != nil {
		return false
	}
	s, err := a.loadSettings()
	return err == nil && s.Logins[t.server].User == name && s.Logins[t.server].Token == t.token
}

func (a *app) newUserDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a user and their tokens", Example: "  skiff user delete ada",
		RunE: a.remote(func(ctx context.Context, c *client.Client, args []string) error {
			if err := c.DeleteUser(ctx, args[0]); err != nil {
				return err
			}
			return a.printf("deleted user %s\n", args[0])
		}),
	}
}
