package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"github.com/skiffhq/skiff/core/fault"
)

// Put reads a bundle, checks it and makes it durable before it returns. Bytes
// that are stored already are not written again, unless the stored ones have
// gone bad: uploading the same code heals them.
//
// limit is the most bytes to read, at most MaxPacked; 0 means MaxPacked. It
// holds while streaming, in memory there is one buffer. Faults: TooLarge,
// Invalid with fault.ReasonInvalidCodePackage, Exhausted for a disk that is
// nearly full, and what r returned.
func (s *Store) Put(ctx context.Context, r io.Reader, limit int64) (Bundle, error) {
	if limit <= 0 || limit > MaxPacked {
		limit = MaxPacked
	}
	f, err := os.CreateTemp(s.tmp, "put-*")
	if err != nil {
		return Bundle{}, diskFault(err, "store code: make a temporary file")
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	defer f.Close()
	b, err := s.receive(ctx, f, r, limit)
	if err != nil {
		return Bundle{}, err
	}
	if err := s.examine(ctx, f, &b); err != nil {
		return Bundle{}, err
	}
	if s.holds(ctx, b.SHA256) {
		return b, nil
	}
	return b, s.keep(f, b.SHA256)
}

// receive copies r to the file while hashing it.
func (s *Store) receive(ctx context.Context, f *os.File, r io.Reader, limit int64) (Bundle, error) {
	hash := sha256.New()
	in := &source{ctx: ctx, r: io.LimitReader(r, limit+1)}
	n, err := io.Copy(io.MultiWriter(&ration{room: &s.room}, f, hash), in)
	switch {
	case in.err != nil:
		return Bundle{}, in.err
	case err != nil:
		return Bundle{}, diskFault(err, "store code: write the upload")
	case n > limit:
		return Bundle{}, fault.New(fault.TooLarge, "code_too_large",
			"store code: the code package is over the limit of %d bytes", limit)
	}
	return Bundle{SHA256: hex.EncodeToString(hash.Sum(nil)), Size: n}, nil
}

// examine fills in what the bundle is, or refuses it.
func (s *Store) examine(ctx context.Context, f *os.File, b *Bundle) error {
	kind, err := kindOf(f)
	if err != nil {
		return err
	}
	b.Kind = kind
	if kind == KindWasm {
		b.Files, b.Unpacked = 1, b.Size
		return nil
	}
	a, err := openArchive(f, b.Size, s.limits)
	if err != nil {
		return err
	}
	b.Unpacked, err = a.extract(ctx, discard{})
	b.Files = a.files
	return err
}

var (
	wasmMagic = []byte("\x00asm")
	zipMagic  = []byte("PK\x03\x04")
	zipEmpty  = []byte("PK\x05\x06")
)

// kindOf judges by the first bytes, never by a name or a media type.
func kindOf(r io.ReaderAt) (Kind, error) {
	head := make([]byte, 4)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return "", diskFault(err, "read a code package")
	}
	switch head = head[:n]; {
	case bytes.Equal(head, wasmMagic):
		return KindWasm, nil
	case bytes.Equal(head, zipMagic):
		return KindZip, nil
	case n == 0 || bytes.Equal(head, zipEmpty):
		return "", refuse("it is empty")
	}
	return "", refuse("it is neither a ZIP archive nor a WebAssembly module")
}

// holds reports whether the bundle is stored and sound.
func (s *Store) holds(ctx context.Context, sha string) bool {
	f, _, err := s.openVerified(ctx, sha)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// keep gives the file its name for good. The order makes a power cut harmless:
// the bytes are on disk before the name, and the name before Put returns.
func (s *Store) keep(f *os.File, sha string) error {
	if err := f.Chmod(0o444); err != nil {
		return diskFault(err, "store code")
	}
	if err := f.Sync(); err != nil {
		return diskFault(err, "store code: write the upload")
	}
	shard := filepath.Dir(s.path(sha))
	if err := os.MkdirAll(shard, 0o700); err != nil {
		return diskFault(err, "store code")
	}
	err := s.cache.revive(sha, func() error { return os.Rename(f.Name(), s.path(sha)) })
	if err == nil {
		err = syncDir(shard)
	}
	if err == nil {
		err = syncDir(s.code) // the shard may be new
	}
	if err != nil {
		return diskFault(err, "store code %s", short(sha))
	}
	return nil
}
