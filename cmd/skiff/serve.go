package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/config"
	"github.com/skiffhq/skiff/core/node"
	"github.com/skiffhq/skiff/core/telemetry"
	"github.com/skiffhq/skiff/core/wire"
)

// serveFlags are the flags of skiff serve.
type serveFlags struct {
	file, dataDir, listen string
	dev, check            bool
	example               string
}

func (a *app) newServeCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the appliance",
		Long: `Run the appliance until it is told to end by SIGINT or SIGTERM: it then answers
what it has begun. A second signal ends it at once.

Settings come from flags, else from environment variables (rateLimits.reads is
SKIFF_RATE_LIMITS_READS), else from the file of --config, else they are the
defaults. DIR/endpoints.json tells where a running appliance listens.

--dev needs no settings: plain HTTP on loopback, no rate limits, and an
administrator's token in DIR/admin.token.`,
		Example: `  skiff serve --dev
  skiff serve --config /etc/skiff/skiff.yaml
  skiff serve --config skiff.yaml --check-config`,
	}
	fs := cmd.Flags()
	fs.StringVar(&f.file, "config", "", "YAML `FILE` with settings")
	fs.StringVar(&f.dataDir, "data-dir", "", "`DIR` of everything the appliance keeps")
	fs.StringVar(&f.listen, "listen", "", "`HOST:PORT` of the API; port 0 takes a free one")
	fs.BoolVar(&f.dev, "dev", false, "for development on this host")
	fs.BoolVar(&f.check, "check-config", false, "check the settings and exit")
	fs.StringVar(&f.example, "example", "", "with --dev: deploy this .wasm `FILE`, invoke it and show what to try")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), f) }
	return cmd
}

// serve runs an appliance, or only checks its settings.
func (a *app) serve(ctx context.Context, f serveFlags) error {
	if f.example != "" && !f.dev {
		return usagef("--example goes with --dev")
	}
	c, err := a.loadConfig(f)
	if err != nil {
		return err
	}
	if f.check {
		return a.printf("the settings are sound\n")
	}
	d := &dev{app: a, config: c, example: f.example}
	ready := func(e wire.Endpoints) { d.welcome(ctx, e) }
	if !c.Dev {
		ready = nil
	}
	return node.Run(ctx, node.Options{
		Config: c, Version: programVersion(), Ready: ready,
		Log: telemetry.NewLog(a.err, c.Log.Level, c.Log.Format),
	})
}

// loadConfig puts flags over environment over file over defaults.
func (a *app) loadConfig(f serveFlags) (*config.Config, error) {
	return config.Load(config.Sources{
		File: first(f.file, a.env("SKIFF_CONFIG")), Env: a.env,
		Set: func(c *config.Config) error {
			c.Dev = f.dev
			if c.Dev && c.DataDir == config.Default().DataDir {
				c.DataDir = config.DevDataDir
			}
			c.DataDir, c.Listen = first(f.dataDir, c.DataDir), first(f.listen, c.Listen)
			return nil
		},
	})
}
