package imageio

import (
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Read reads an image of intensities: any format and sample type that this package knows, as float32.
// Axes behind the third (time, vector components) and colours become channels; of complex samples the
// magnitude is taken. Samples with slope and intercept are scaled in float64 and then rounded once.
func Read(path string) (*Image, error) { return Options{}.Read(path) }

// ReadLabel reads a label map: the samples must be whole numbers of at most 2^24 in size, which
// float32 holds exactly.
func ReadLabel(path string) (*Image, error) { return Options{}.ReadLabel(path) }

// Read is the function Read with options.
func (o Options) Read(path string) (*Image, error) { return o.read(path, Intensity) }

// ReadLabel is the function ReadLabel with options.
func (o Options) ReadLabel(path string) (*Image, error) { return o.read(path, Label) }

func (o Options) read(path string, kind Kind) (*Image, error) {
	f, err := o.Open(path)
	if err != nil {
		return nil, err
	}
	return f.Image(kind)
}

// Image reads the samples as an image of that kind; see Read and ReadLabel.
func (f *File) Image(kind Kind) (*Image, error) {
	if f.series != nil {
		return f.series.image(f, kind)
	}
	t := f.head.Type
	if kind == Label && (t.Complex() || f.Components > 1) {
		return nil, &FormatError{Path: f.path, Format: f.Format, Field: "datatype", Want: "one whole number a voxel for a label map", Got: components(t, f.Components), Err: ErrUnsupported}
	}
	im := &Image{Grid: f.Grid(), Kind: kind, Channels: f.Components, Source: f.source()}
	for _, d := range f.Shape[min(3, len(f.Shape)):] {
		im.Channels *= d
	}
	im.Data = make([]float32, im.Grid.Len()*im.Channels)
	decoder := decoder{file: f, dst: im.Data, label: kind == Label && needsCheck(f.head)}
	notes, err := f.each(decoder.chunk)
	if err != nil {
		return nil, err
	}
	if decoder.bad != "" {
		return nil, &FormatError{
			Path: f.path, Format: f.Format, Field: "voxels", Want: "whole numbers of at most 2^24 for a label map", Got: decoder.bad, Err: ErrUnsupported,
			Advice: "is this an image of intensities? labels may not be averaged or scaled",
		}
	}
	im.Source.Warnings = append(im.Source.Warnings, notes...)
	if t.Complex() {
		im.Source.Warnings = append(im.Source.Warnings, "complex samples: the magnitude was taken")
	}
	return im, nil
}

func components(t volume.Type, n int) string {
	if n > 1 && t.Components() == 1 {
		return fmt.Sprintf("%d of %s", n, t)
	}
	return t.String()
}

// Grid returns where the voxels are. A file without geometry gets 1 mm voxels from the origin.
func (f *File) Grid() Grid {
	g := Grid{Size: [3]int{1, 1, 1}, Affine: f.Affine}
	copy(g.Size[:], f.Shape)
	if !f.Spatial {
		g.Affine = Identity()
	}
	return g
}

func (f *File) source() *Source {
	return &Source{
		Format: f.Format, Stored: f.Stored, Shape: append([]int(nil), f.Shape...), Components: f.Components, AffineSource: f.AffineSource,
		SformCode: f.SformCode, QformCode: f.QformCode, Units: f.Units, Intent: f.Intent,
		Zooms: append([]float64(nil), f.Zooms...), Extensions: f.Extensions, Warnings: append([]string(nil), f.Warnings...),
	}
}

// needsCheck reports whether a label map's type could hold what is no label.
func needsCheck(h *volume.Header) bool {
	return h.Scaled() || !h.Type.Integer() || h.Type.Size() > 2
}

// decoder turns chunks of stored samples into float32.
type decoder struct {
	file  *File
	dst   []float32
	at    int
	label bool
	mixed []float32 // components of some voxels
	bad   string    // the first sample that is no label
}

func (d *decoder) chunk(b []byte) {
	h := d.file.head
	t, comps := h.Part(), h.Components()
	n := len(b) / (t.Size() * comps)
	if comps > 1 {
		d.apart(b, n, comps)
		d.at += n
		return
	}
	volume.Floats(d.dst[d.at:d.at+n], b, h.Type, h.Big, h.Slope, h.Inter)
	if d.label && d.bad == "" {
		d.check(b, n)
	}
	d.at += n
}

// apart decodes n voxels of several components into their channels.
func (d *decoder) apart(b []byte, n, comps int) {
	h := d.file.head
	if len(d.mixed) < n*comps {
		d.mixed = make([]float32, n*comps)
	}
	slope, inter := h.Slope, h.Inter
	if !h.Scaled() {
		slope, inter = 1, 0
	}
	volume.Floats(d.mixed[:n*comps], b, h.Part(), h.Big, slope, inter)
	plane := len(d.dst) / comps
	for c := range comps {
		dst := d.dst[c*plane+d.at:][:n]
		for i := range dst {
			dst[i] = d.mixed[i*comps+c]
		}
	}
}

// check looks at the exact samples: float32 would hide a fraction of a large number.
func (d *decoder) check(b []byte, n int) {
	h := d.file.head
	var block [512]float64
	for at := 0; at < n; at += len(block) {
		m := min(len(block), n-at)
		volume.Float64s(block[:m], b[at*h.Type.Size():], h.Type, h.Big)
		for _, v := range block[:m] {
			v = volume.Scale(v, h.Slope, h.Inter)
			if !(math.Abs(v) <= 1<<24) || v != math.Trunc(v) {
				d.bad = fmt.Sprint(v)
				return
			}
		}
	}
}
