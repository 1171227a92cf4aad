package main

import (
	"context"
	"os"
	"strings"

	"github.com/skiffhq/skiff/cmd/skiff/internal/bundle"
	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/config"
	"github.com/skiffhq/skiff/core/wire"
)

// exampleName is the function that the example becomes.
const exampleName = "hello"

// dev greets whoever has started an appliance for development.
type dev struct {
	app     *app
	config  *config.Config
	example string // path of a module; empty for none
}

// welcome says where the appliance is and what to try. A failing example is no
// reason to end: the appliance serves, and the developer sees why.
func (d *dev) welcome(ctx context.Context, e wire.Endpoints) {
	server := "http://" + e.API
	_ = d.app.printf("\nSkiff serves on %s\n", server)
	if d.example != "" {
		if err := d.deployExample(ctx, server); err != nil {
			d.app.fail(d.app.explain(err))
		}
	}
	_ = d.app.printf("\nTry next, in another terminal:\n\n  export SKIFF_TOKEN=$(cat %s)%s\n", d.config.TokenFile(), d.exportServer(server))
	for _, line := range d.commands() {
		_ = d.app.printf("  %s\n", line)
	}
	_ = d.app.printf("\nCtrl-C ends it.\n")
}

// exportServer is needed where the API is not where the program looks first.
func (d *dev) exportServer(server string) string {
	if server == client.DefaultServer {
		return ""
	}
	return " SKIFF_SERVER=" + server
}

func (d *dev) commands() []string {
	if d.example == "" {
		return []string{"skiff deploy my-function.wasm", "skiff function list", "skiff help"}
	}
	program := "skiff"
	if strings.Contains(os.Args[0], "/") {
		program = os.Args[0]
	}
	return []string{
		program + ` invoke ` + exampleName + ` --data '{"name": "you"}'`,
		program + " version list " + exampleName,
		program + " metrics " + exampleName,
	}
}

// deployExample publishes the module, unless it is the newest version already,
// and invokes it.
func (d *dev) deployExample(ctx context.Context, server string) error {
	token, err := os.ReadFile(d.config.TokenFile())
	if err != nil {
		return err
	}
	c, err := d.app.connect(target{server, strings.TrimSpace(string(token))})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := d.publish(ctx, c); err != nil {
		return err
	}
	const payload = `{"name": "Skiff"}`
	_ = d.app.printf("$ skiff invoke %s --data '%s'\n", exampleName, payload)
	r, err := c.InvokeRaw(ctx, client.RawInvocation{Function: exampleName, Payload: []byte(payload)})
	if err != nil {
		return err
	}
	return d.app.printf("%s\n", r.Body)
}

// publish makes the example's code the newest version, if it is not yet.
func (d *dev) publish(ctx context.Context, c *client.Client) error {
	code, err := bundle.Open(ctx, d.example)
	if err != nil {
		return err
	}
	defer code.Close()
	handler, name := "main.handle", exampleName
	p := &deployment{name: name, path: d.example}
	p.patch.Handler = &handler
	if _, err := d.app.prepare(ctx, c, p, code); err != nil {
		return err
	}
	have, err := c.Versions(ctx, name, client.Page{Limit: 1})
	if err != nil || len(have.Versions) > 0 && have.Versions[0].CodeSHA256 == code.SHA256 {
		return err
	}
	_ = d.app.printf("\n$ skiff deploy %s --function %s --handler %s\n", d.example, name, handler)
	v, err := d.app.publish(ctx, c, p, code)
	if err != nil {
		return err
	}
	return d.app.printf("%s is published, %s of WebAssembly\n\n", v.VersionString, bytesText(v.CodeSize))
}
