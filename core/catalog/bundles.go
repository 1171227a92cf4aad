package catalog

import (
	"context"
	"io"
	"log/slog"
	"sync"

	"github.com/skiffhq/skiff/core/artifact"
)

// bundles counts who uses which code and deletes what nobody uses.
//
// While code is being received nothing is deleted: the upload may turn out to
// be the very bytes that lost their last user, and Put, having found them
// stored, writes nothing.
type bundles struct {
	code Code
	log  *slog.Logger

	mu        sync.Mutex      // also held while a bundle is deleted, which takes milliseconds
	uses      map[string]int  // by SHA-256: stored versions, and publishes under way
	unused    map[string]bool // to be deleted as soon as nothing is received
	receiving int             // uploads whose SHA-256 is not known yet
}

func newBundles(code Code, log *slog.Logger) bundles {
	return bundles{code: code, log: log, uses: map[string]int{}, unused: map[string]bool{}}
}

// reset forgets every user, before they are counted from the store.
func (b *bundles) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.uses)
}

// receive stores code and counts the caller among its users, until release.
func (b *bundles) receive(ctx context.Context, r io.Reader, limit int64) (artifact.Bundle, error) {
	b.mu.Lock()
	b.receiving++
	b.mu.Unlock()
	var sha string
	defer func() { b.received(sha) }()
	bundle, err := b.code.Put(ctx, r, limit)
	if err == nil {
		sha = bundle.SHA256
	}
	return bundle, err
}

func (b *bundles) received(sha string) {
	b.mu.Lock()
	b.receiving--
	if sha != "" {
		b.count(sha)
	}
	b.mu.Unlock()
	b.clean()
}

// use counts a user.
func (b *bundles) use(sha string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(sha)
}

func (b *bundles) count(sha string) {
	b.uses[sha]++
	delete(b.unused, sha)
}

// release takes away one user of each bundle named, and deletes those that
// have none left.
func (b *bundles) release(list ...string) {
	b.mu.Lock()
	for _, sha := range list {
		if b.uses[sha]--; b.uses[sha] <= 0 {
			delete(b.uses, sha)
			b.unused[sha] = true
		}
	}
	b.mu.Unlock()
	b.clean()
}

// sweep deletes the bundles that nobody uses: left by a process that ended
// between storing code and storing the version, or that could not be deleted.
func (b *bundles) sweep(ctx context.Context) error {
	list, err := b.code.List(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	orphans := 0
	for _, sha := range list {
		if b.uses[sha] == 0 {
			b.unused[sha] = true
			orphans++
		}
	}
	b.mu.Unlock()
	if orphans > 0 {
		b.log.Info("deleting code that no version uses", "bundles", orphans)
	}
	b.clean()
	return nil
}

// clean deletes what is unused, giving others a turn between two bundles.
func (b *bundles) clean() {
	for b.deleteOne() {
	}
}

func (b *bundles) deleteOne() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.receiving > 0 {
		return false
	}
	for sha := range b.unused {
		delete(b.unused, sha)
		// A change is over, whatever becomes of the one who asked for it.
		if err := b.code.Delete(context.Background(), sha); err != nil {
			b.log.Warn("cannot delete code that no version uses; the next sweep tries again", "sha256", sha, "error", err)
		}
		return true
	}
	return false
}
