package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/skiffhq/skiff/bench/scenario"
)

// command is the whole command line.
func command(out, errOut io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use: "skiff-bench", Short: "Measure an appliance", Version: version, SilenceUsage: true, SilenceErrors: true,
		Long: "Measure an appliance. bench/README.md says how to read the figures.",
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(listCommand(), runCommand(), baselineCommand())
	return root
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the scenarios", Args: arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return list(c.OutOrStdout()) },
	}
}

// list writes the table of scenarios.
func list(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) // Flush tells whether all could be written
	_, _ = fmt.Fprintln(t, "SCENARIO\tWHAT IS MEASURED\tEXPECTED\tBY DEFAULT\tBOUNDS")
	for _, s := range scenario.All() {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Description, s.Expects, s.Defaults(), s.Bounds)
	}
	return t.Flush()
}

func baselineCommand() *cobra.Command {
	return &cobra.Command{
		Use: scenario.BaselineCommand + " SCENARIO", Hidden: true, Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return scenario.Baseline(c.Context(), args[0], c.OutOrStdout())
		},
	}
}

// arguments makes a wrong number of arguments a wrong use.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// options are the flags of run.
type options struct {
	scenario.Settings
	json   string
	assert bool
}

func runCommand() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use: "run SCENARIO", Short: "Run a scenario and print what came out", Args: arguments(cobra.ExactArgs(1)),
		Long: "Run a scenario and print what came out. By default an appliance is started in a\n" +
			"temporary directory with its default configuration, and both loops are run. --rate\n" +
			"asks for the open loop alone, --connections, --rounds or --paired without --rate for\n" +
			"the closed loop alone. The exit code is 1 where an answer was wrong and, with\n" +
			"--assert, where a bound is broken.",
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	f := c.Flags()
	f.Float64Var(&o.Rate, "rate", 0, "open loop at so many requests a second")
	f.IntVar(&o.Connections, "connections", 0, "callers of the closed loop; with --rate, the pool of connections")
	f.DurationVar(&o.Duration, "duration", 0, "how long each server is loaded, all rounds together")
	f.IntVar(&o.Rounds, "rounds", 0, "alternations between appliance and baseline; of start: starts")
	f.BoolVar(&o.Paired, "paired", false, "at least 20 rounds, for claims of a few per cent")
	f.BoolVar(&o.NoBaseline, "no-baseline", false, "load the appliance alone")
	f.IntVar(&o.Functions, "functions", 0, "of start: how many functions are stored (10000)")
	f.StringVar(&o.json, "json", "", "write the report to a file, as JSON (-: to standard output instead of the tables)")
	f.BoolVar(&o.assert, "assert", false, "fail where a bound of the scenario is broken")
	f.StringVar(&o.Skiff, "skiff", "", "the program to measure (skiff beside this program, else on the PATH)")
	f.StringVar(&o.Server, "server", "", "URL of a running appliance to measure instead")
	f.StringVar(&o.TokenFile, "token-file", "", "with --server: a file that holds a token of a Developer or an Admin")
	f.IntVar(&o.ServerPID, "server-pid", 0, "with --server on this host: the process whose costs to read")
	f.BoolVar(&o.Keep, "keep", false, "leave the working directory with the appliance's log behind")
	return c
}

func (o *options) run(c *cobra.Command, name string) error {
	sc, ok := scenario.Find(name)
	if !ok {
		return usageError{fmt.Errorf("there is no scenario %q; there are %s", name, names())}
	}
	if err := o.programs(); err != nil {
		return err
	}
	o.Log = c.ErrOrStderr()
	if term.IsTerminal(int(os.Stderr.Fd())) {
		o.Progress = c.ErrOrStderr()
	}
	if err := o.Check(sc); err != nil {
		return usageError{err}
	}
	report, err := scenario.Run(c.Context(), sc, o.Settings)
	if report == nil {
		return err
	}
	return cmp.Or(errors.Join(err, o.write(c.OutOrStdout(), report)), o.verdict(report))
}

// verdict is the exit code's reason.
func (o *options) verdict(r *scenario.Report) error {
	if r.Failed() || o.assert && !r.Holds() {
		return errFailed
	}
	return nil
}

func names() string {
	var all []string
	for _, s := range scenario.All() {
		all = append(all, s.Name)
	}
	return strings.Join(all, ", ")
}

// programs finds this program and the one to measure.
func (o *options) programs() (err error) {
	if o.Self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if o.Skiff != "" || o.Server != "" {
		return nil
	}
	beside := filepath.Join(filepath.Dir(o.Self), "skiff")
	if _, err := os.Stat(beside); err == nil {
		o.Skiff = beside
		return nil
	}
	if o.Skiff, err = exec.LookPath("skiff"); err != nil {
		return fmt.Errorf("find the program to measure: there is no %s and no skiff on the PATH; build it or name it with --skiff", beside)
	}
	return nil
}

// write writes the tables and, where it is wanted, the JSON.
func (o *options) write(out io.Writer, r *scenario.Report) error {
	if o.json != "-" {
		if err := r.Print(out); err != nil {
			return err
		}
	}
	if o.json == "" {
		return nil
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	raw = append(raw, '\n')
	if o.json == "-" {
		_, err = out.Write(raw)
		return err
	}
	if err := os.WriteFile(o.json, raw, 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
