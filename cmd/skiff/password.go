package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPassword bounds what is read of a file with a password, in bytes.
const maxPassword = 4096

// passwordFlag adds the flag for a file with a password.
func passwordFlag(cmd *cobra.Command, to *string, name, whose string) {
	cmd.Flags().StringVar(to, name, "", "`FILE` with "+whose+" password, - for standard input; asked for if not given")
	completeWith(cmd, name, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	})
}

// password reads a password from a file, without the end of its line, or asks
// for it.
func (a *app) password(ctx context.Context, file, flag, prompt string) (string, error) {
	if file == "" {
		if !a.terminal(a.in) {
			return "", usagef("there is no terminal to ask for the password: give it with --%s FILE, or - for standard input", flag)
		}
		return a.secret(ctx, prompt)
	}
	data, err := a.readAll(file, maxPassword)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		return "", usagef("the password in %s is empty", file)
	}
	return text, nil
}

// newPassword is password for one that is being chosen: asked for twice, so
// that a slip does not lock anybody out.
func (a *app) newPassword(ctx context.Context, file string) (string, error) {
	once, err := a.password(ctx, file, "password-file", "New password: ")
	if err != nil || file != "" {
		return once, err
	}
	again, err := a.secret(ctx, "Again: ")
	if err != nil {
		return "", err
	}
	if once != again {
		return "", usagef("the two passwords differ")
	}
	return once, nil
}

// askSecret reads a line from the terminal without showing it. When ctx ends
// the terminal is put back at once; the read then ends with the program.
func (a *app) askSecret(ctx context.Context, prompt string) (string, error) {
	f, ok := a.in.(*os.File)
	if !ok {
		return "", usagef("there is no terminal to ask for a password")
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(a.err, prompt)
	defer fmt.Fprintln(a.err)
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return string(l.text), l.err
	case <-ctx.Done():
		_ = term.Restore(fd, before) // nothing better can be done on the way out
		return "", ctx.Err()
	}
}

// ask reads a line from the terminal.
func (a *app) ask(prompt, flag string) (string, error) {
	if !a.terminal(a.in) {
		return "", usagef("--%s is missing", flag)
	}
	fmt.Fprint(a.err, prompt)
	text, err := bufio.NewReader(a.in).ReadString('\n')
	if text = strings.TrimSpace(text); text == "" {
		return "", usagef("--%s is missing", flag)
	}
	return text, err
}
