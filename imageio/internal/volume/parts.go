package volume

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/klauspost/compress/zlib"
)

// Encoding is how samples are written into a file.
type Encoding uint8

// The encodings of NRRD and MetaImage.
const (
	Raw     Encoding = iota
	Deflate          // gzip or zlib, seen from the bytes
	Bzip2
	ASCII // numbers as text, between white space or commas
	Hex   // two digits a byte
)

// Part is a file, or the part of one, that holds a share of the samples.
type Part struct {
	Path     string
	Attached bool  // header and samples are one file, which may be compressed as a whole
	Offset   int64 // of the samples in an attached file
	Lines    int   // text lines to pass over, before decompression
	Skip     int64 // bytes to pass over, after decompression; Tail: whatever precedes the last bytes
}

// Tail says that the samples are the last bytes of their file.
const Tail = -1

// Parts is a Source of samples in one or several files, each with an equal share.
type Parts struct {
	Files      []Part
	Encoding   Encoding
	Type       Type  // of one number of text
	Share      int64 // bytes of samples in each file
	IgnoreSums bool
}

// most returns a bound of the samples' bytes in so many bytes of a file.
func (p *Parts) most(size int64) int64 {
	switch p.Encoding {
	case Deflate:
		return size*MaxRatio + 1024
	case Bzip2:
		return size*20000 + 900000 // a block of 900 kB takes at least 46 bytes
	case ASCII:
		return (size + 1) / 2 * int64(p.Type.Size())
	case Hex:
		return size / 2
	}
	return size
}

// Limit looks at the size of every file.
func (p *Parts) Limit() (int64, error) {
	total := int64(0)
	for _, f := range p.Files {
		s, err := f.open(p.IgnoreSums)
		if err != nil {
			return 0, err
		}
		left := s.Limit() - f.Offset - max(0, f.Skip)*boolInt(p.Encoding == Raw)
		s.Close()
		n := min(p.most(max(0, left)), p.Share)
		if n < p.Share {
			return total + n, nil
		}
		total += n
	}
	return total, nil
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (f Part) open(ignoreSums bool) (*Stream, error) {
	if f.Attached {
		return OpenStream(f.Path, ignoreSums)
	}
	return OpenPlain(f.Path)
}

// Open begins a pass.
func (p *Parts) Open() (Pass, error) {
	return &partsPass{parts: p}, nil
}

// partsPass reads one file after the other.
type partsPass struct {
	parts *Parts
	next  int
	file  *Stream
	data  io.Reader
	inner *Stream // the compressed stream within file
	left  int64
	notes []string
}

func (r *partsPass) Close() error {
	if r.inner != nil {
		r.inner.Close()
		r.inner = nil
	}
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

func (r *partsPass) Read(b []byte) (int, error) {
	for r.left == 0 {
		if err := r.advance(); err != nil {
			return 0, err
		}
	}
	if int64(len(b)) > r.left {
		b = b[:r.left]
	}
	n, err := r.data.Read(b)
	r.left -= int64(n)
	if r.left == 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// advance goes on to the next file.
func (r *partsPass) advance() error {
	if err := r.settle(); err != nil {
		return err
	}
	if r.next == len(r.parts.Files) {
		return io.EOF
	}
	part := r.parts.Files[r.next]
	r.next++
	file, err := part.open(r.parts.IgnoreSums)
	if err != nil {
		return err
	}
	r.file, r.left = file, r.parts.Share
	if err := file.Skip(part.Offset); err != nil {
		return err
	}
	return r.decode(part)
}

// decode puts the decoder of the encoding before the file.
func (r *partsPass) decode(part Part) error {
	text := bufio.NewReaderSize(r.file, 1<<15)
	for range part.Lines {
		if _, err := skipLine(text); err != nil {
			return err
		}
	}
	r.data, r.inner = text, nil
	var err error
	switch r.parts.Encoding {
	case Deflate:
		err = r.inflate(text)
	case Bzip2:
		r.data = bzip2.NewReader(text)
	case ASCII:
		r.data = newTextNumbers(text, r.parts.Type)
	case Hex:
		r.data = &hexBytes{r: text}
	}
	if err != nil {
		return err
	}
	skip := part.Skip
	if skip == Tail {
		if skip, err = r.tail(part, text); err != nil {
			return err
		}
	}
	_, err = io.CopyN(io.Discard, r.data, skip)
	return err
}

// tail returns how many bytes precede the last Share bytes. Of compressed data only reading them all tells.
func (r *partsPass) tail(part Part, text *bufio.Reader) (int64, error) {
	before := -r.parts.Share
	if r.parts.Encoding == Raw && !r.file.Compressed {
		return r.file.FileSize - (r.file.Pos - int64(text.Buffered())) + before, nil
	}
	part.Skip = 0
	whole := &partsPass{parts: r.parts}
	defer whole.Close()
	var err error
	if whole.file, err = part.open(r.parts.IgnoreSums); err != nil {
		return 0, err
	}
	if err := whole.file.Skip(part.Offset); err != nil {
		return 0, err
	}
	if err := whole.decode(part); err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, whole.data)
	if n+before < 0 {
		err = io.ErrUnexpectedEOF
	}
	return n + before, err
}

func (r *partsPass) inflate(text *bufio.Reader) error {
	magic, err := text.Peek(2)
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	if magic[0]&15 == 8 && (int(magic[0])<<8|int(magic[1]))%31 == 0 {
		r.data, err = zlib.NewReader(text)
		return err
	}
	r.inner, err = NewStream(text, r.file.Limit(), r.parts.IgnoreSums)
	if err == nil && !r.inner.Compressed {
		return fmt.Errorf("%w: neither gzip nor zlib data", ErrCorrupt)
	}
	r.data = r.inner
	return err
}

// settle verifies the end of the present file's compressed data and closes it.
func (r *partsPass) settle() error {
	if r.file == nil {
		return nil
	}
	defer r.Close()
	if (r.parts.Encoding == Raw || r.parts.Encoding == Hex) && !r.file.Compressed {
		return nil
	}
	n, err := io.CopyN(io.Discard, r.data, 64<<20)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n > 0 {
		r.notes = append(r.notes, strconv.FormatInt(n, 10)+" bytes follow the voxels")
	}
	if r.inner != nil && r.inner.Trailing {
		r.notes = append(r.notes, "bytes that are not gzip follow the compressed data")
	}
	if r.inner != nil && r.inner.Mismatch || r.file != nil && r.file.Mismatch {
		r.notes = append(r.notes, "gzip checksum is wrong and was ignored")
	}
	return nil
}

// Finish reads on to the end of compressed data for their checksum.
func (r *partsPass) Finish() ([]string, error) {
	err := r.settle()
	return r.notes, err
}

func skipLine(r *bufio.Reader) (int, error) {
	n := 0
	for {
		part, err := r.ReadSlice('\n')
		n += len(part)
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
}

// Exists returns nil if path is a file.
func Exists(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%w: not a file", ErrUnsupported)
	}
	return err
}
