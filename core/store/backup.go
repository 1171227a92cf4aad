package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/skiffhq/skiff/core/fault"
)

// A backup is a stream of its own, not Badger's: that one has no end mark, so
// that a copy cut short would restore as if it were whole, and it changes with
// Badger. All of it is on disk and on tape:
//
//	"SKIFFBAK"  8 bytes
//	format      2 bytes, big-endian like all numbers of fixed size
//	schema      4 bytes, see migrate.go
//	records     key length, value length (uvarints), key, value
//	end         key length 0, number of records (8 bytes), SHA-256 of all before it
const (
	backupMagic  = "SKIFFBAK"
	backupFormat = 1
)

// Backup writes all records as they are at its beginning, while reading and
// writing go on. It ends early, with ctx's error or an Unavailable fault, when
// ctx ends or the store is stopped. What w returned is in the error's chain.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	return s.view(ctx, func(st *state) error {
		b := newBackupWriter(w)
		b.header(uint32(len(s.opts.steps) + 1))
		err := st.scan(everything, false, func(key, value []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if s.isStopping() {
				return notRunning()
			}
			return b.record(key, value)
		})
		if err != nil {
			return fmt.Errorf("back up the store: %w", err)
		}
		return b.end(w)
	})
}

// backupWriter relies on bufio to keep the first error of the writer below it.
type backupWriter struct {
	out     *bufio.Writer
	hash    hash.Hash
	records uint64
	scratch []byte
}

func newBackupWriter(w io.Writer) *backupWriter {
	sum := sha256.New()
	return &backupWriter{hash: sum, out: bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)}
}

func (b *backupWriter) header(schema uint32) {
	h := binary.BigEndian.AppendUint16([]byte(backupMagic), backupFormat)
	_, _ = b.out.Write(binary.BigEndian.AppendUint32(h, schema))
}

func (b *backupWriter) record(key, value []byte) error {
	b.records++
	b.scratch = binary.AppendUvarint(b.scratch[:0], uint64(len(key)))
	b.scratch = binary.AppendUvarint(b.scratch, uint64(len(value)))
	_, _ = b.out.Write(b.scratch)
	_, _ = b.out.Write(key)
	_, err := b.out.Write(value)
	return err
}

func (b *backupWriter) end(w io.Writer) error {
	_, _ = b.out.Write(binary.BigEndian.AppendUint64([]byte{0}, b.records))
	if err := b.out.Flush(); err != nil {
		return fmt.Errorf("back up the store: %w", err)
	}
	if _, err := w.Write(b.hash.Sum(nil)); err != nil {
		return fmt.Errorf("back up the store: %w", err)
	}
	return nil
}

// backupReader reads what backupWriter wrote and trusts none of it.
type backupReader struct {
	in      *bufio.Reader
	hash    hash.Hash
	records uint64
}

func newBackupReader(r io.Reader) *backupReader {
	return &backupReader{in: bufio.NewReaderSize(r, 64<<10), hash: sha256.New()}
}

// Read reads exactly what is hashed; ReadByte is for uvarints.
func (b *backupReader) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	b.hash.Write(p[:n])
	return n, err
}

func (b *backupReader) ReadByte() (byte, error) {
	c, err := b.in.ReadByte()
	if err == nil {
		b.hash.Write([]byte{c})
	}
	return c, err
}

func (b *backupReader) header() (schema uint32, err error) {
	h := make([]byte, len(backupMagic)+6)
	if _, err := io.ReadFull(b, h); err != nil || string(h[:len(backupMagic)]) != backupMagic {
		return 0, fault.New(fault.Invalid, "backup_foreign", "read the backup: it is none of Skiff's store").
			WithRemedy("give a whole, unchanged backup of a store")
	}
	h = h[len(backupMagic):]
	if format := binary.BigEndian.Uint16(h); format != backupFormat {
		return 0, fault.New(fault.Invalid, "backup_format", "read the backup: its format %d is not known to this version", format).
			WithRemedy("restore it with the newer Skiff that wrote it")
	}
	return binary.BigEndian.Uint32(h[2:]), nil
}

// next returns the next record, or a nil key after the last, when all that was
// read has been found whole. The slices are the caller's.
func (b *backupReader) next() (key, value []byte, err error) {
	size, err := binary.ReadUvarint(b)
	if err == nil && size == 0 {
		return nil, nil, b.verify()
	}
	if err != nil || size > 4*maxKeyPart {
		return nil, nil, damaged(err)
	}
	length, err := binary.ReadUvarint(b)
	if err != nil || length > maxRecord {
		return nil, nil, damaged(err)
	}
	buf := make([]byte, size+length)
	if _, err := io.ReadFull(b, buf); err != nil || buf[0] != layout {
		return nil, nil, damaged(err)
	}
	b.records++
	return buf[:size:size], buf[size:], nil
}

func (b *backupReader) verify() error {
	var records [8]byte
	if _, err := io.ReadFull(b, records[:]); err != nil || binary.BigEndian.Uint64(records[:]) != b.records {
		return damaged(err)
	}
	want, sum := b.hash.Sum(nil), make([]byte, sha256.Size)
	if _, err := io.ReadFull(b.in, sum); err != nil || string(sum) != string(want) {
		return damaged(err)
	}
	return nil
}

func damaged(cause error) error {
	return fault.Wrap(cause, fault.Invalid, "backup_damaged", "read the backup: it is damaged or cut short").
		WithRemedy("take another copy of it, or an older backup")
}
