// Package pb reads and writes protobuf records without a schema and leaves the bytes where they are: a
// message is a range of its source, and what is written is a list of ranges and of new bytes.
package pb

import (
	"errors"
	"fmt"
	"io"
)

// ErrMalformed is wrapped by every error that says that the bytes are not protobuf.
var ErrMalformed = errors.New("malformed protobuf")

// Span is a range of bytes in a Source.
type Span struct{ Off, Len int64 }

// End returns the offset behind the last byte.
func (s Span) End() int64 { return s.Off + s.Len }

// Source is where a message lies. It may be shared by goroutines when its ReaderAt may.
type Source struct {
	r    io.ReaderAt
	size int64
}

// NewSource returns a source over the first size bytes of r.
func NewSource(r io.ReaderAt, size int64) *Source { return &Source{r: r, size: size} }

// All returns the range of the whole source.
func (s *Source) All() Span { return Span{0, s.size} }

// Read returns a copy of the bytes of a range. Nothing is allocated for a range outside the source.
func (s *Source) Read(at Span) ([]byte, error) {
	if at.Off < 0 || at.Len < 0 || at.Off > s.size || at.Len > s.size-at.Off {
		return nil, fmt.Errorf("%w: bytes %d to %d of %d", ErrMalformed, at.Off, at.End(), s.size)
	}
	out := make([]byte, at.Len)
	if err := readFull(s.r, out, at.Off); err != nil {
		return nil, err
	}
	return out, nil
}

func readFull(r io.ReaderAt, out []byte, off int64) error {
	n, err := r.ReadAt(out, off)
	if n == len(out) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(out), off, err)
}

// window is how much a Reader takes from its source at a time: large enough that a graph's nodes come in
// few reads, small enough that the reads between large payloads cost little.
const window = 32 << 10

// Reader walks the records of a Source through a small buffer. It must not be shared by goroutines.
type Reader struct {
	src *Source
	buf []byte
	off int64 // offset of buf[0]
}

// NewReader returns a Reader of src.
func NewReader(src *Source) *Reader { return &Reader{src: src} }

// Source returns what the Reader reads.
func (r *Reader) Source() *Source { return r.src }

// peek returns n bytes at off, or fewer where the source ends; they stay valid until the next call.
func (r *Reader) peek(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), r.src.size-off))
	if at := off - r.off; at >= 0 && at+int64(n) <= int64(len(r.buf)) {
		return r.buf[at : at+int64(n)], nil
	}
	want := int(min(int64(max(window, n)), r.src.size-off))
	if cap(r.buf) < want {
		r.buf = make([]byte, want)
	}
	r.buf, r.off = r.buf[:want], off
	if err := readFull(r.src.r, r.buf, off); err != nil {
		r.buf = r.buf[:0]
		return nil, err
	}
	return r.buf[:n], nil
}

// Bytes returns a copy of the bytes of a range.
func (r *Reader) Bytes(at Span) ([]byte, error) {
	if at.Len > window {
		return r.src.Read(at)
	}
	b, err := r.peek(at.Off, int(at.Len))
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(b)), b...), nil
}

// String returns the bytes of a range as a string.
func (r *Reader) String(at Span) (string, error) {
	if at.Len > window {
		b, err := r.src.Read(at)
		return string(b), err
	}
	b, err := r.peek(at.Off, int(at.Len))
	return string(b), err
}
