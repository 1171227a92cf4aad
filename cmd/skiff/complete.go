package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
)

// completionTimeout bounds the wait for an appliance while somebody types.
const completionTimeout = 1500 * time.Millisecond

// completer returns words for one argument; before are those in front of it.
type completer func(ctx context.Context, c *client.Client, before []string, word string) []cobra.Completion

// completeArgs gives each argument its completer, and the rest none.
func (a *app) completeArgs(of ...completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(of) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.completeWith(cmd, of[len(args)], args, word)
	}
}

// completeWith asks the appliance. Whatever goes wrong gives no words: there is
// no place to complain.
func (a *app) completeWith(cmd *cobra.Command, of completer, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := a.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	var fitting []cobra.Completion
	for _, w := range of(ctx, c, args, word) {
		if name, about, _ := strings.Cut(w, "\t"); strings.HasPrefix(name, word) {
			fitting = append(fitting, cobra.CompletionWithDesc(clean(name), clean(about)))
		}
	}
	return fitting, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) functionNames(ctx context.Context, c *client.Client, _ []string, word string) (names []cobra.Completion) {
	page, err := c.Functions(ctx, client.FunctionQuery{Prefix: word, Limit: maxPage})
	if err != nil {
		return nil
	}
	for _, f := range page.Functions {
		names = append(names, cobra.CompletionWithDesc(f.Name, short(strings.ReplaceAll(f.Description, "\n", " "), 60)))
	}
	return names
}

func (a *app) aliasNames(ctx context.Context, c *client.Client, before []string, _ string) (names []cobra.Completion) {
	if len(before) == 0 {
		return nil
	}
	page, err := c.Aliases(ctx, before[0], client.Page{})
	if err != nil {
		return nil
	}
	for _, al := range page.Aliases {
		names = append(names, cobra.CompletionWithDesc(al.AliasName, routingText(&al)))
	}
	return names
}

func (a *app) versionNumbers(ctx context.Context, c *client.Client, before []string, _ string) (names []cobra.Completion) {
	if len(before) == 0 {
		return nil
	}
	page, err := c.Versions(ctx, before[0], client.Page{})
	if err != nil {
		return nil
	}
	for _, v := range page.Versions {
		names = append(names, cobra.CompletionWithDesc(strings.TrimPrefix(v.Version.String(), "v"), v.Description))
	}
	return names
}

// references completes a function's name, and behind a colon its aliases and
// versions.
func (a *app) references(ctx context.Context, c *client.Client, before []string, word string) (words []cobra.Completion) {
	name, _, qualified := strings.Cut(word, ":")
	if !qualified {
		return a.functionNames(ctx, c, before, word)
	}
	of := []string{name}
	for _, q := range append(a.aliasNames(ctx, c, of, ""), a.versionNumbers(ctx, c, of, "")...) {
		words = append(words, name+":"+q)
	}
	return words
}
