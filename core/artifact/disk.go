package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"github.com/skiffhq/skiff/core/fault"
)

// source reads an upload until its context ends. It remembers why it stopped,
// which tells a bad upload from a bad disk.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = fmt.Errorf("store code: read the upload: %w", err)
	}
	return n, err
}

// openVerified opens the packed bytes and hashes all of them; a file whose
// hash is wrong is never handed out. The caller closes the file.
func (s *Store) openVerified(ctx context.Context, sha string) (*os.File, int64, error) {
	if !isSHA(sha) {
		return nil, 0, notFound(sha)
	}
	f, err := os.Open(s.path(sha))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, notFound(sha)
	}
	if err != nil {
		return nil, 0, diskFault(err, "read code %s", short(sha))
	}
	size, err := verify(ctx, f, sha)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

func verify(ctx context.Context, f *os.File, sha string) (int64, error) {
	hash := sha256.New()
	in := &source{ctx: ctx, r: f}
	n, err := io.Copy(hash, in)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, diskFault(err, "read code %s", short(sha))
	}
	if hex.EncodeToString(hash.Sum(nil)) != sha {
		return 0, fault.New(fault.Internal, fault.ReasonBadBundle,
			"read code %s: the stored bytes do not match their SHA-256", short(sha)).
			WithRemedy("deploy the same code again, or restore %s from a backup; then check the disk", f.Name())
	}
	return n, nil
}

// diskFault wraps an error of the file system. A full disk is Exhausted, for
// it passes; a fault stays what it is; anything else is Internal.
func diskFault(err error, format string, args ...any) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(err, fault.Exhausted, "disk_full", format, args...).
			WithRemedy("free space on the disk of the data directory")
	}
	return fault.Wrap(err, fault.Internal, "code_store", format, args...)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// removeTree is os.RemoveAll for trees whose directories are read-only, which
// matters to everyone but root.
func removeTree(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && err == nil {
			return os.Chmod(path, 0o700)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}

func isSHA(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// short is enough of a SHA-256 to tell bundles apart in a sentence.
func short(sha string) string { return sha[:min(len(sha), 12)] }

// bootID names the directory of unpacked trees. They are written without
// fsync, which would make a cold start wait for thousands of small files; so
// after a reboot, perhaps after a power cut, they are not trusted but unpacked
// again. Where the system has no such id nothing outlives the process.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if id, perr := uuid.ParseBytes([]byte(strings.TrimSpace(string(b)))); err == nil && perr == nil {
		return id.String()
	}
	return uuid.NewString()
}
