// Package bundle makes what is uploaded out of a path: a WebAssembly module or
// a ZIP archive as they are, or a directory as a ZIP archive that depends on
// nothing but the names, the contents and the executable bits in it.
//
// What the bytes mean, and whether they can be run, is the server's to say.
package bundle

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"github.com/skiffhq/skiff/core/fault"
)

// The limits of code; contract values.
const (
	MaxPacked   = 50 << 20  // bytes to upload
	MaxUnpacked = 250 << 20 // bytes of all files together
	MaxFiles    = 10_000
)

// Kind says what the bytes are.
type Kind string

// The kinds of code.
const (
	Zip  Kind = "zip"
	Wasm Kind = "wasm"
)

// Bundle is code that is ready to be uploaded. It reads from its beginning and
// must be closed.
type Bundle struct {
	Kind   Kind
	Size   int64    // bytes to upload
	SHA256 string   // of the bytes to upload, lower-case hex
	Names  []string // of the files in an archive, for guesses

	file      *os.File
	temporary bool
}

// Read implements io.Reader.
func (b *Bundle) Read(p []byte) (int, error) { return b.file.Read(p) }

// Close lets go of the file, and removes it where it was made for this.
func (b *Bundle) Close() error {
	err := b.file.Close()
	if b.temporary {
		err = errors.Join(err, os.Remove(b.file.Name()))
	}
	return err
}

// Open makes a bundle of a file or a directory. Faults: Invalid for whatever
// cannot be uploaded, with the remedy where there is one.
func Open(ctx context.Context, path string) (*Bundle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, refuse("read %s: %v", path, cause(err))
	}
	if info.IsDir() {
		return pack(ctx, path)
	}
	if !info.Mode().IsRegular() {
		return nil, refuse("read %s: it is neither a file nor a directory", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, refuse("read %s: %v", path, cause(err))
	}
	b := &Bundle{file: f, Size: info.Size()}
	if err := b.inspect(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

// inspect tells what a file is by its first bytes and sums it up.
func (b *Bundle) inspect(path string) error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(b.file, head); err != nil {
		return notCode(path)
	}
	if b.Size > MaxPacked {
		return tooLarge(path, b.Size)
	}
	switch string(head) {
	case "\x00asm":
		b.Kind = Wasm
	case "PK\x03\x04":
		b.Kind = Zip
		if err := b.inspectZip(path); err != nil {
			return err
		}
	default:
		return notCode(path)
	}
	return b.sum()
}

func (b *Bundle) inspectZip(path string) error {
	r, err := zip.NewReader(b.file, b.Size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // the server judges names
		return refuse("read %s: it is a damaged ZIP archive: %v", path, err)
	}
	t := tally{path: path}
	for _, f := range r.File {
		if f.Mode().IsDir() {
			continue
		}
		if err := t.add(f.Name, int64(min(f.UncompressedSize64, MaxUnpacked+1))); err != nil {
			return err
		}
		b.Names = append(b.Names, f.Name)
	}
	return nil
}

// sum hashes the file and leaves it at its beginning. A file that another
// process still writes shows itself here, or by the server's own sum.
func (b *Bundle) sum() error {
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(h, b.file)
	if err != nil {
		return refuse("read %s: %v", b.file.Name(), cause(err))
	}
	if n != b.Size {
		return refuse("read %s: it changes while it is read", b.file.Name())
	}
	b.SHA256 = hex.EncodeToString(h.Sum(nil))
	_, err = b.file.Seek(0, io.SeekStart)
	return err
}

// tally counts what an archive holds against the limits.
type tally struct {
	path  string
	files int
	bytes int64
}

func (t *tally) add(name string, size int64) error {
	t.files++
	t.bytes += size
	if t.files > MaxFiles {
		return refuse("package %s: it holds more than %d files", t.path, MaxFiles).WithRemedy("%s", leaveOut)
	}
	if t.bytes > MaxUnpacked {
		return refuse("package %s: its files have more than %d MiB together, counted up to %s", t.path, MaxUnpacked>>20, name).
			WithRemedy("%s", leaveOut)
	}
	return nil
}

const leaveOut = "leave out what is not needed to run, with a line for each in a file " + IgnoreFile

func tooLarge(path string, size int64) error {
	return refuse("package %s: it has %.1f MiB packed, and %d MiB are allowed", path, float64(size)/(1<<20), MaxPacked>>20).
		WithRemedy("%s", leaveOut)
}

func notCode(path string) error {
	return refuse("read %s: it is neither a WebAssembly module nor a ZIP archive", path).
		WithRemedy("give a .wasm file, a .zip file or a directory")
}

func refuse(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, fault.ReasonInvalidCodePackage, format, args...)
}

// cause is what is wrong, without the path that the message names already.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
