package main

import (
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// The groups of commands in the help, in their order.
var groups = []*cobra.Group{
	{ID: groupUse, Title: "Functions:"},
	{ID: groupLook, Title: "What happened:"},
	{ID: groupAccess, Title: "Access:"},
	{ID: groupAppliance, Title: "The appliance:"},
	{ID: groupProgram, Title: "This program:"},
}

const (
	groupUse       = "functions"
	groupLook      = "look"
	groupAccess    = "access"
	groupAppliance = "appliance"
	groupProgram   = "program"
)

const rootLong = `Skiff runs functions on one small host: deploy a WebAssembly module, invoke
it, give its versions names, and go back when one was wrong.

Which appliance, and who you are, comes from --server and --token, else from
SKIFF_SERVER and SKIFF_TOKEN, else from what skiff login has stored, else it is
http://127.0.0.1:8080.

Exit codes: 0 success, 1 the function failed, 2 wrong usage (nothing was sent),
3 server, authentication or network.`

const rootExample = `  skiff deploy hello.wasm --alias live
  skiff invoke hello:live --data '{"name": "Ada"}'
  skiff function list
  skiff metrics hello --window 15m`

// usageTemplate is cobra's, with commands that only have commands below them
// shown as such, and no blank for groups that are not there.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}
{{- end}}
{{- if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{if eq (len .Groups) 0}}

Commands:
{{- range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{- else}}{{range $group := .Groups}}

{{.Title}}
{{- range $cmds}}{{if (and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help")))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" says more about one.
{{- end}}
`

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use: "skiff", Short: "Functions on one small host", Long: rootLong, Example: rootExample,
		Version: programVersion(), SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Args:              noVerb,
	}
	root.SetVersionTemplate("skiff {{.Version}} " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + "\n")
	root.SetUsageTemplate(usageTemplate)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().StringVar(&a.server, "server", "", "`ADDRESS` of the appliance")
	root.PersistentFlags().StringVar(&a.token, "token", "", "`TOKEN` to call it with")
	root.AddGroup(groups...)
	a.addCommands(root)
	a.finish(root)
	return root
}

// addCommands is the list of commands, each in its group.
func (a *app) addCommands(root *cobra.Command) {
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
		}
		root.AddCommand(commands...)
	}
	add(groupUse, a.newDeployCommand(), a.newInvokeCommand(), a.newFunctionCommand(), a.newVersionCommand(), a.newAliasCommand())
	add(groupLook, a.newMetricsCommand(), a.newAuditCommand())
	add(groupAccess, a.newLoginCommand(), a.newLogoutCommand(), a.newTokenCommand(), a.newUserCommand())
	add(groupAppliance, a.newServeCommand(), a.newAdminCommand())
	help := newHelpCommand()
	root.SetHelpCommand(help)
	add(groupProgram, newCompletionCommand(), help)
}

// newGroup returns a command that only has commands below it.
func newGroup(use, short, long string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: noVerb, RunE: needsVerb}
	c.AddCommand(verbs...)
	return c
}

func noVerb(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownVerb(cmd, args[0])
	}
	return nil
}

func needsVerb(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	e := usagef("%s needs one of: %s", cmd.CommandPath(), strings.Join(names, ", "))
	return e
}

// finish gives every command below cmd what all have in common.
func (a *app) finish(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		a.finish(c)
	}
	if cmd.Args == nil {
		cmd.Args = checkArgs
	}
	if cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.running = true
			return run(cmd, args)
		}
	}
}

func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND…]", Short: "Show the help of a command",
		Example: "  skiff help deploy\n  skiff help alias update",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			found, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []cobra.Completion
			for _, c := range found.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownVerb(found, first(append(rest, args...)...))
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "completion SHELL", Short: "Print a completion script for bash, zsh, fish or powershell",
		Long: "Print a script that completes commands, flags and, where the appliance can be\nreached, names of functions, aliases and versions. For bash, the package\nbash-completion must be installed.",
		Example: `  source <(skiff completion bash)
  skiff completion bash > /etc/bash_completion.d/skiff
  skiff completion zsh > "${fpath[1]}/_skiff"
  skiff completion fish > ~/.config/fish/completions/skiff.fish
  skiff completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: []cobra.Completion{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return &usageError{
				message: "there is no completion for the shell " + args[0],
				hint:    first(didYouMean(args[0], cmd.ValidArgs, ""), "there is one for "+strings.Join(cmd.ValidArgs, ", ")),
			}
		},
	}
}
