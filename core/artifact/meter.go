package artifact

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
)

// meter counts what comes out of an archive and ends it at the limit.
type meter struct {
	ctx    context.Context
	packed int64
	limit  int64
	total  int64
}

// Write counts without keeping, so that it can stand in front of a writer.
func (m *meter) Write(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	m.total += int64(len(p))
	switch {
	case m.total > m.limit:
		return 0, refuse("it unpacks to more than %d bytes", m.limit)
	case m.total > ratioFloor && m.total/maxRatio > m.packed:
		return 0, refuse("it unpacks to more than %d times its size", maxRatio)
	}
	return len(p), nil
}

// copyFile unpacks one file.
func (m *meter) copyFile(e entry, to sink) error {
	w, err := to.file(e.name, e.exec)
	if err != nil {
		return err
	}
	err = m.copyData(e, w)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}

func (m *meter) copyData(e entry, w io.Writer) error {
	r, err := e.data.Open()
	if err != nil {
		return refuse("entry %q cannot be read: %v", e.name, err)
	}
	defer r.Close()
	in := &packedReader{r: r, name: e.name}
	_, err = io.Copy(io.MultiWriter(m, w), in)
	return err
}

// target reads what a link points at.
func (m *meter) target(e entry) (string, error) {
	var b strings.Builder
	if e.data.UncompressedSize64 > maxTarget {
		return "", refuse("link %q has a target over %d bytes", e.name, maxTarget)
	}
	err := m.copyData(e, &b) // the reader ends at the declared size
	return b.String(), err
}

// packedReader makes damaged content a fault of the bundle, and leaves errors
// of the disk below it what they are.
type packedReader struct {
	r    io.Reader
	name string
}

func (p *packedReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	var disk *fs.PathError
	if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &disk) {
		err = refuse("entry %q is damaged: %v", p.name, err)
	}
	return n, err
}
