package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

// refresh reads the source and takes its keys if they differ.
func (k *keySet) refresh(ctx context.Context) error {
	raw, err := k.read(ctx)
	if err != nil {
		return err
	}
	if bytes.Equal(raw, k.raw) {
		return nil
	}
	if err := k.use(raw); err != nil {
		return err
	}
	saved, err := json.Marshal(savedKeys{Source: k.source, Keys: raw})
	if err == nil {
		err = writeFile(k.lastGood, saved)
	}
	if err != nil {
		k.log.Warn("the external issuer's keys could not be kept for a start without it", "path", k.lastGood, "error", err)
	}
	return nil
}

func (k *keySet) read(ctx context.Context) ([]byte, error) {
	if isURL(k.source) {
		return k.fetch(ctx)
	}
	f, err := os.Open(k.source)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

func (k *keySet) fetch(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.source, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: status %s", k.source, resp.Status)
	}
	return readAll(resp.Body)
}

func readAll(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxJWKS+1))
	if err == nil && len(raw) > maxJWKS {
		err = fmt.Errorf("the key set is larger than %d bytes", maxJWKS)
	}
	return raw, err
}

// savedKeys is the copy on disk. It names its source: keys of one issuer must
// not be taken for another's after a change of configuration.
type savedKeys struct {
	Source string          `json:"source"`
	Keys   json.RawMessage `json:"keys"`
}

func (k *keySet) loadLastGood() error {
	data, err := os.ReadFile(k.lastGood)
	if err != nil {
		return err
	}
	var saved savedKeys
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("read %s: %w", k.lastGood, err)
	}
	if saved.Source != k.source {
		return fmt.Errorf("the copy in %s is of %s", k.lastGood, saved.Source)
	}
	return k.use(saved.Keys)
}
