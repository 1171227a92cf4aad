package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/function"
)

// printable gives a command the flag -o.
func (a *app) printable(cmd *cobra.Command) *cobra.Command {
	formats := []string{"table", "json"}
	a.output = formats[0]
	v := &value{kind: "FORMAT", text: formats[0], set: oneOf(formats, func(s string) { a.output = s })}
	cmd.Flags().VarP(v, "output", "o", "table, or json in the API's shape")
	complete(cmd, "output", formats...)
	return cmd
}

func (a *app) json() bool { return a.output == "json" }

// show prints an answer as JSON where that was asked for, else for people.
func (a *app) show(v any, people func() error) error {
	if !a.json() {
		return people()
	}
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows below a header, or notes that there are none.
func (a *app) table(what string, header string, rows [][]string) error {
	if len(rows) == 0 {
		a.note("no %s", what)
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(header, " ", "\t"))
	for _, row := range rows {
		writeCells(w, row)
	}
	return w.Flush()
}

// fields prints names and values of one object; values that are empty are
// left out.
func (a *app) fields(pairs ...[2]string) error {
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	for _, p := range pairs {
		if p[1] != "" {
			writeCells(w, p[:])
		}
	}
	return w.Flush()
}

// writeCells leaves errors to Flush.
func writeCells(w io.Writer, cells []string) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		c = strings.ReplaceAll(clean(c), "\n", " ")
		fmt.Fprint(w, first(c, "-"))
	}
	fmt.Fprintln(w)
}

// when shows a time: short and local to people, exact to programs.
func (a *app) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if a.terminal(a.out) {
		return t.Local().Format("2006-01-02 15:04")
	}
	return t.UTC().Format(time.RFC3339)
}

func (a *app) whenever(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return a.when(*t)
}

// durationText is Go's form without the units that are zero.
func durationText(d function.Duration) string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// bytesText shows a size as people say it.
func bytesText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// short cuts a text to n characters.
func short(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
