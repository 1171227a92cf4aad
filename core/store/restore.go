package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"github.com/skiffhq/skiff/core/fault"
)

// Restore makes the store in dir from a backup. Either all of it is there when
// Restore returns, durable, or nothing: it is made beside dir and renamed. It
// may read past the end of the backup. Faults: Conflict where dir holds
// anything, Invalid for what is no whole backup or one of a newer Skiff,
// Exhausted where the disk is too small.
func Restore(ctx context.Context, dir string, r io.Reader) error {
	dir = filepath.Clean(dir)
	if err := mustBeEmpty(dir); err != nil {
		return err
	}
	in := newBackupReader(r)
	schema, err := in.header()
	if err != nil {
		return err
	}
	if known := uint32(len(steps) + 1); schema > known {
		return fault.New(fault.Invalid, "schema_newer", "restore the backup: its schema %d is newer than %d, which this version knows", schema, known).
			WithRemedy("restore it with the newer Skiff that wrote it")
	}
	return restoreBeside(ctx, dir, in)
}

func mustBeEmpty(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return restoreFault(err, dir)
	}
	if len(names) > 0 {
		return notEmpty(dir)
	}
	return nil
}

func notEmpty(dir string) error {
	return fault.New(fault.Conflict, "restore_not_empty", "restore into %q: the directory is not empty", dir).
		WithRemedy("move what is there away, or restore into another data directory")
}

func restoreBeside(ctx context.Context, dir string, in *backupReader) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return restoreFault(err, dir)
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".restore-*")
	if err != nil {
		return restoreFault(err, dir)
	}
	defer os.RemoveAll(tmp) // does nothing once it is renamed
	if err := fillFrom(ctx, tmp, in); err != nil {
		return restoreFault(err, dir)
	}
	// rename(2) replaces an empty directory and no other; os.Rename none at all.
	if err := unix.Rename(tmp, dir); errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return notEmpty(dir)
	} else if err != nil {
		return restoreFault(err, dir)
	}
	if err := syncDir(parent); err != nil {
		return restoreFault(err, dir)
	}
	return nil
}

// fillFrom makes a closed, durable store in dir.
func fillFrom(ctx context.Context, dir string, in *backupReader) (err error) {
	log := slog.New(slog.DiscardHandler)
	h := &health{}
	db, err := openBadger(dir, &logger{log, h})
	if err != nil {
		return err
	}
	room := &reserve{want: DefaultReserve, free: freeSpace(dir), now: time.Now, log: log}
	err = copyRecords(ctx, db, room, in)
	return errors.Join(err, db.Close(), h.lost(), syncDir(dir))
}

func copyRecords(ctx context.Context, db *badger.DB, room *reserve, in *backupReader) error {
	batch := db.NewWriteBatch()
	defer batch.Cancel()
	for {
		key, value, err := in.next()
		if err != nil {
			return err
		}
		if key == nil {
			return batch.Flush()
		}
		if err := errors.Join(ctx.Err(), room.check(false)); err != nil {
			return err
		}
		if err := batch.Set(key, value); err != nil {
			return err
		}
		room.wrote(int64(len(key) + len(value)))
	}
}

func restoreFault(err error, dir string) error {
	var known *fault.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("restore into %q: %w", dir, err)
	}
	return fault.Wrap(err, fault.Unavailable, "restore_failed", "restore into %q", dir).
		WithRemedy("check that the directory above it is writable and its disk sound")
}
