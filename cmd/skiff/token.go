package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

func (a *app) newTokenCommand() *cobra.Command {
	return newGroup("token", "Create, list and revoke tokens",
		"Tokens let programs call the appliance. Yours are listed, and everybody's for an\nAdmin.",
		a.newTokenCreateCommand(), a.newTokenListCommand(), a.newTokenRevokeCommand())
}

func (a *app) newTokenCreateCommand() *cobra.Command {
	var body wire.CreateToken
	var role *function.Role
	cmd := a.printable(&cobra.Command{
		Use: "create", Short: "Create a token",
		Long: "Create a token. The token alone is printed on standard output, once: the\nappliance cannot show it again.",
		Example: `  skiff token create --role Viewer --ttl 24h
  export SKIFF_TOKEN=$(skiff token create --role Developer --team sensors --name ci)`,
	})
	optional(cmd.Flags(), &role, flag{"role", "ROLE", "what it may do: Admin, Developer, Operator or Viewer; your own if not given"}, choice(function.Roles()...))
	list(cmd.Flags(), &body.Teams, flag{"team", "TEAM", "team whose functions it sees; may be repeated; your own if not given"}, parseText)
	optional(cmd.Flags(), &body.TTL, flag{"ttl", "DURATION", "how long it lives, such as 24h; the appliance's default if not given"}, parseDuration)
	cmd.Flags().StringVar(&body.Name, "name", "", "what it is for, a `TEXT`")
	complete(cmd, "role", texts(function.Roles())...)
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, _ []string) error {
		if role != nil {
			body.Role = *role
		}
		t, err := c.CreateToken(ctx, body)
		if err != nil {
			return err
		}
		return a.show(t, func() error {
			a.note("token %s of role %s for %s, until %s", clean(t.TokenID), clean(string(t.Role)), clean(strings.Join(t.Teams, ", ")), a.whenever(t.ExpiresAt))
			return a.printf("%s\n", clean(t.Token))
		})
	})
	return cmd
}

func (a *app) newTokenListCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "list", Short: "List tokens", Example: "  skiff token list\n  skiff token list -o json",
	})
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all := wire.Tokens{Tokens: []wire.Token{}}
		err := eachPage(func(p client.Page) (string, error) {
			page, err := c.Tokens(ctx, p)
			if err != nil {
				return "", err
			}
			all.Tokens = append(all.Tokens, page.Tokens...)
			return page.NextCursor, nil
		})
		if err != nil {
			return err
		}
		return a.show(all, func() error { return a.tokenTable(all.Tokens) })
	})
	return cmd
}

func (a *app) tokenTable(tokens []wire.Token) error {
	var rows [][]string
	for _, t := range tokens {
		state := a.whenever(t.ExpiresAt)
		if t.RevokedAt != nil {
			state = "revoked"
		}
		rows = append(rows, []string{t.TokenID, t.Name, t.User, string(t.Role), strings.Join(t.Teams, ","), a.when(t.CreatedAt), state})
	}
	return a.table("tokens", "ID NAME USER ROLE TEAMS CREATED EXPIRES", rows)
}

func (a *app) newTokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Make a token worthless at once",
		Example: "  skiff token revoke 0190a1b2-5c3d-7e4f-8a9b-0c1d2e3f4a5b",
		RunE: a.remote(func(ctx context.Context, c *client.Client, args []string) error {
			if err := c.RevokeToken(ctx, args[0]); err != nil {
				return err
			}
			return a.printf("revoked token %s\n", args[0])
		}),
	}
}

// eachPage reads a list to its end: read returns the cursor of the next page.
func eachPage(read func(client.Page) (next string, err error)) error {
	var p client.Page
	for {
		next, err := read(p)
		if err != nil || next == "" || next == p.Cursor {
			return err
		}
		p.Cursor = next
	}
}
