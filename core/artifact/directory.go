package artifact

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Sizes and signatures of APPNOTE.TXT 4.3.
const (
	endSize     = 22 // end of central directory, without its comment
	locatorSize = 20
	end64Size   = 56 + locatorSize
	recordSize  = 46 // one record of the directory, without its names
	maxComment  = 1<<16 - 1
	maxDirBytes = 16 << 20
)

var (
	endSignature     = []byte("PK\x05\x06")
	end64Signature   = []byte("PK\x06\x06")
	locatorSignature = []byte("PK\x06\x07")
	recordSignature  = []byte("PK\x01\x02")
)

// checkDirectory walks the central directory before archive/zip reads it: that
// reader takes as many records as there are into memory, whatever the archive
// declares, so an upload could make it take millions. It returns where the
// directory begins.
func checkDirectory(r io.ReaderAt, size int64, maxRecords int) (int64, error) {
	end, record, err := findEnd(r, size)
	if err != nil {
		return 0, err
	}
	length := int64(binary.LittleEndian.Uint32(record[12:]))
	start := int64(binary.LittleEndian.Uint32(record[16:]))
	if length > maxDirBytes {
		return 0, refuse("its directory is over %d bytes", maxDirBytes)
	}
	if err := checkGap(r, span{start, start + length}, end); err != nil {
		return 0, err
	}
	return start, countRecords(io.NewSectionReader(r, start, length), length, maxRecords)
}

// span is a part of a file, in bytes.
type span struct{ from, to int64 }

// findEnd finds the end record, whose comment must be the last of the file:
// where bytes follow it, two readers may see two archives.
func findEnd(r io.ReaderAt, size int64) (int64, []byte, error) {
	tail := make([]byte, min(size, endSize+maxComment))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return 0, nil, diskFault(err, "read a code package")
	}
	i := bytes.LastIndex(tail, endSignature)
	if i < 0 || len(tail)-i < endSize {
		return 0, nil, refuse("it is cut short or has bytes after its end")
	}
	record := tail[i:]
	if int(binary.LittleEndian.Uint16(record[20:])) != len(record)-endSize {
		return 0, nil, refuse("it is cut short or has bytes after its end")
	}
	return size - int64(len(record)), record, nil
}

// checkGap lets nothing stand between the directory and the end record but the
// ZIP64 records that streaming packers write, which must say the same once
// more: the reader of archives believes them rather than the end record. It
// looks for them also where they are not announced by a gap, in what may be the
// comment of an entry.
func checkGap(r io.ReaderAt, dir span, end int64) error {
	records := make([]byte, end64Size)
	if _, err := r.ReadAt(records, end-end64Size); err != nil { // no room for them
		clear(records)
	}
	locator := records[end64Size-locatorSize:]
	switch {
	case end-dir.to == end64Size && same64(records, dir):
		return nil
	case end == dir.to && !bytes.HasPrefix(locator, locatorSignature):
		return nil
	}
	return refuse("its directory is damaged or needs ZIP64, which no package under the limits does")
}

// same64 reports whether ZIP64 records, which follow the directory, say where
// that is.
func same64(records []byte, dir span) bool {
	le := binary.LittleEndian
	return bytes.HasPrefix(records, end64Signature) && bytes.HasPrefix(records[end64Size-locatorSize:], locatorSignature) &&
		le.Uint64(records[40:]) == uint64(dir.to-dir.from) && le.Uint64(records[48:]) == uint64(dir.from) &&
		le.Uint64(records[end64Size-locatorSize+8:]) == uint64(dir.to)
}

func countRecords(r io.ReaderAt, length int64, most int) error {
	head := make([]byte, recordSize)
	n := 0
	for at := int64(0); at < length; n++ {
		if _, err := r.ReadAt(head, at); err != nil || !bytes.Equal(head[:4], recordSignature) {
			return refuse("its directory is damaged")
		}
		if n == most {
			return refuse("it holds more than %d files", most/2)
		}
		at += recordSize + int64(binary.LittleEndian.Uint16(head[28:])) +
			int64(binary.LittleEndian.Uint16(head[30:])) + int64(binary.LittleEndian.Uint16(head[32:]))
	}
	return nil
}
