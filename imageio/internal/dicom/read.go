package dicom

import (
	"encoding/binary"
	"math"
	"strconv"
	"sync"

	"github.com/nitrain/nitrain/imageio/internal/volume"
	"github.com/nitrain/nitrain/internal/tasks"
)

// OpenVolume reads one file as a volume: its frames, or the single picture.
func OpenVolume(f *File) (*Volume, error) {
	planes, err := f.planes()
	if err != nil {
		return nil, err
	}
	all := groups(planes)
	v := stack(f.Path, all[0])
	if len(all) > 1 {
		v = stack(f.Path, planes)
		v.Problem = &volume.FormatError{
			Path: f.Path, Format: "dicom", Field: "PlaneOrientation", Want: "frames of one orientation and stack", Got: strconv.Itoa(len(all)), Err: volume.ErrGeometry,
		}
	}
	return v, nil
}

// visit is called with each decoded frame; several calls may run at once, for different planes.
type visit func(i int, p *Pixels, frame []byte) error

// Each decodes the frames of all planes, on several processors.
func (v *Volume) Each(limit int64, visit visit) error {
	var mu sync.Mutex
	var first error
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
		}
	}
	failed := func() bool { mu.Lock(); defer mu.Unlock(); return first != nil }
	run := max(1, min(64, len(v.Planes)/16)) // planes in a row, so that a file is not opened for each of its frames
	if v.Planes[0].File != v.Planes[len(v.Planes)-1].File {
		run = min(run, 4)
	}
	tasks.Run(0, (len(v.Planes)+run-1)/run, func(block int) {
		if failed() {
			return
		}
		var px *Pixels
		var buf []byte
		defer func() {
			if px != nil {
				px.Close()
			}
		}()
		for i := block * run; i < min(len(v.Planes), (block+1)*run); i++ {
			plane := &v.Planes[i]
			if px == nil || px.file != plane.File {
				if px != nil {
					buf = px.buf
					px.Close()
				}
				var err error
				if px, err = plane.File.Pixels(limit); err != nil {
					px = nil
					fail(err)
					return
				}
				if px.buf == nil {
					px.buf = buf
				}
			}
			frame, err := px.Frame(plane.Frame)
			if err == nil {
				err = visit(i, px, frame)
			}
			if err != nil {
				fail(err)
				return
			}
		}
	})
	return first
}

// Size returns the voxels along x, y and z.
func (v *Volume) Size() [3]int {
	if v.Mosaic.Images > 0 {
		return [3]int{v.Mosaic.Width, v.Mosaic.Height, v.Slices}
	}
	return [3]int{v.Layout.Columns, v.Layout.Rows, v.Slices}
}

// Components returns the colours of a voxel once palettes are applied.
func (v *Volume) Components() int {
	if v.Layout.Samples > 1 {
		return v.Layout.Samples
	}
	if v.Layout.Photometric == "PALETTE COLOR" {
		return 3
	}
	return 1
}

// Scaled reports whether stored samples differ from the values that they stand for.
func (v *Volume) Scaled() bool {
	for _, p := range v.Planes {
		if p.Slope != 1 || p.Inter != 0 {
			return v.Layout.Samples == 1
		}
	}
	return v.Planes[0].File.Set.Has(tagModalityLUT)
}

// Floats decodes all planes as the values that they stand for: x fastest, then y, z, time, colour.
func (v *Volume) Floats(dst []float32, limit int64) error {
	size := v.Size()
	plane := size[0] * size[1]
	block := plane * size[2] * v.Times // of one colour
	return v.Each(limit, func(i int, p *Pixels, frame []byte) error {
		to, err := v.values(i, p, frame)
		if err != nil {
			return err
		}
		switch {
		case v.Mosaic.Images > 0:
			v.Mosaic.spread(dst[i*plane*size[2]:], func(at, n int, part []float32) { to(part, at, n, 0) })
		default:
			for c := range v.Components() {
				to(dst[c*block+i*plane:][:plane], 0, plane, c)
			}
		}
		return nil
	})
}

// spread visits the runs of a mosaic's tiles: n samples from sample at of the picture belong into part.
func (m Mosaic) spread(dst []float32, put func(at, n int, part []float32)) {
	for z := range m.Images {
		x0, y0 := z%m.Side*m.Width, z/m.Side*m.Height
		for y := range m.Height {
			put((y0+y)*m.Width*m.Side+x0, m.Width, dst[(z*m.Height+y)*m.Width:][:m.Width])
		}
	}
}

// convert writes the values of n samples of one colour, from sample at on.
type convert func(dst []float32, at, n, colour int)

// values returns how the samples of a frame become values.
func (v *Volume) values(i int, p *Pixels, frame []byte) (convert, error) {
	plane := v.Planes[i]
	t := p.Type()
	size := t.Size()
	if p.Samples > 1 {
		return colours(p, frame)
	}
	if p.Photometric == "PALETTE COLOR" {
		return palette(plane.File, t, frame)
	}
	if lut, ok, err := plane.File.modalityLUT(p.Layout); err != nil {
		return nil, err
	} else if ok {
		return func(dst []float32, at, n, _ int) {
			volume.Floats(dst[:n], frame[at*size:], t, false, 1, 0)
			for k, x := range dst[:n] {
				dst[k] = lut.at(int(x))
			}
		}, nil
	}
	return func(dst []float32, at, n, _ int) {
		scale(dst[:n], frame[at*size:], t, plane.Slope, plane.Inter)
	}, nil
}

// scale applies slope and intercept in float64 and rounds once.
func scale(dst []float32, src []byte, t volume.Type, slope, inter float64) {
	if t != volume.Int16 && t != volume.Uint16 || len(src) < 2*len(dst) {
		volume.Floats(dst, src, t, false, slope, inter)
		return
	}
	if slope == 1 && inter == math.Trunc(inter) && math.Abs(inter) < 1<<23 { // whole numbers, exact as they are
		whole(dst, src, t == volume.Int16, int32(inter))
		return
	}
	for i := range dst {
		v := float64(binary.LittleEndian.Uint16(src[2*i:]))
		if t == volume.Int16 {
			v = float64(int16(binary.LittleEndian.Uint16(src[2*i:])))
		}
		dst[i] = float32(float64(v*slope) + inter)
	}
}

// whole adds a whole number to 16-bit samples, four at a time.
func whole(dst []float32, src []byte, signed bool, inter int32) {
	flip := uint64(0)
	if signed { // x ^ 0x8000 - 0x8000 reads 16 bits as signed
		flip, inter = 0x8000_8000_8000_8000, inter-0x8000
	}
	n := len(dst) &^ 3
	for i := 0; i < n; i += 4 {
		v := binary.LittleEndian.Uint64(src[2*i:2*i+8]) ^ flip
		d := dst[i : i+4 : i+4]
		d[0] = float32(int32(v&0xFFFF) + inter)
		d[1] = float32(int32(v>>16&0xFFFF) + inter)
		d[2] = float32(int32(v>>32&0xFFFF) + inter)
		d[3] = float32(int32(v>>48) + inter)
	}
	for i := n; i < len(dst); i++ {
		v := binary.LittleEndian.Uint16(src[2*i:]) ^ uint16(flip)
		dst[i] = float32(int32(v) + inter)
	}
}
