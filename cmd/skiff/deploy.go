package main

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/cmd/skiff/internal/bundle"
	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// deployment is what skiff deploy is asked for.
type deployment struct {
	functionFlags
	path, name, alias     string
	description, strategy string
	configured            bool // whether a flag changes the function itself
}

const allAtOnce = "AllAtOnce"

func (a *app) newDeployCommand() *cobra.Command {
	var d deployment
	cmd := a.printable(&cobra.Command{
		Use: "deploy PATH", Short: "Upload code, publish it as a version, move an alias to it",
		Long: `Upload a .wasm file, a .zip file or a directory, and publish it as the next
version of a function, which is created if it does not exist. With --alias the
alias is moved to the new version, or made.

The handler says what is called: main._start is the program in main.wasm,
main.handle the export "handle" of a reactor. A single .wasm file may have any
name; in a directory or a .zip file it is called as the handler says.

A directory becomes a ZIP archive that depends on its content alone: the same
tree has the same SHA-256. .git and what .skiffignore lists are left out.`,
		Example: `  skiff deploy hello.wasm
  skiff deploy hello.wasm --function greeter --handler main.handle --alias live
  skiff deploy ./api --env STAGE=prod           # a directory with main.wasm in it
  skiff deploy build/code.zip --function api --description "fix the clock" -o json`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
	})
	fs := cmd.Flags()
	fs.StringVar(&d.name, "function", "", "`NAME` of the function; that of the file or directory if not given")
	fs.StringVar(&d.alias, "alias", "", "`ALIAS` to move to the new version")
	fs.StringVar(&d.description, "description", "", "what is new in this version, a `TEXT`")
	d.strategy = allAtOnce
	fs.Var(&value{kind: "STRATEGY", text: allAtOnce, set: func(s string) error { return d.setStrategy(s) }}, "strategy", "how the alias moves: AllAtOnce")
	complete(cmd, "strategy", allAtOnce)
	completeWith(cmd, "function", func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return a.completeWith(cmd, a.functionNames, args, word)
	})
	d.bindCode(cmd)
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		d.path, d.configured = args[0], d.given(cmd)
		return a.deploy(ctx, c, &d)
	})
	return cmd
}

func (d *deployment) setStrategy(s string) error {
	if !strings.EqualFold(s, allAtOnce) {
		return usagef("only %s is available here: the alias moves at once. Shares of several versions are set with skiff alias update --routing", allAtOnce)
	}
	return nil
}

func (a *app) deploy(ctx context.Context, c *client.Client, d *deployment) error {
	if err := d.check(); err != nil {
		return err
	}
	code, err := bundle.Open(ctx, d.path)
	if err != nil {
		return err
	}
	defer code.Close()
	undo, err := a.prepare(ctx, c, d, code)
	if err != nil {
		return err
	}
	v, err := a.publish(ctx, c, d, code)
	if err != nil {
		undo()
		return err
	}
	if d.alias != "" {
		if err := a.moveAlias(ctx, c, d, v.Version); err != nil {
			return err
		}
	}
	return a.show(v, func() error { return a.showDeployed(d, v) })
}

