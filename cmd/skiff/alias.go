package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

func (a *app) newAliasCommand() *cobra.Command {
	return newGroup("alias", "Give names to versions, and share invocations between them",
		`An alias is a name for one version, or for several that each get a share of the
invocations. Callers keep the name while it moves from version to version.`,
		a.newAliasCreateCommand(), a.newAliasListCommand(), a.newAliasGetCommand(), a.newAliasUpdateCommand(), a.newAliasDeleteCommand())
}

// aliasFlags say where an alias points.
type aliasFlags struct {
	version     *function.Number
	routing     map[function.Number]int
	description *string
}

func (f *aliasFlags) bind(a *app, cmd *cobra.Command) {
	optional(cmd.Flags(), &f.version, flag{"version", "VERSION", "the one version"}, parseVersion)
	routing(cmd.Flags(), &f.routing)
	optional(cmd.Flags(), &f.description, flag{"description", "TEXT", "what it is for"}, parseText)
	completeWith(cmd, "version", func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return a.completeWith(cmd, a.versionNumbers, args, word)
	})
}

func (f *aliasFlags) body() wire.PutAlias {
	body := wire.PutAlias{RoutingConfig: f.routing, Description: f.description}
	if f.version != nil {
		body.Version = *f.version
	}
	return body
}

func (a *app) newAliasCreateCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "create NAME ALIAS", Short: "Create an alias",
		Example:           "  skiff alias create hello live --version 3\n  skiff alias create hello live --routing 3=90,4=10",
		ValidArgsFunction: a.completeArgs(a.functionNames),
	})
	var f aliasFlags
	f.bind(a, cmd)
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		if f.version == nil && f.routing == nil {
			return usagef("%s needs --version or --routing", cmd.CommandPath())
		}
		body := f.body()
		body.AliasName = args[1]
		al, err := c.CreateAlias(ctx, args[0], body)
		if err != nil {
			return err
		}
		return a.show(al, func() error { return a.printf("created alias %s\n", aliasLine(al)) })
	})
	return cmd
}

// aliasLine is an alias in one line.
func aliasLine(al *wire.Alias) string {
	return clean(al.FunctionName + ":" + al.AliasName + " → " + routingText(al))
}

// routingText says where an alias points.
func routingText(al *wire.Alias) string {
	if len(al.RoutingConfig) == 0 {
		return al.Version.String()
	}
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(al.RoutingConfig)) {
		parts = append(parts, fmt.Sprintf("%s %d%%", n, al.RoutingConfig[n]))
	}
	return strings.Join(parts, ", ")
}

func (a *app) newAliasListCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "list NAME", Short: "List the aliases of a function", Example: "  skiff alias list hello",
		ValidArgsFunction: a.completeArgs(a.functionNames),
	})
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		all, err := listAliases(ctx, c, args[0])
		if err != nil {
			return err
		}
		return a.show(all, func() error {
			var rows [][]string
			for _, al := range all.Aliases {
				rows = append(rows, []string{al.AliasName, routingText(&al), a.when(al.UpdatedAt), short(al.Description, 40)})
			}
			return a.table("aliases", "ALIAS VERSIONS UPDATED DESCRIPTION", rows)
		})
	})
	return cmd
}

func listAliases(ctx context.Context, c *client.Client, name string) (*wire.Aliases, error) {
	all := &wire.Aliases{FunctionName: name, Aliases: []wire.Alias{}}
	err := eachPage(func(p client.Page) (string, error) {
		page, err := c.Aliases(ctx, name, p)
		if err != nil {
			return "", err
		}
		all.Total, all.Aliases = page.Total, append(all.Aliases, page.Aliases...)
		return page.NextCursor, nil
	})
	return all, err
}

func (a *app) newAliasGetCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "get NAME ALIAS", Short: "Show an alias and its ETag", Example: "  skiff alias get hello live",
		ValidArgsFunction: a.completeArgs(a.functionNames, a.aliasNames),
	})
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		al, tag, err := c.Alias(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		return a.show(al, func() error {
			return a.fields([][2]string{
				{"Function", al.FunctionName}, {"Alias", al.AliasName}, {"Versions", routingText(al)}, {"Description", al.Description},
				{"Created", a.when(al.CreatedAt)}, {"Updated", a.when(al.UpdatedAt)}, {"ETag", string(tag)},
			}...)
		})
	})
	return cmd
}

func (a *app) newAliasUpdateCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "update NAME ALIAS", Short: "Point an alias elsewhere",
		Example: `  skiff alias update hello live --version 4
  skiff alias update hello live --routing 4=90,5=10
  skiff alias update hello live --version 5 --if-match 7`,
		ValidArgsFunction: a.completeArgs(a.functionNames, a.aliasNames),
	})
	var f aliasFlags
	var ifMatch string
	f.bind(a, cmd)
	ifMatchFlag(cmd, &ifMatch)
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		if f.version == nil && f.routing == nil && f.description == nil {
			return usagef("%s needs --version, --routing or --description", cmd.CommandPath())
		}
		al, err := updateAlias(ctx, c, aliasChange{args[0], args[1], tagOf(ifMatch), f.body()})
		if err != nil {
			return err
		}
		return a.show(al, func() error { return a.printf("updated alias %s\n", aliasLine(al)) })
	})
	return cmd
}

// aliasChange is what is to become of an alias.
type aliasChange struct {
	name, alias string
	ifMatch     client.ETag
	body        wire.PutAlias
}

// updateAlias changes an alias. A description alone leaves it pointing where
// it does, which the API wants to be told.
func updateAlias(ctx context.Context, c *client.Client, ch aliasChange) (*wire.Alias, error) {
	if ch.body.Version == 0 && ch.body.RoutingConfig == nil {
		old, tag, err := c.Alias(ctx, ch.name, ch.alias)
		if err != nil {
			return nil, err
		}
		ch.body.Version, ch.body.RoutingConfig = old.Version, old.RoutingConfig
		if ch.ifMatch == "" {
			ch.ifMatch = tag
		}
	}
	return c.UpdateAlias(ctx, ch.name, ch.alias, ch.ifMatch, ch.body)
}

func (a *app) newAliasDeleteCommand() *cobra.Command {
	var ifMatch string
	cmd := &cobra.Command{
		Use: "delete NAME ALIAS", Short: "Delete an alias; its versions stay", Example: "  skiff alias delete hello live",
		ValidArgsFunction: a.completeArgs(a.functionNames, a.aliasNames),
		RunE: a.remote(func(ctx context.Context, c *client.Client, args []string) error {
			if err := c.DeleteAlias(ctx, args[0], args[1], tagOf(ifMatch)); err != nil {
				return err
			}
			return a.printf("deleted alias %s of %s\n", args[1], args[0])
		}),
	}
	ifMatchFlag(cmd, &ifMatch)
	return cmd
}
