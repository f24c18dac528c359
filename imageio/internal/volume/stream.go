package volume

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"io"
	"os"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"

	"github.com/nitrain/nitrain/imageio/internal/gunzip"
)

// MaxRatio is the most that DEFLATE can expand its input.
const MaxRatio = 1032

// Stream reads the uncompressed bytes of a file, which may be gzip: that is seen from its bytes.
type Stream struct {
	Compressed bool
	FileSize   int64 // bytes on the disk
	Pos        int64 // of the next uncompressed byte

	Trailing bool // bytes that are not gzip follow the last member
	Mismatch bool // a checksum was wrong and was ignored

	file io.Closer
	buf  *bufio.Reader
	gz   *gunzip.Reader
}

// OpenStream opens a file for one pass from its start. A wrong gzip checksum is an error
// where it is met, unless ignoreSums.
func OpenStream(path string, ignoreSums bool) (*Stream, error) {
	return open(path, func(f io.Reader, size int64) (*Stream, error) { return NewStream(f, size, ignoreSums) })
}

// OpenPlain opens a file for its bytes as they are, compressed or not.
func OpenPlain(path string) (*Stream, error) {
	return open(path, func(f io.Reader, size int64) (*Stream, error) {
		return &Stream{FileSize: size, buf: bufio.NewReaderSize(f, 1<<16)}, nil
	})
}

func open(path string, begin func(io.Reader, int64) (*Stream, error)) (*Stream, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	s, err := begin(f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	s.file = f
	return s, nil
}

// NewStream is OpenStream on a reader of known size, which the caller closes.
func NewStream(r io.Reader, size int64, ignoreSums bool) (*Stream, error) {
	s := &Stream{FileSize: size, buf: bufio.NewReaderSize(r, 1<<16)}
	magic, err := s.buf.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		return s, nil
	}
	s.Compressed = true
	if s.gz, err = gunzip.NewReader(s.buf, ignoreSums); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrTruncated
		}
		return nil, err
	}
	return s, nil
}

// Close ends the decoder of compressed data and closes the file.
func (s *Stream) Close() error {
	if s.gz != nil {
		s.gz.Close()
	}
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// Limit returns the most uncompressed bytes that the file can hold.
func (s *Stream) Limit() int64 {
	if !s.Compressed {
		return s.FileSize
	}
	return s.FileSize*MaxRatio + 1024
}

// Read returns the next uncompressed bytes.
func (s *Stream) Read(p []byte) (int, error) {
	if !s.Compressed {
		n, err := s.buf.Read(p)
		s.Pos += int64(n)
		return n, err
	}
	n, err := s.gz.Read(p)
	s.Pos += int64(n)
	s.Trailing, s.Mismatch = s.gz.Trailing, s.gz.Mismatch
	return n, err
}

// Skip passes over n uncompressed bytes.
func (s *Stream) Skip(n int64) error {
	_, err := io.CopyN(io.Discard, s, n)
	return err
}

// IsDamage reports whether err says that compressed data make no sense.
func IsDamage(err error) bool {
	var flate1 flate.CorruptInputError
	var bzip bzip2.StructuralError
	return errors.Is(err, gunzip.ErrChecksum) || errors.Is(err, gunzip.ErrHeader) || errors.Is(err, gunzip.ErrCorrupt) || errors.Is(err, zlib.ErrChecksum) ||
		errors.Is(err, zlib.ErrHeader) || errors.As(err, &flate1) || errors.As(err, &bzip)
}
