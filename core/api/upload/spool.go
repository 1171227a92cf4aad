// Package upload takes a large field out of a JSON body while the body
// streams in, so that fifty megabytes of base64 are never held in memory.
//
// What the bytes mean, and whether the rest of the body is right, is not
// decided here.
package upload

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// The limits that an upload may break.
var (
	ErrCodeTooLarge = errors.New("the field is too large")
	ErrRestTooLarge = errors.New("the body beside the field is too large")
)

// memoryBytes is how much a Spool holds before it takes to a file.
const memoryBytes = 1 << 20

// Spool keeps bytes until all have come: a few in memory, many in a file that
// has no name, so that nothing is left of it whatever happens. It serves one
// goroutine.
type Spool struct {
	dir    string
	left   int64
	memory bytes.Buffer
	file   *os.File
}

// NewSpool returns a Spool for at most limit bytes, whose file would lie in
// dir; empty means the system's directory for such files.
func NewSpool(dir string, limit int64) *Spool { return &Spool{dir: dir, left: limit} }

// Write implements io.Writer. Errors: ErrCodeTooLarge, those of the disk.
func (s *Spool) Write(p []byte) (int, error) {
	if s.left -= int64(len(p)); s.left < 0 {
		return 0, ErrCodeTooLarge
	}
	if s.file == nil && s.memory.Len()+len(p) <= memoryBytes {
		return s.memory.Write(p)
	}
	if err := s.open(); err != nil {
		return 0, err
	}
	return s.file.Write(p)
}

// open moves what is in memory to a file, the first time.
func (s *Spool) open() error {
	if s.file != nil {
		return nil
	}
	f, err := os.CreateTemp(s.dir, "upload-*")
	if err != nil {
		return err
	}
	s.file = f
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	_, err = s.memory.WriteTo(f)
	s.memory = bytes.Buffer{}
	return err
}

// Reader reads everything that was written, from the beginning.
func (s *Spool) Reader() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes()), nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return s.file, err
}

// Close frees what the spool holds.
func (s *Spool) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
