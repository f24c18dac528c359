package imageio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Samples are the numbers of a file, exact, in the type and byte order of DType.
type Samples struct {
	DType    string // numpy's name: "int16", ">i2" for big endian, "float64" for scaled samples
	Shape    []int  // the file's axes; colours add one of 3 or 4 components
	Bytes    []byte // first axis fastest
	Warnings []string

	kind volume.Type
	big  bool
}

// chunkSize is how many bytes are decoded at a time, about.
const chunkSize = 1 << 18

// each reads the stored samples in order, whole voxels at a time, and then the rest of the file so that
// its checksum is known. It returns warnings about what follows the samples.
func (f *File) each(visit func(chunk []byte)) ([]string, error) {
	need, _ := f.head.Bytes()
	p, err := f.begin()
	if err != nil {
		return nil, f.voxelError(0, need, err)
	}
	defer p.Close()
	voxel := int64(f.head.Part().Size()) * int64(f.head.Components())
	buf := make([]byte, min(max(chunkSize/voxel, 1)*voxel, need))
	for done := int64(0); done < need; {
		n := min(int64(len(buf)), need-done)
		m, err := io.ReadFull(p, buf[:n])
		if err != nil && (!errors.Is(err, io.EOF) || int64(m) != n) {
			return nil, f.voxelError(done+int64(m), need, err)
		}
		visit(buf[:n])
		done += n
	}
	notes, err := p.Finish()
	if err != nil && f.head.Source != nil {
		err = f.voxelError(need, need, err)
	}
	return notes, err
}

// begin starts a pass over the samples.
func (f *File) begin() (volume.Pass, error) {
	if f.head.Source != nil {
		return f.head.Source.Open()
	}
	s, err := openStream(f.path, f.opt)
	if err != nil {
		return nil, err
	}
	if err := s.Skip(f.head.Offset); err != nil {
		s.Close()
		return nil, err
	}
	return plainPass{s, f}, nil
}

// plainPass is a pass over the bytes behind a header.
type plainPass struct {
	*volume.Stream
	file *File
}

// Finish reads to the end of the file.
func (p plainPass) Finish() ([]string, error) { return p.file.finish(p.Stream) }

func (f *File) voxelError(got, need int64, err error) error {
	if fe, ok := errors.AsType[*FormatError](err); ok {
		return withPath(fe, f.path)
	}
	if _, ok := errors.AsType[*os.PathError](err); ok {
		return err
	}
	err = streamErr(err)
	e := &FormatError{Path: f.path, Format: f.Format, Field: "voxels", Offset: f.head.Offset, Err: err}
	if errors.Is(err, ErrTruncated) {
		e.Want, e.Got = fmt.Sprintf("%d bytes", need), strconv.FormatInt(got, 10)
		e.Advice = incomplete()
	}
	return e
}

// finish reads on to the end of a compressed file for its checksum, within reason: what follows the
// samples is somebody's remark, not the image.
func (f *File) finish(s *volume.Stream) ([]string, error) {
	var notes []string
	footer := f.Format == "mgh" // tags follow the voxels by design
	if !s.Compressed {
		if _, err := s.Read(make([]byte, 1)); err == nil && !footer {
			notes = append(notes, fmt.Sprintf("%d bytes follow the voxels", s.FileSize-s.Pos+1))
		}
		return notes, nil
	}
	need, _ := f.head.Bytes()
	n, err := io.CopyN(io.Discard, s, need+64<<20)
	switch {
	case err == nil:
		notes = append(notes, "the checksum was not verified: too many bytes follow the voxels")
	case errors.Is(err, io.EOF):
		if n > 0 && !footer {
			notes = append(notes, fmt.Sprintf("%d bytes follow the voxels", n))
		}
	default:
		err = streamErr(err)
		e := &FormatError{Path: f.path, Format: f.Format, Field: "gzip", Err: err}
		if errors.Is(err, ErrCorrupt) {
			e.Advice = "the file was damaged after it was written; copy it again from its source"
		}
		return nil, e
	}
	if s.Trailing {
		notes = append(notes, "bytes that are not gzip follow the compressed data")
	}
	if s.Mismatch {
		notes = append(notes, "gzip checksum is wrong and was ignored")
	}
	return notes, nil
}

// Raw reads the samples as stored. Components that are stored together become the last axis.
func (f *File) Raw() (*Samples, error) {
	if f.series != nil {
		return f.series.raw(f)
	}
	t, comps := f.head.Part(), f.head.Components()
	need, _ := f.head.Bytes()
	s := &Samples{DType: t.Numpy(f.head.Big), Shape: append([]int(nil), f.Shape...), Bytes: make([]byte, need), kind: t, big: f.head.Big}
	at := 0
	visit := func(chunk []byte) { at += copy(s.Bytes[at:], chunk) }
	if comps > 1 {
		if f.Components > 1 {
			s.Shape = append(s.Shape, f.Components)
		}
		plane := len(s.Bytes) / comps
		visit = func(chunk []byte) {
			for c := range comps {
				component(s.Bytes[c*plane+at:], chunk, c, comps, t.Size())
			}
			at += len(chunk) / comps
		}
	}
	var err error
	s.Warnings, err = f.each(visit)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// component copies one of the components that are interleaved in src.
func component(dst, src []byte, c, comps, size int) {
	if size == 1 {
		for i := range len(src) / comps {
			dst[i] = src[i*comps+c]
		}
		return
	}
	for i := range len(src) / (comps * size) {
		copy(dst[i*size:(i+1)*size], src[(i*comps+c)*size:])
	}
}

// Scaled reads the samples with slope and intercept applied: float64 numbers (complex128 for complex
// ones) in the machine-independent little-endian order, or the stored samples where nothing scales them.
func (f *File) Scaled() (*Samples, error) {
	if f.series != nil {
		return f.series.scaled(f)
	}
	raw, err := f.Raw()
	if err != nil {
		return nil, err
	}
	return f.scale(raw)
}

func (f *File) scale(raw *Samples) (*Samples, error) {
	if f.series != nil {
		return f.series.scale(raw)
	}
	if !f.head.Scaled() {
		return raw, nil
	}
	s := &Samples{DType: "float64", Shape: raw.Shape, Warnings: raw.Warnings, kind: volume.Float64}
	parts := 1
	if raw.kind.Complex() {
		s.DType, s.kind, parts = "complex128", volume.Complex128, 2
	}
	size := raw.kind.Size() / parts
	n := len(raw.Bytes) / size
	s.Bytes = make([]byte, 8*n)
	var block [1024]float64
	for at := 0; at < n; at += len(block) {
		m := min(len(block), n-at)
		volume.Float64s(block[:m], raw.Bytes[at*size:], raw.kind, raw.big)
		for i, v := range block[:m] {
			v = volume.Scale(v, f.Slope, f.Inter)
			binary.LittleEndian.PutUint64(s.Bytes[8*(at+i):], math.Float64bits(v))
		}
	}
	return s, nil
}
