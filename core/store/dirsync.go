package store

import (
	"fmt"
	"os"
	"time"
)

// dirSync makes the names in a directory durable. Badger syncs the log that it
// has just created before it answers, but the directory that names it only some
// time later, in a goroutine; a power cut between the two could lose the log.
type dirSync struct {
	dir    string
	synced time.Time // modification time of the directory when it was last synced
}

// clockGrain is how long a directory may change without a new modification
// time: file systems take it from a clock that ticks.
const clockGrain = 20 * time.Millisecond

// sync costs one stat where the directory has not changed. It serves one
// goroutine.
func (d *dirSync) sync() error {
	info, err := os.Stat(d.dir)
	if err != nil {
		return fmt.Errorf("sync directory %q: %w", d.dir, err)
	}
	changed := info.ModTime()
	if changed.Equal(d.synced) {
		return nil
	}
	began := time.Now()
	if err := syncDir(d.dir); err != nil {
		return err
	}
	if began.Sub(changed) > clockGrain || began.Before(changed) {
		d.synced = changed
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory %q: %w", dir, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync directory %q: %w", dir, err)
	}
	return nil
}
