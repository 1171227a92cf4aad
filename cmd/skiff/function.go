package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

func (a *app) newFunctionCommand() *cobra.Command {
	return newGroup("function", "Create, list, change and delete functions",
		"A function is a name with a configuration; its code comes with skiff deploy.",
		a.newFunctionCreateCommand(), a.newFunctionListCommand(), a.newFunctionGetCommand(),
		a.newFunctionUpdateCommand(), a.newFunctionDeleteCommand())
}

func (a *app) newFunctionCreateCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "create NAME", Short: "Create a function without code",
		Long: "Create a function without code. skiff deploy does this by itself where it is\nneeded; here is every setting. What is not given has the appliance's default.",
		Example: `  skiff function create thumbs --runtime wasm --memory 128 --timeout 5
  skiff function create api --runtime wasm --handler main.handle --team sensors --tag area=web`,
	})
	var f functionFlags
	f.bindAll(cmd)
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		created, err := c.CreateFunction(ctx, wire.CreateFunction{Name: args[0], Patch: f.onto(&wire.Function{})})
		if err != nil {
			return err
		}
		return a.show(created, func() error { return a.showFunction(created, "") })
	})
	return cmd
}

// functionFilter is what function list is asked for.
type functionFilter struct {
	client.FunctionQuery
	limit int
}

func (a *app) newFunctionListCommand() *cobra.Command {
	var q functionFilter
	cmd := a.printable(&cobra.Command{
		Use: "list", Short: "List functions",
		Example: "  skiff function list\n  skiff function list --runtime wasm --prefix sensor-\n  skiff function list --tag area=web -o json",
	})
	cmd.Flags().StringVar(&q.Runtime, "runtime", "", "only those of the `RUNTIME`")
	cmd.Flags().StringVar(&q.Tag, "tag", "", "only those with the tag, `KEY[=VALUE]`")
	cmd.Flags().StringVar(&q.Prefix, "prefix", "", "only those whose name begins with the `TEXT`")
	cmd.Flags().IntVar(&q.limit, "limit", 0, "at most `N`; 0 for all")
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := listFunctions(ctx, c, q)
		if err != nil {
			return err
		}
		return a.show(all, func() error { return a.functionTable(all.Functions) })
	})
	return cmd
}

// maxPage is the longest page of functions.
const maxPage = 100

// listFunctions puts pages together into one.
func listFunctions(ctx context.Context, c *client.Client, q functionFilter) (*wire.Functions, error) {
	if q.limit < 0 {
		return nil, usagef("--limit must be 0 or more")
	}
	q.Limit = maxPage
	if q.limit > 0 {
		q.Limit = min(q.limit, maxPage)
	}
	all := &wire.Functions{Functions: []wire.Function{}}
	for page, err := range c.FunctionPages(ctx, q.FunctionQuery) {
		if err != nil {
			return nil, err
		}
		all.Total, all.NextCursor = page.Total, page.NextCursor
		all.Functions = append(all.Functions, page.Functions...)
		if q.limit > 0 && len(all.Functions) >= q.limit {
			all.Functions = all.Functions[:q.limit]
			break
		}
	}
	all.Limit = cmp.Or(q.limit, len(all.Functions))
	return all, nil
}

func (a *app) functionTable(functions []wire.Function) error {
	var rows [][]string
	for _, f := range functions {
		version := "-"
		if f.PublishedVersion > 0 {
			version = f.PublishedVersion.String()
		}
		rows = append(rows, []string{
			f.Name, string(f.Runtime), version, strconv.Itoa(f.MemorySize) + " MB", strconv.Itoa(f.Timeout) + " s",
			f.Team, a.when(f.UpdatedAt), short(f.Description, 40),
		})
	}
	return a.table("functions", "NAME RUNTIME VERSION MEMORY TIMEOUT TEAM UPDATED DESCRIPTION", rows)
}

func (a *app) newFunctionGetCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "get NAME", Short: "Show a function", Example: "  skiff function get hello\n  skiff function get hello -o json",
		ValidArgsFunction: a.completeArgs(a.functionNames),
	})
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		f, tag, err := c.Function(ctx, args[0])
		if err != nil {
			return err
		}
		return a.show(f, func() error { return a.showFunction(f, tag) })
	})
	return cmd
}

