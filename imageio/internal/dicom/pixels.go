package dicom

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Pixels decodes the frames of one file. It is used by one goroutine at a time; Close it.
type Pixels struct {
	Layout
	file   *File
	at     io.ReaderAt
	closer io.Closer
	start  int64 // of the pixel data's value in at
	length int64 // of the value; -1 where it is in fragments
	frames [][]span
	buf    []byte // encoded bytes
	out    []byte // decoded ones
}

// span is a run of bytes of the file.
type span struct{ at, n int64 }

// Pixels prepares the decoding of the file's frames; limit bounds the bytes that all decoded frames take.
func (f *File) Pixels(limit int64) (*Pixels, error) {
	l, err := f.Layout()
	if err != nil {
		return nil, err
	}
	if err := f.checkSize(l, limit); err != nil {
		return nil, err
	}
	if f.syntax.method == refused {
		e := f.fault("transfer syntax", volume.ErrUnsupported)
		e.Got, e.Advice = f.syntax.name, "convert the file to explicit VR little endian with another tool"
		return nil, e
	}
	p := &Pixels{Layout: l, file: f, length: int64(f.pixels.length)}
	if err := p.open(limit); err != nil {
		return nil, err
	}
	if f.pixels.undefined() {
		p.length = -1
		err = p.assemble()
	} else if f.syntax.method != native && f.syntax.method != plainFragments {
		err = f.want("pixel data", "fragments, as "+f.syntax.name+" says", "one run of bytes")
	} else {
		err = p.checkLength()
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// checkSize holds what the header promises against the limit, before memory is taken.
func (f *File) checkSize(l Layout, limit int64) error {
	samples := int64(l.FrameSamples())
	size := max(int64(l.Type().Size()), 4)
	if samples > math.MaxInt64/8/int64(l.Frames) || samples*int64(l.Frames) > limit/size {
		e := f.fault("Rows, Columns, NumberOfFrames", volume.ErrTooLarge)
		e.Want = fmt.Sprintf("at most %d bytes of voxels", limit)
		e.Got = fmt.Sprintf("%d frames of %d x %d", l.Frames, l.Rows, l.Columns)
		e.Advice = "either the header is damaged or the limit (Options.MaxBytes) is too low for this image"
		return e
	}
	return nil
}

// open gives access to the bytes of the pixel data. Those of a compressed file are inflated, no more than the
// header promises.
func (p *Pixels) open(limit int64) error {
	f := p.file
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	p.start = int64(f.pixels.value)
	if !f.gzipped && f.deflateAt == 0 {
		p.at, p.closer = file, file
		return nil
	}
	defer file.Close()
	value, err := f.inflate(file, limit, p.Layout)
	if err != nil {
		return damaged(f, err)
	}
	p.at, p.start = bytes.NewReader(value), 0
	return nil
}

// inflate returns the value of the pixel data of a compressed file.
func (f *File) inflate(file *os.File, limit int64, l Layout) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	var r io.Reader = file
	if f.gzipped {
		stream, err := volume.NewStream(file, info.Size(), f.ignoreSums)
		if err != nil {
			return nil, err
		}
		defer stream.Close()
		r = stream
	}
	if f.deflateAt > 0 {
		if _, err := io.CopyN(io.Discard, r, f.deflateAt); err != nil {
			return nil, err
		}
		r = flate.NewReader(r)
	}
	if _, err := io.CopyN(io.Discard, r, int64(f.pixels.value)); err != nil {
		return nil, err
	}
	most := int64(f.pixels.length)
	if f.pixels.undefined() {
		most = min(limit, int64(l.Frames)*int64(l.FrameBytes())*2+1<<20)
	} else if want := (l.storedBits()*int64(l.Frames) + 7) / 8; want < most {
		most = want
	}
	var value bytes.Buffer
	_, err = io.Copy(&value, io.LimitReader(r, most))
	if err != nil {
		return nil, err
	}
	if value.Len() < int(most) || !f.gzipped {
		return value.Bytes(), nil
	}
	_, err = io.Copy(io.Discard, io.LimitReader(r, 64<<20)) // to the checksum
	return value.Bytes(), err
}

// Close gives back what decoding took.
func (p *Pixels) Close() error {
	if p.closer == nil {
		return nil
	}
	return p.closer.Close()
}

// available returns how many bytes of the file follow the start of the pixel data.
func (p *Pixels) available() int64 {
	if r, ok := p.at.(*bytes.Reader); ok { // inflated
		return r.Size()
	}
	return max(0, p.file.size-p.start)
}

// checkLength holds native pixel data against what the header promises.
func (p *Pixels) checkLength() error {
	bits := p.storedBits()
	if bits > math.MaxInt64/int64(p.Frames) {
		return p.file.want("pixel data", "a size that fits memory", "more")
	}
	want := (bits*int64(p.Frames) + 7) / 8
	have := min(p.length, p.available())
	if have < want && p.Subsampled() && have >= int64(p.FrameSamples())*int64(p.Frames) {
		p.Photometric = "YBR_FULL" // said to be subsampled and is not
		want = int64(p.FrameSamples()) * int64(p.Frames)
	}
	if have >= want {
		return nil
	}
	e := p.file.fault("pixel data", volume.ErrTruncated)
	e.Offset, e.Want, e.Got = p.start, fmt.Sprintf("%d bytes", want), strconv.FormatInt(have, 10)
	e.Advice = "the file is incomplete; copy or download it again"
	return e
}

// Frame decodes one frame: samples in little endian, row by row, colours side by side, of Layout.Type. The bytes
// are valid until the next call.
func (p *Pixels) Frame(i int) ([]byte, error) {
	var b []byte
	var err error
	if p.length < 0 && p.frames != nil {
		b, err = p.encapsulated(i)
	} else {
		b, err = p.native(i)
	}
	if err != nil {
		return nil, err
	}
	if len(b) != p.FrameBytes() {
		return nil, p.file.want("pixel data", fmt.Sprintf("%d bytes in a frame", p.FrameBytes()), strconv.Itoa(len(b)))
	}
	return b, nil
}

// native reads one frame of uncompressed pixels.
func (p *Pixels) native(i int) ([]byte, error) {
	bits := p.storedBits()
	first := bits * int64(i)
	from, to := first/8, (first+bits+7)/8
	if p.file.syntax.coding.big && !p.swapped() && p.Allocated == 8 {
		return p.pairs(from, to)
	}
	b, err := p.read(span{p.start + from, to - from})
	if err != nil {
		return nil, err
	}
	if p.Allocated == 1 {
		return unpackBits(b, int(first%8), p.FrameSamples()), nil
	}
	if p.file.syntax.coding.big && !p.swapped() {
		swap(b, p.Allocated/8)
	}
	if p.Subsampled() {
		b = p.doubled(b)
	} else if p.Planar {
		b = interleave(b, p.Samples, p.Allocated/8)
	}
	p.mask(b)
	return b, nil
}

// swapped reports big-endian bytes that need no turning: 8-bit samples in OB.
func (p *Pixels) swapped() bool {
	return p.Allocated == 8 && p.file.pixels.vr == "OB"
}

// pairs reads bytes of big-endian words, in which two neighbours stand the wrong way round.
func (p *Pixels) pairs(from, to int64) ([]byte, error) {
	first := from &^ 1
	b, err := p.read(span{p.start + first, min((to+1)&^1, p.length) - first})
	if err != nil {
		return nil, err
	}
	swap(b, 1)
	b = b[from-first:]
	b = b[:min(to-from, int64(len(b)))]
	if p.Planar && !p.Subsampled() {
		b = interleave(b, p.Samples, 1)
	}
	if p.Subsampled() {
		b = p.doubled(b)
	}
	p.mask(b)
	return b, nil
}

// read reads a run of bytes into the buffer.
func (p *Pixels) read(s span) ([]byte, error) {
	if s.n > p.available()+p.start-s.at || s.n < 0 {
		return nil, p.file.element(int(s.at), errShort)
	}
	if int64(cap(p.buf)) < s.n {
		p.buf = make([]byte, s.n)
	}
	b := p.buf[:s.n]
	if _, err := p.at.ReadAt(b, s.at); err != nil && (err != io.EOF || s.n > 0) {
		return nil, p.file.element(int(s.at), io.ErrUnexpectedEOF)
	}
	return b, nil
}

// Check refuses what can be refused without reading pixels: sizes, missing codecs, native data that end early.
func (f *File) Check(limit int64) error {
	l, err := f.Layout()
	if err != nil {
		return err
	}
	if err := f.checkSize(l, limit); err != nil {
		return err
	}
	if f.size < 0 || f.pixels.undefined() {
		return nil
	}
	p := &Pixels{Layout: l, file: f, start: int64(f.pixels.value), length: int64(f.pixels.length)}
	return p.checkLength()
}
