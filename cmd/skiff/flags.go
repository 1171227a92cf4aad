package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skiffhq/skiff/core/function"
)

// value is a flag that hands what it is given to a function, whose error is
// worded for the user.
type value struct {
	kind string // what the help calls it
	text string
	set  func(string) error
}

// String implements pflag.Value.
func (v *value) String() string { return v.text }

// Type implements pflag.Value.
func (v *value) Type() string { return v.kind }

// Set implements pflag.Value.
func (v *value) Set(s string) error {
	if err := v.set(s); err != nil {
		return err
	}
	v.text = s
	return nil
}

// flag is a flag's name, what the help calls its value, and its meaning.
type flag struct{ name, kind, usage string }

// optional makes a flag that fills a pointer, so that what was not given stays
// nil.
func optional[T any](fs *pflag.FlagSet, to **T, f flag, parse func(string) (T, error)) {
	fs.Var(&value{kind: f.kind, set: func(s string) error {
		v, err := parse(s)
		if err == nil {
			*to = &v
		}
		return err
	}}, f.name, f.usage)
}

// toggle is optional for a flag that needs no value.
func toggle(fs *pflag.FlagSet, to **bool, name, usage string) {
	optional(fs, to, flag{name, "bool", usage}, func(s string) (bool, error) {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return false, errors.New("must be true or false")
		}
		return b, nil
	})
	fs.Lookup(name).NoOptDefVal = "true"
}

func parseText(s string) (string, error) { return s, nil }

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, errors.New("must be a whole number")
	}
	return n, nil
}

func parseDuration(s string) (function.Duration, error) {
	d, err := function.ParseDuration(s)
	if err != nil {
		return 0, errors.New(`must be a duration such as 90s, 10m, 24h, PT10M or P90D, at most ten years`)
	}
	return function.Duration(d), nil
}

// parseSeconds reads whole seconds, as a number or a duration.
func parseSeconds(s string) (int, error) {
	if n, err := strconv.Atoi(s); err == nil {
		return n, nil
	}
	d, err := function.ParseDuration(s)
	if err != nil || d%time.Second != 0 {
		return 0, errors.New("must be whole seconds, such as 30 or 2m")
	}
	return int(d / time.Second), nil
}

// parseMegabytes reads MiB, with or without their unit.
func parseMegabytes(s string) (int, error) {
	number := strings.ToLower(strings.TrimSpace(s))
	scale := 1
	for _, unit := range []struct {
		name  string
		scale int
	}{{"mib", 1}, {"mb", 1}, {"m", 1}, {"gib", 1024}, {"gb", 1024}, {"g", 1024}} {
		if cut, ok := strings.CutSuffix(number, unit.name); ok {
			number, scale = strings.TrimSpace(cut), unit.scale
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > 1<<20 {
		return 0, errors.New("must be a size in MiB, such as 256 or 1G")
	}
	return n * scale, nil
}

// oneOf takes one of the words, in any case.
func oneOf(words []string, to func(string)) func(string) error {
	return func(s string) error {
		for _, w := range words {
			if strings.EqualFold(w, s) {
				to(w)
				return nil
			}
		}
		text := "must be " + strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
		if near := nearest(s, words); near != "" {
			text += "; did you mean " + near + "?"
		}
		return errors.New(text)
	}
}

// choice parses one of the words into a type of their own.
func choice[T ~string](words ...T) func(string) (T, error) {
	return func(s string) (T, error) {
		var got T
		err := oneOf(texts(words), func(w string) { got = T(w) })(s)
		return got, err
	}
}

func texts[T ~string](words []T) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return all
}

// list makes a flag that may be repeated, and may hold several words with
// commas between them.
func list[T any](fs *pflag.FlagSet, to *[]T, f flag, parse func(string) (T, error)) {
	fs.Var(&value{kind: f.kind, set: func(s string) error {
		for word := range strings.SplitSeq(s, ",") {
			v, err := parse(strings.TrimSpace(word))
			if err != nil {
				return err
			}
			*to = append(*to, v)
		}
		return nil
	}}, f.name, f.usage)
}

// pairs makes a flag KEY=VALUE that may be repeated.
func pairs(fs *pflag.FlagSet, to *map[string]string, name, usage string) {
	fs.Var(&value{kind: "KEY=VALUE", set: func(s string) error {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return errors.New("must be KEY=VALUE")
		}
		if *to == nil {
			*to = map[string]string{}
		}
		(*to)[k] = v
		return nil
	}}, name, usage)
}

// routing makes the flag for the shares of versions, "5=90,6=10".
func routing(fs *pflag.FlagSet, to *map[function.Number]int) {
	fs.Var(&value{kind: "VERSION=PERCENT,…", set: func(s string) error {
		shares, err := parseRouting(s)
		*to = shares
		return err
	}}, "routing", "shares of several versions, such as 5=90,6=10")
}

func parseRouting(s string) (map[function.Number]int, error) {
	shares := map[function.Number]int{}
	sum := 0
	for part := range strings.SplitSeq(s, ",") {
		number, share, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := parseVersion(number)
		percent, errShare := strconv.Atoi(strings.TrimSuffix(share, "%"))
		if err != nil || errShare != nil || percent < 0 {
			return nil, errors.New("must be versions with their shares in per cent, such as 5=90,6=10")
		}
		if _, twice := shares[n]; twice {
			return nil, fmt.Errorf("names version %d twice", n)
		}
		shares[n] = percent
		sum += percent
	}
	if sum != 100 {
		return nil, fmt.Errorf("the shares must sum to 100 per cent, not %d", sum)
	}
	return shares, nil
}

func parseVersion(s string) (function.Number, error) {
	n, err := function.ParseNumber(s)
	if err != nil {
		return 0, errors.New("must be the number of a version, such as 7 or v7")
	}
	return n, nil
}

// complete offers words for a flag's value.
func complete(cmd *cobra.Command, name string, words ...string) {
	fixed := cobra.FixedCompletions(slices.Clone(words), cobra.ShellCompDirectiveNoFileComp)
	completeWith(cmd, name, fixed)
}

// completeWith panics where the command has no such flag, which the first test
// would show.
func completeWith(cmd *cobra.Command, name string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(name, f); err != nil {
		panic(err)
	}
}
