package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// fakeCode is Code in memory. stored, where set, is called when Put has stored
// the code and has not yet returned.
type fakeCode struct {
	mu     sync.Mutex
	held   map[string]bool
	stored func(sha string)
	fail   error // of Delete
}

func newFakeCode() *fakeCode { return &fakeCode{held: map[string]bool{}} }

func (c *fakeCode) Put(_ context.Context, r io.Reader, _ int64) (artifact.Bundle, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return artifact.Bundle{}, err
	}
	sum := sha256.Sum256(data)
	sha := hex.EncodeToString(sum[:])
	c.mu.Lock()
	c.held[sha] = true
	c.mu.Unlock()
	if c.stored != nil {
		c.stored(sha)
	}
	return artifact.Bundle{SHA256: sha, Size: int64(len(data)), Kind: artifact.KindWasm}, nil
}

func (c *fakeCode) Delete(_ context.Context, sha string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	delete(c.held, sha)
	return nil
}

func (c *fakeCode) List(context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.held)), nil
}

// TestFailedPublishSparesCodeThatAnotherIsAboutToUse lets one publish of some
// bytes fail while another one has stored the same bytes and does not know
// their name yet.
func TestFailedPublishSparesCodeThatAnotherIsAboutToUse(t *testing.T) {
	code := newFakeCode()
	f := newFixture(t, func(o *Options) {
		o.Code = code
		o.Check = func(_ context.Context, u *function.Unit) error {
			if u.Function == "refused" {
				return fault.New(fault.Invalid, fault.ReasonInvalidWasm, "refused")
			}
			return nil
		}
	})
	f.create("refused")
	f.create("taken")
	code.stored = func(string) {
		code.stored = nil
		_, err := f.Publish(context.Background(), "ada", "refused", Publication{Code: wasmModule("x")})
		wantFault(t, err, fault.Invalid, fault.ReasonInvalidWasm)
	}
	v := f.publish("taken", "x")
	if !code.held[v.CodeSHA256] {
		t.Fatal("the code of a version was deleted")
	}
	if err := f.sweep(t.Context()); err != nil || !code.held[v.CodeSHA256] {
		t.Errorf("the sweep took it: %v", err)
	}
	f.wantSame()
}

// TestUnusedCodeWaitsForUploads deletes a version while an upload of other
// bytes is under way.
func TestUnusedCodeWaitsForUploads(t *testing.T) {
	code := newFakeCode()
	f := newFixture(t, func(o *Options) { o.Code = code })
	f.create("hello")
	old := f.publish("hello", "1")
	f.publish("hello", "2")
	code.stored = func(string) {
		if err := f.DeleteVersion(context.Background(), "hello", 1); err != nil {
			t.Error(err)
		}
		if !code.held[old.CodeSHA256] {
			t.Error("code was deleted during an upload")
		}
	}
	f.publish("hello", "3")
	if code.held[old.CodeSHA256] || len(code.held) != 2 {
		t.Errorf("held: %v", code.held)
	}
}

func TestPanicInAnUploadBlocksNoDeletion(t *testing.T) {
	code := newFakeCode()
	f := newFixture(t, func(o *Options) { o.Code = code })
	f.create("hello")
	code.stored = func(string) { panic("broken") }
	func() {
		defer func() { _ = recover() }()
		_, _ = f.Publish(t.Context(), "ada", "hello", Publication{Code: wasmModule("0")})
	}()
	code.stored = nil
	f.publish("hello", "1")
	f.publish("hello", "2")
	if err := f.DeleteVersion(t.Context(), "hello", 1); err != nil {
		t.Fatal(err)
	}
	if err := f.sweep(t.Context()); err != nil || len(code.held) != 1 {
		t.Errorf("held %v, %v", code.held, err)
	}
}

func TestStartSweepsOrphans(t *testing.T) {
	f := newFixture(t)
	f.create("hello")
	v := f.publish("hello", "used")
	f.create("buried")
	buried := f.publish("buried", "kept for seven days")
	if err := f.Delete(t.Context(), "buried", false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.code.Put(t.Context(), wasmModule("left by a crash"), 0); err != nil {
		t.Fatal(err)
	}
	f.end()
	swept := make(chan struct{})
	opts := f.opts
	opts.Code = listed{f.code, swept}
	s := New(opts)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-swept
	if err := s.Stop(t.Context()); err != nil { // waits for the sweep to end
		t.Fatal(err)
	}
	want := []string{v.CodeSHA256, buried.CodeSHA256}
	slices.Sort(want)
	if got := f.bundles(); !slices.Equal(got, want) {
		t.Errorf("code %v, want %v", got, want)
	}
}

// listed tells when the code was listed, which the sweep does once.
type listed struct {
	Code
	done chan struct{}
}

func (l listed) List(ctx context.Context) ([]string, error) {
	defer close(l.done)
	return l.Code.List(ctx)
}

func TestCodeThatCannotBeDeletedIsTriedAgain(t *testing.T) {
	var log bytes.Buffer
	code := newFakeCode()
	f := newFixture(t, func(o *Options) {
		o.Code = code
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	f.create("hello")
	f.publish("hello", "1")
	code.fail = errors.New("read-only disk")
	if err := f.Delete(t.Context(), "hello", true); err != nil {
		t.Fatal(err)
	}
	if len(code.held) != 1 || !bytes.Contains(log.Bytes(), []byte("read-only disk")) {
		t.Errorf("held %v, log %s", code.held, log.Bytes())
	}
	code.fail = nil
	if err := f.sweep(t.Context()); err != nil || len(code.held) != 0 {
		t.Errorf("held %v, %v", code.held, err)
	}
}
