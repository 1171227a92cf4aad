package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/fault"
)

// The exit codes.
const (
	exitOK       = 0
	exitFunction = 1 // the function ran and failed
	exitUsage    = 2 // nothing was sent
	exitPlatform = 3
)

// errFunctionFailed ends an invocation whose failure has been shown.
var errFunctionFailed = errors.New("the function failed")

// usageError is a command line that cannot be meant.
type usageError struct {
	message string
	hint    string // what may have been meant; may be empty
}

// Error returns the message without the hint.
func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) *usageError {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// exit shows an error and returns the exit code.
func (a *app) exit(cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errFunctionFailed) {
		return exitFunction
	}
	if errors.Is(err, context.Canceled) && a.running {
		a.fail("interrupted", "")
		return exitPlatform
	}
	var usage *usageError
	if errors.As(err, &usage) || !a.running {
		a.failUsage(cmd, err, usage)
		return exitUsage
	}
	a.fail(a.explain(err))
	if fault.Is(err, fault.Invalid) {
		return exitUsage
	}
	return exitPlatform
}

func (a *app) failUsage(cmd *cobra.Command, err error, usage *usageError) {
	hint := "see " + cmd.CommandPath() + " --help"
	if usage != nil && usage.hint != "" {
		hint = usage.hint + "\n" + hint
	}
	a.fail(err.Error(), hint)
}

// explain returns what went wrong and what to do.
func (a *app) explain(err error) (text, hint string) {
	var refused *client.Error
	if errors.As(err, &refused) {
		return err.Error(), a.hintFor(refused)
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return err.Error(), ""
	}
	text, _, _ = strings.Cut(err.Error(), f.Error()) // what others have put before it
	text += f.Message
	if cause := f.Cause; cause != nil {
		var u *url.Error
		if errors.As(cause, &u) {
			cause = u.Err // the message says where it went
		}
		text += ": " + cause.Error()
	}
	for _, d := range f.Details {
		text += "\n  " + d.Field + ": " + d.Message
	}
	return text, f.Remedy
}

func (a *app) hintFor(e *client.Error) string {
	switch {
	case e.Code == "RUNTIME_UNAVAILABLE": // waiting does not help, and the message says what does
	case e.RetryAfter > 0:
		return "try again in " + e.RetryAfter.Round(time.Second).String()
	case e.Status == http.StatusUnauthorized:
		if t, err := a.target(); err == nil {
			return howToLogIn(t.server)
		}
	}
	return ""
}

// fail writes an error and, where there is one, its hint, each line clean of
// what a terminal would obey.
func (a *app) fail(text, hint string) {
	fmt.Fprintln(a.err, a.paint("31;1", "error:"), clean(text))
	if hint != "" {
		fmt.Fprintln(a.err, a.paint("36", "hint:"), strings.ReplaceAll(clean(hint), "\n", "\n  "))
	}
}

// paint colours a text for people who want colours.
func (a *app) paint(code, text string) string {
	if !a.terminal(a.err) || a.env("NO_COLOR") != "" || a.env("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// clean replaces what is not text, lines apart.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		if r == '\t' {
			return ' '
		}
		return '\uFFFD'
	}, s)
}