// check finds what is wrong with names before anything is sent.
func (d *deployment) check() error {
	if d.name == "" {
		d.name = nameFor(d.path)
	}
	if !function.ValidName(d.name) {
		return usagef("--function %q: a name has 1 to 64 letters, digits, hyphens and underscores", d.name)
	}
	if d.alias != "" && !function.ValidAliasName(d.alias) {
		return usagef("--alias %q: a name has 1 to 64 letters, digits, hyphens and underscores, and is not the number of a version", d.alias)
	}
	return nil
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// nameFor makes a function's name of the name of a file or directory; "" where
// nothing of it can be used.
func nameFor(p string) string {
	if full, err := filepath.Abs(p); err == nil {
		p = full
	}
	base := filepath.Base(p)
	if ext := strings.ToLower(filepath.Ext(base)); ext == ".wasm" || ext == ".zip" {
		base = base[:len(base)-len(ext)]
	}
	name := strings.Trim(notInNames.ReplaceAllString(base, "-"), "-")
	return strings.TrimRight(name[:min(len(name), 64)], "-")
}

// prepare creates the function, or changes what the flags name. The returned
// function takes the change back, for code that is refused: the newest version
// must not run with what was meant for other code.
func (a *app) prepare(ctx context.Context, c *client.Client, d *deployment, code *bundle.Bundle) (undo func(), err error) {
	before, _, err := c.Function(ctx, d.name)
	switch {
	case err == nil && d.configured:
		after, err := d.update(ctx, c, d.name, "")
		if err != nil {
			return nil, err
		}
		return func() { a.restore(ctx, c, before, after) }, nil
	case err == nil:
		return func() {}, nil
	case !client.HasStatus(err, http.StatusNotFound):
		return nil, err
	}
	patch := d.onto(&wire.Function{})
	if patch.Runtime == nil {
		if patch.Runtime, err = guessRuntime(d, code); err != nil {
			return nil, err
		}
	}
	if _, err := c.CreateFunction(ctx, wire.CreateFunction{Name: d.name, Patch: patch}); err != nil {
		return nil, err
	}
	a.note("created function %s", d.name)
	return func() { a.note("function %s has no code yet: deploy again when the code is mended", d.name) }, nil
}

// restore gives a function back the settings that a deployment can change,
// unless somebody else has changed it since.
func (a *app) restore(ctx context.Context, c *client.Client, before, after *wire.Function) {
	now, tag, err := c.Function(ctx, before.Name)
	if err == nil && !now.UpdatedAt.Equal(after.UpdatedAt) {
		err = errors.New("somebody else has changed them since")
	}
	if err == nil {
		runtime := string(before.Runtime)
		_, err = c.UpdateFunction(ctx, before.Name, tag, function.Patch{
			Runtime: &runtime, Handler: &before.Handler, MemoryMB: &before.MemorySize, Timeout: &before.Timeout,
			Environment: changed(before.Environment, after.Environment), Team: &before.Team,
		})
	}
	if err != nil {
		a.note("warning: the settings of %s stay changed: %s", before.Name, clean(err.Error()))
	}
}

// changed returns what an environment was, or nil where it is that still.
func changed(before, after map[string]string) map[string]string {
	if maps.Equal(before, after) {
		return nil
	}
	if before == nil {
		return map[string]string{}
	}
	return before
}

// guessRuntime takes WebAssembly for what it is. For anything else a guess
// would be wrong too often, so it is only told.
func guessRuntime(d *deployment, code *bundle.Bundle) (*string, error) {
	runtime := string(function.RuntimeWasm)
	if code.Kind == bundle.Wasm || slices.Contains(code.Names, "main.wasm") {
		return &runtime, nil
	}
	hint := "give --runtime, such as wasm, node22, python313 or dotnet9"
	for _, name := range code.Names {
		if likely := likelyRuntime[path.Ext(name)]; likely != "" && !strings.Contains(name, "/") {
			hint = "with " + name + " it may be --runtime " + likely
			break
		}
	}
	return nil, &usageError{message: "function " + d.name + " does not exist, and which runtime it is for is not known", hint: hint}
}

var likelyRuntime = map[string]string{
	".js": "node22", ".mjs": "node22", ".cjs": "node22", ".py": "python313", ".dll": "dotnet9", ".wasm": "wasm",
}

func (a *app) publish(ctx context.Context, c *client.Client, d *deployment, code *bundle.Bundle) (*wire.Version, error) {
	mime := client.TypeZip
	if code.Kind == bundle.Wasm {
		mime = client.TypeWasm
	}
	bar := a.newProgress(code.Size)
	v, err := c.Publish(ctx, d.name, client.Publication{Code: code, Size: code.Size, Type: mime, Description: d.description, Progress: bar.set})
	bar.done()
	if err != nil {
		return nil, err
	}
	if v.CodeSHA256 != code.SHA256 {
		return nil, fault.New(fault.Conflict, "code_changed", "%s has changed while it was uploaded: version %s holds other code than was checked", d.path, v.VersionString).
			WithRemedy("deploy it again when nothing writes to it")
	}
	return v, nil
}

// moveAlias points the alias at the version, at once and for all invocations.
func (a *app) moveAlias(ctx context.Context, c *client.Client, d *deployment, n function.Number) error {
	body := wire.PutAlias{AliasName: d.alias, Version: n}
	_, tag, err := c.Alias(ctx, d.name, d.alias)
	switch {
	case err == nil:
		_, err = c.UpdateAlias(ctx, d.name, d.alias, tag, body)
	case client.HasStatus(err, http.StatusNotFound):
		_, err = c.CreateAlias(ctx, d.name, body)
	}
	if err != nil {
		a.note("published %s of %s; the alias %s could not be moved", n, d.name, d.alias)
	}
	return err
}

func (a *app) showDeployed(d *deployment, v *wire.Version) error {
	reference := d.name
	if d.alias != "" {
		reference += ":" + d.alias
	}
	err := a.fields([][2]string{
		{"Function", v.FunctionName}, {"Version", v.VersionString}, {"Alias", d.alias},
		{"SHA-256", v.CodeSHA256}, {"Size", bytesText(v.CodeSize)},
	}...)
	if err != nil {
		return err
	}
	a.note("try: skiff invoke %s --data '{}'", reference)
	return nil
}
