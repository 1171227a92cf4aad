package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// nearest returns the candidate that is the fewest typing mistakes away, ""
// where none is near.
func nearest(word string, candidates []string) string {
	best, fewest := "", 2*(max(2, len(word)/3)+1)
	for _, c := range candidates {
		n := 2 * distance(strings.ToLower(word), strings.ToLower(c))
		if word != "" && c != "" && word[0] != c[0] {
			n++ // the first letter is seldom wrong
		}
		if n < fewest {
			best, fewest = c, n
		}
	}
	return best
}

// distance counts insertions, deletions, replacements and swaps of neighbours.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := range len(a) {
		before, above, row := rows[0], rows[1], rows[2]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, above[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		rows = [3][]int{above, row, before}
	}
	return rows[1][len(b)]
}

func didYouMean(word string, candidates []string, prefix string) string {
	if near := nearest(word, candidates); near != "" {
		return "did you mean " + prefix + near + "?"
	}
	return ""
}

// flagError makes a usage error of what the parser of flags says.
func flagError(cmd *cobra.Command, err error) error {
	u := &usageError{message: err.Error()}
	var unknown *pflag.NotExistError
	var wrong *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		u.message = fmt.Sprintf("%s has no flag --%s", cmd.CommandPath(), unknown.GetSpecifiedName())
		u.hint = didYouMean(unknown.GetSpecifiedName(), flagNames(cmd), "--")
	case errors.As(err, &wrong):
		// The error behind it is worded by the flag.
		u.message = fmt.Sprintf("--%s %q: %v", wrong.GetFlag().Name, wrong.GetValue(), wrong.Unwrap())
	}
	return u
}

func flagNames(cmd *cobra.Command) (names []string) {
	add := func(f *pflag.Flag) { names = append(names, f.Name) }
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return names
}

// unknownVerb is the error for a word that is no command below cmd.
func unknownVerb(cmd *cobra.Command, word string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return &usageError{
		message: fmt.Sprintf("%s has no command %q", cmd.CommandPath(), word),
		hint:    didYouMean(word, names, cmd.CommandPath()+" "),
	}
}

// checkArgs holds the arguments to the words in cmd.Use that are written in
// capitals; those in brackets may be left out.
func checkArgs(cmd *cobra.Command, args []string) error {
	words := strings.Fields(cmd.Use)[1:]
	for i, w := range words {
		if i >= len(args) && !strings.HasPrefix(w, "[") {
			return usagef("%s needs %s", cmd.CommandPath(), w)
		}
	}
	if len(args) > len(words) && !slices.ContainsFunc(words, func(w string) bool { return strings.HasSuffix(w, "…]") }) {
		return usagef("%s does not know what to do with %q", cmd.CommandPath(), args[len(words)])
	}
	return nil
}