func (a *app) showFunction(f *wire.Function, tag client.ETag) error {
	return a.fields(slices.Concat([][2]string{
		{"Name", f.Name}, {"Description", f.Description}, {"Runtime", string(f.Runtime)}, {"Handler", f.Handler},
		{"Version", versionText(f.PublishedVersion)}, {"Memory", strconv.Itoa(f.MemorySize) + " MB"}, {"Timeout", strconv.Itoa(f.Timeout) + " s"},
		{"Team", f.Team}, {"Allowed roles", strings.Join(texts(f.AllowedRoles), ", ")}, {"Network", string(f.Network)}, {"Isolation", string(f.Isolation)},
		{"Concurrency", concurrencyText(f)}, {"Scaling", scalingText(f.Scaling)}, {"Retry", retryText(f.Retry)}, {"Dead letters", f.DeadLetter.Target},
	}, pairsOf("Environment", f.Environment), pairsOf("Tags", f.Tags), [][2]string{
		{"Owner", f.OwnerID}, {"Created", a.when(f.CreatedAt)}, {"Updated", a.when(f.UpdatedAt)},
		{"Invocations", strconv.FormatUint(f.TotalInvocations, 10)}, {"Last invoked", a.whenever(f.LastInvokedAt)}, {"ETag", string(tag)},
	})...)
}

func versionText(n function.Number) string {
	if n == 0 {
		return "none: skiff deploy publishes the first"
	}
	return n.String()
}

func concurrencyText(f *wire.Function) string {
	text := fmt.Sprintf("%d in one instance", f.InstanceConcurrency)
	if f.ReservedConcurrency != nil {
		text += fmt.Sprintf(", %d reserved", *f.ReservedConcurrency)
	}
	return text
}

func scalingText(s function.Scaling) string {
	text := fmt.Sprintf("%d to %d instances, %d invocations each", s.MinInstances, s.MaxInstances, s.TargetConcurrency)
	if s.PreProvisionedConcurrency > 0 {
		text += fmt.Sprintf(", %d ready beforehand", s.PreProvisionedConcurrency)
	}
	if s.KeepWarmEnabled {
		text += ", kept warm every " + durationText(s.KeepWarmInterval)
	}
	return text
}

func retryText(r function.Retry) string {
	return fmt.Sprintf("%d attempts, %s to %s apart, for %s", r.MaxAttempts,
		durationText(r.MinDelay), durationText(r.MaxDelay), durationText(r.MaxAge))
}

// pairsOf lists a map below one name, a line a pair.
func pairsOf(name string, m map[string]string) (lines [][2]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if len(lines) > 0 {
			name = " "
		}
		lines = append(lines, [2]string{name, k + "=" + m[k]})
	}
	return lines
}

func (a *app) newFunctionUpdateCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "update NAME", Short: "Change a function's configuration",
		Long: `Change what the flags name and leave everything else. $LATEST runs with the new
configuration at once; published versions keep what they were published with.
Variables and tags are added to those that are there.`,
		Example: `  skiff function update hello --memory 512 --timeout 10
  skiff function update hello --env STAGE=prod --unset-env DEBUG
  skiff function update hello --reserved-concurrency none`,
		ValidArgsFunction: a.completeArgs(a.functionNames),
	})
	var f functionFlags
	f.bindAll(cmd)
	f.bindUnset(cmd)
	var ifMatch string
	ifMatchFlag(cmd, &ifMatch)
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		if !f.given(cmd) {
			return usagef("%s needs something to change, such as --memory", cmd.CommandPath())
		}
		updated, err := f.update(ctx, c, args[0], tagOf(ifMatch))
		if err != nil {
			return err
		}
		return a.show(updated, func() error { return a.showFunction(updated, "") })
	})
	return cmd
}

func (a *app) newFunctionDeleteCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a function",
		Long:              "Delete a function with its versions and aliases. The appliance keeps it for 7\ndays, unless --force is given.",
		Example:           "  skiff function delete hello\n  skiff function delete hello --force",
		ValidArgsFunction: a.completeArgs(a.functionNames),
		RunE: a.remote(func(ctx context.Context, c *client.Client, args []string) error {
			if err := c.DeleteFunction(ctx, args[0], force); err != nil {
				return err
			}
			return a.printf("deleted function %s\n", args[0])
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "at once and for good")
	return cmd
}

// remote makes the body of a command that calls the appliance.
func (a *app) remote(do func(ctx context.Context, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		defer c.Close()
		return do(cmd.Context(), c, args)
	}
}
