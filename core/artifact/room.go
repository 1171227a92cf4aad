package artifact

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/skiffhq/skiff/core/fault"
)

// room keeps free space on the disk for others: the store of the appliance
// cannot bear a full one, and code is what fills disks fastest. It may be used
// by many goroutines.
type room struct {
	reserve int64        // bytes; 0 or less keeps nothing
	free    func() int64 // bytes that an ordinary user may still write; negative where they are not known
}

const (
	// roomStep is how much may be written for each look at the disk, in bytes.
	roomStep = 4 << 20
	// objectSize is what a file or a directory takes beside what it holds, in
	// bytes; ten thousand empty ones are no small thing.
	objectSize = 4 << 10
)

// check returns an Exhausted fault where the next step would take from the
// reserve. Space that is not known stops nobody.
func (r *room) check() error {
	if r.reserve <= 0 {
		return nil
	}
	free := r.free()
	if free < 0 || free-roomStep >= r.reserve {
		return nil
	}
	return fault.New(fault.Exhausted, fault.ReasonDiskReserve, "write code: %d MiB are free on its disk, and %d MiB are kept in reserve",
		free>>20, r.reserve>>20).
		WithRemedy("free space on the disk of the data directory, or delete versions that nobody needs")
}

// ration is the room that one writer was granted. It serves one goroutine.
type ration struct {
	room *room
	left int64
}

// take asks for room for so many bytes.
func (r *ration) take(bytes int64) error {
	for r.left < bytes {
		if err := r.room.check(); err != nil {
			return err
		}
		r.left += roomStep
	}
	r.left -= bytes
	return nil
}

// Write takes room for p, so that a ration can stand in front of a writer.
func (r *ration) Write(p []byte) (int, error) {
	if err := r.take(int64(len(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// rationed is a file that takes room for what is written into it.
type rationed struct {
	*os.File
	ration *ration
}

// Write implements io.Writer.
func (r rationed) Write(p []byte) (int, error) {
	if err := r.ration.take(int64(len(p))); err != nil {
		return 0, err
	}
	return r.File.Write(p)
}

// freeSpace asks the file system that holds dir.
func freeSpace(dir string) func() int64 {
	return func() int64 {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) != nil {
			return -1
		}
		return int64(st.Bavail) * st.Bsize
	}
}
