package node

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/skiffhq/skiff/core/api"
	"github.com/skiffhq/skiff/core/config"
	"github.com/skiffhq/skiff/core/fault"
)

// startOrder lists the parts so that each finds what it needs started. They
// stop in reverse: nothing new comes in, what runs is drained, those who run it
// go, and the store, into which all of them write, goes last.
func (n *node) startOrder() []part {
	return []part{
		{"data", n.makeDataDir, nothing, nil},
		{"store", n.store.Start, n.store.Stop, n.store.Ready},
		{"files", n.prepareFiles, n.removeFiles, nil}, // once the store's lock says that they are nobody's
		{"identity", n.identity.Start, n.identity.Stop, nil},
		{"code", n.code.Start, n.code.Stop, nil},
		{"wasm", n.wasm.Open, n.wasm.Close, nil},
		{"catalog", n.catalog.Start, n.catalog.Stop, nil},
		{"pool", n.pool.Start, n.pool.Stop, nil},
		{"invoker", n.invoker.Start, n.invoker.Stop, nil},
		{"admin socket", n.admin.Start, n.admin.Stop, nil},
		{"token", n.writeToken, nothing, nil},
		{"metrics", n.startScrape, n.scrape.stop, nil},
		{"api", n.startAPI, func(ctx context.Context) error { return n.api.Stop(ctx) }, nil}, // made by startAPI
	}
}

func nothing(context.Context) error { return nil }

// makeDataDir makes the directory that everything lies in. It holds the
// signing key and compiled code: nobody else may look into it.
func (n *node) makeDataDir(context.Context) error {
	dir := n.config.DataDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(err, fault.Unavailable, "data_dir", "make the data directory %s", dir).
			WithRemedy("choose one that this user may write to, with --data-dir")
	}
	return nil
}

// prepareFiles removes what an earlier run left behind that did not end well:
// it would send clients to where nobody is, or take up the disk. Uploads wait
// beside the data, which has a reserve of the disk, and not where others may
// look.
func (n *node) prepareFiles(ctx context.Context) error {
	err := errors.Join(n.removeFiles(ctx), os.RemoveAll(n.uploads()))
	if err == nil {
		err = os.Mkdir(n.uploads(), 0o700)
	}
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "data_dir", "write to the data directory %s", n.config.DataDir)
	}
	return nil
}

// removeFiles removes what tells of a running appliance.
func (n *node) removeFiles(context.Context) error {
	var errs []error
	for _, file := range []string{n.config.EndpointsFile(), n.config.TokenFile()} {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// writeToken leaves an administrator's token for whoever works on this host,
// before the API can say that it is ready.
func (n *node) writeToken(ctx context.Context) error {
	if !n.config.Dev {
		return nil
	}
	token, err := n.identity.EnsureDevAdmin(ctx)
	if err != nil {
		return err
	}
	return writeFile(n.config.TokenFile(), []byte(token+"\n"))
}

// startAPI listens. An appliance for development gives way where the default
// port is taken, so that two fit on one host.
func (n *node) startAPI(ctx context.Context) error {
	cert, err := n.certificate()
	if err != nil {
		return err
	}
	if err = n.listen(ctx, n.config.Listen, cert); err != nil &&
		n.config.Dev && n.config.Listen == config.DefaultListen && errors.Is(err, syscall.EADDRINUSE) {
		n.log.Info("the default port is taken, taking a free one", "listen", config.DefaultListen)
		err = n.listen(ctx, "127.0.0.1:0", cert)
	}
	if err != nil {
		return err
	}
	n.endpoints.API = n.api.Addr().String()
	if err := n.writeEndpoints(); err != nil {
		return errors.Join(err, n.api.Stop(ctx))
	}
	return nil
}

func (n *node) listen(ctx context.Context, addr string, cert *tls.Config) error {
	opts := n.apiOptions(addr, cert)
	opts.Ready = n.components
	n.api = api.New(opts)
	return n.api.Start(ctx)
}

// certificate returns nil for plain HTTP. The files are read once: a renewed
// certificate needs a restart.
func (n *node) certificate() (*tls.Config, error) {
	t := n.config.TLS
	if t.CertFile == "" {
		if !n.config.Loopback() {
			n.log.Warn("tokens cross the network in the clear: set tls.certFile and tls.keyFile", "listen", n.config.Listen)
		}
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "tls", "read the certificate %s", t.CertFile).
			WithRemedy("check tls.certFile and tls.keyFile: PEM files that fit each other")
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

func (n *node) writeEndpoints() error {
	data, err := json.MarshalIndent(n.endpoints, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(n.config.EndpointsFile(), append(data, '\n'))
}

// writeFile replaces a file at once, for its owner alone: whoever waits for it
// must not read half of it.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
