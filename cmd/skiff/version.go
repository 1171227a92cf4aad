package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

func (a *app) newVersionCommand() *cobra.Command {
	return newGroup("version", "List, show, download and delete versions of a function",
		`A version is published code with the configuration it had then; it never
changes. skiff deploy publishes one. (skiff --version prints this program's own.)`,
		a.newVersionListCommand(), a.newVersionGetCommand(), a.newVersionDownloadCommand(), a.newVersionDeleteCommand())
}

func (a *app) newVersionListCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "list NAME", Short: "List the versions of a function, newest first", Example: "  skiff version list hello",
		ValidArgsFunction: a.completeArgs(a.functionNames),
	})
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		all := wire.Versions{FunctionName: args[0], Versions: []wire.Version{}}
		err := eachPage(func(p client.Page) (string, error) {
			page, err := c.Versions(ctx, args[0], p)
			if err != nil {
				return "", err
			}
			all.Total, all.Versions = page.Total, append(all.Versions, page.Versions...)
			return page.NextCursor, nil
		})
		if err != nil {
			return err
		}
		return a.show(all, func() error { return a.versionTable(all.Versions) })
	})
	return cmd
}

func (a *app) versionTable(versions []wire.Version) error {
	var rows [][]string
	for _, v := range versions {
		rows = append(rows, []string{
			v.VersionString, short(v.CodeSHA256, 13), bytesText(v.CodeSize), string(v.Runtime), string(v.Status),
			a.when(v.CreatedAt), v.CreatedBy, short(v.Description, 40),
		})
	}
	return a.table("versions", "VERSION SHA256 SIZE RUNTIME STATUS CREATED BY DESCRIPTION", rows)
}

func (a *app) newVersionGetCommand() *cobra.Command {
	cmd := a.printable(&cobra.Command{
		Use: "get NAME VERSION", Short: "Show a version", Example: "  skiff version get hello 3\n  skiff version get hello v3 -o json",
		ValidArgsFunction: a.completeArgs(a.functionNames, a.versionNumbers),
	})
	cmd.RunE = a.remote(func(ctx context.Context, c *client.Client, args []string) error {
		n, err := versionArg(args[1])
		if err != nil {
			return err
		}
		v, err := c.Version(ctx, args[0], n)
		if err != nil {
			return err
		}
		return a.show(v, func() error { return a.showVersion(v) })
	})
	return cmd
}

func versionArg(s string) (function.Number, error) {
	n, err := parseVersion(s)
	if err != nil {
		return 0, usagef("VERSION %q: %v", s, err)
	}
	return n, nil
}

func (a *app) showVersion(v *wire.Version) error {
	pairs := [][2]string{
		{"Function", v.FunctionName}, {"Version", v.VersionString}, {"Description", v.Description}, {"Status", string(v.Status)},
		{"SHA-256", v.CodeSHA256}, {"Size", bytesText(v.CodeSize)}, {"Runtime", string(v.Runtime)}, {"Handler", v.Handler},
		{"Memory", strconv.Itoa(v.MemorySize) + " MB"}, {"Timeout", strconv.Itoa(v.Timeout) + " s"},
	}
	pairs = append(pairs, pairsOf("Environment", v.Environment)...)
	return a.fields(append(pairs, [2]string{"Invocations", strconv.FormatUint(v.InvocationCount, 10)},
		[2]string{"Created", a.when(v.CreatedAt)}, [2]string{"Created by", v.CreatedBy})...)
}

func (a *app) newVersionDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME VERSION", Short: "Delete a version that nothing uses", Example: "  skiff version delete hello 3",
		ValidArgsFunction: a.completeArgs(a.functionNames, a.versionNumbers),
		RunE: a.remote(func(ctx context.Context, c *client.Client, args []string) error {
			n, err := versionArg(args[1])
			if err != nil {
				return err
			}
			if err := c.DeleteVersion(ctx, args[0], n); err != nil {
				return err
			}
			return a.printf("deleted version %s of %s\n", n, args[0])
		}),
	}
}

func (a *app) newVersionDownloadCommand() *cobra.Command {
	var path string
	var force bool
	cmd := &cobra.Command{
		Use: "download NAME VERSION", Short: "Download the code of a version",
		Long:              "Download the code of a version, byte for byte as it was uploaded, and check it\nagainst its SHA-256. An existing file is not replaced, unless --force is given.",
		Example:           "  skiff version download hello 3\n  skiff version download hello 3 --file - | sha256sum",
		ValidArgsFunction: a.completeArgs(a.functionNames, a.versionNumbers),
		RunE: a.remote(func(ctx context.Context, c *client.Client, args []string) error {
			n, err := versionArg(args[1])
			if err != nil {
				return err
			}
			return a.download(ctx, c, download{args[0], n, path, force})
		}),
	}
	cmd.Flags().StringVar(&path, "file", "", "`FILE` to write to, - for standard output; NAME-vN.wasm or .zip if not given")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	completeWith(cmd, "file", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	})
	return cmd
}

// download is what is to be fetched, and where to.
type download struct {
	name  string
	n     function.Number
	path  string
	force bool
}

func (a *app) download(ctx context.Context, c *client.Client, d download) error {
	v, err := c.Version(ctx, d.name, d.n)
	if err != nil {
		return err
	}
	code, err := c.Code(ctx, d.name, d.n)
	if err != nil {
		return err
	}
	defer code.Close()
	if d.path == "-" {
		return copyChecked(a.out, code, v)
	}
	if d.path == "" {
		d.path = fmt.Sprintf("%s-%s%s", v.FunctionName, d.n, extension(code.Type))
	}
	if _, err := os.Lstat(d.path); !d.force && !errors.Is(err, fs.ErrNotExist) {
		return &usageError{message: d.path + " exists", hint: "give --force to replace it, or another --file"}
	}
	if err := writeFile(d.path, func(f *os.File) error { return copyChecked(f, code, v) }); err != nil {
		return err
	}
	return a.printf("%s (%s, sha256 %s)\n", d.path, bytesText(v.CodeSize), v.CodeSHA256)
}

func extension(mime string) string {
	if mime == client.TypeWasm {
		return ".wasm"
	}
	return ".zip"
}

// copyChecked copies code and finds out whether it was the version's.
func copyChecked(to io.Writer, code io.Reader, v *wire.Version) error {
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(to, h), code); err != nil {
		return fmt.Errorf("download version %s of %s: %w", v.VersionString, v.FunctionName, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != v.CodeSHA256 {
		return fault.New(fault.Internal, fault.ReasonBadBundle, "download version %s of %s: what came has the SHA-256 %s, and should have %s",
			v.VersionString, v.FunctionName, got, v.CodeSHA256).WithRemedy("try again; if it stays so, the appliance's disk is damaged")
	}
	return nil
}
