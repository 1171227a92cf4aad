package node

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// scrapeListener serves /metrics on a listener of its own.
type scrapeListener struct {
	http    *http.Server // nil where there is none
	serving sync.WaitGroup
}

// startScrape listens where metrics.listen says, if it says so.
func (n *node) startScrape(ctx context.Context) error {
	addr := n.config.Metrics.Listen
	if addr == "" {
		return nil
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "listen", "listen on %s", addr).WithRemedy("choose another metrics.listen")
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", n.metrics.Handler())
	n.endpoints.Metrics = ln.Addr().String()
	n.scrape.http = &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	n.scrape.serving.Go(func() {
		if err := n.scrape.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			n.log.Error("metrics are served no more", "listen", addr, "error", err)
		}
	})
	return nil
}

func (s *scrapeListener) stop(ctx context.Context) error {
	if s.http == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.serving.Wait()
	return err
}
