package nifti

import (
	"math"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Layout is what a written header says. Voxels are little endian and unscaled.
type Layout struct {
	Type        volume.Type
	Dims        []int     // 1 to 7
	Zooms       []float64 // one per dimension; the first three come from Affine
	Affine      [4][4]float64
	SformCode   int
	QformCode   int
	Intent      int
	Units       uint8
	Extensions  []volume.Extension
	Description string // at most 79 bytes are kept
}

// Encode returns all bytes before the voxels: a NIfTI-1 header, or NIfTI-2 where a dimension is beyond
// 32767, and the extensions. The quaternion is that of the rotation nearest to the affine.
func Encode(l Layout) []byte {
	big := false
	for _, d := range l.Dims {
		big = big || d > math.MaxInt16
	}
	ext := encodeExtensions(l.Extensions)
	q := quaternion(l.Affine)
	if big {
		return append(encode2(l, q, 544+len(ext)), ext...)
	}
	return append(encode1(l, q, 352+len(ext)), ext...)
}

// writer puts little-endian numbers at fixed places of a header.
type writer []byte

func (w writer) i16(at, v int)            { order(false).PutUint16(w[at:], uint16(v)) }
func (w writer) i32(at, v int)            { order(false).PutUint32(w[at:], uint32(v)) }
func (w writer) i64(at, v int)            { order(false).PutUint64(w[at:], uint64(v)) }
func (w writer) f32(at int, v float64)    { order(false).PutUint32(w[at:], math.Float32bits(float32(v))) }
func (w writer) f64(at int, v float64)    { order(false).PutUint64(w[at:], math.Float64bits(v)) }
func (w writer) text(at, n int, s string) { copy(w[at:at+n], s) }

func encode1(l Layout, q qform3, offset int) []byte {
	w := make(writer, 352)
	w.i32(0, 348)
	w[38] = 'r'
	w.i16(40, len(l.Dims))
	for i := range 7 {
		w.i16(42+2*i, 1)
	}
	for i, d := range l.Dims {
		w.i16(42+2*i, d)
	}
	w.i16(68, l.Intent)
	w.i16(70, code(l.Type))
	w.i16(72, 8*l.Type.Size())
	for i, z := range pixdim(l, q) {
		w.f32(76+4*i, z)
	}
	w.f32(108, float64(offset))
	w.f32(112, 1)
	w[123] = l.Units
	w.text(148, 79, l.Description)
	w.i16(252, l.QformCode)
	w.i16(254, l.SformCode)
	for i := range 3 {
		w.f32(256+4*i, q.quat[i])
		w.f32(268+4*i, l.Affine[i][3])
		for j := range 4 {
			w.f32(280+16*i+4*j, l.Affine[i][j])
		}
	}
	w.text(344, 4, "n+1\x00")
	if len(l.Extensions) > 0 {
		w[348] = 1
	}
	return w
}

func encode2(l Layout, q qform3, offset int) []byte {
	w := make(writer, 544)
	w.i32(0, 540)
	w.text(4, 8, "n+2"+tail2)
	w.i16(12, code(l.Type))
	w.i16(14, 8*l.Type.Size())
	w.i64(16, len(l.Dims))
	for i := range 7 {
		w.i64(24+8*i, 1)
	}
	for i, d := range l.Dims {
		w.i64(24+8*i, d)
	}
	for i, z := range pixdim(l, q) {
		w.f64(104+8*i, z)
	}
	w.i64(168, offset)
	w.f64(176, 1)
	w.text(240, 79, l.Description)
	w.i32(344, l.QformCode)
	w.i32(348, l.SformCode)
	for i := range 3 {
		w.f64(352+8*i, q.quat[i])
		w.f64(376+8*i, l.Affine[i][3])
		for j := range 4 {
			w.f64(400+32*i+8*j, l.Affine[i][j])
		}
	}
	w.i32(500, int(l.Units))
	w.i32(504, l.Intent)
	if len(l.Extensions) > 0 {
		w[540] = 1
	}
	return w
}

func pixdim(l Layout, q qform3) [8]float64 {
	p := [8]float64{q.qfac, 1, 1, 1, 1, 1, 1, 1}
	copy(p[1:], l.Zooms)
	copy(p[1:4], q.zooms[:])
	return p
}

func code(t volume.Type) int {
	switch t {
	case volume.Uint8:
		return 2
	case volume.Int16:
		return 4
	case volume.Int32:
		return 8
	case volume.Float32:
		return 16
	case volume.Uint16:
		return 512
	case volume.RGB24:
		return 128
	}
	return 0
}

// encodeExtensions pads each block to a multiple of 16 bytes, as the standard wants.
func encodeExtensions(list []volume.Extension) []byte {
	var b []byte
	for _, e := range list {
		size := (8 + len(e.Data) + 15) / 16 * 16
		block := make(writer, size)
		block.i32(0, size)
		block.i32(4, e.Code)
		copy(block[8:], e.Data)
		b = append(b, block...)
	}
	return b
}

// qform3 is an affine as quaternion, voxel sizes and handedness.
type qform3 struct {
	quat  [3]float64
	zooms [3]float64
	qfac  float64
}

// quaternion follows nifti_mat44_to_quatern of nifti1_io.c on the rotation nearest to the affine.
func quaternion(a [4][4]float64) qform3 {
	q := qform3{qfac: 1}
	var m [3][3]float64
	for j := range 3 {
		q.zooms[j] = math.Sqrt(a[0][j]*a[0][j] + a[1][j]*a[1][j] + a[2][j]*a[2][j])
		for i := range 3 {
			m[i][j] = a[i][j] / q.zooms[j]
		}
	}
	r := volume.Polar(m)
	if det3(r) < 0 {
		q.qfac = -1
		for i := range 3 {
			r[i][2] = -r[i][2]
		}
	}
	q.quat = quaternionOf(r)
	return q
}

func det3(r [3][3]float64) float64 {
	return r[0][0]*(r[1][1]*r[2][2]-r[1][2]*r[2][1]) - r[0][1]*(r[1][0]*r[2][2]-r[1][2]*r[2][0]) + r[0][2]*(r[1][0]*r[2][1]-r[1][1]*r[2][0])
}

func quaternionOf(r [3][3]float64) [3]float64 {
	if trace := r[0][0] + r[1][1] + r[2][2] + 1; trace > 0.5 {
		a := 0.5 * math.Sqrt(trace)
		return [3]float64{0.25 * (r[2][1] - r[1][2]) / a, 0.25 * (r[0][2] - r[2][0]) / a, 0.25 * (r[1][0] - r[0][1]) / a}
	}
	xd, yd, zd := 1+r[0][0]-(r[1][1]+r[2][2]), 1+r[1][1]-(r[0][0]+r[2][2]), 1+r[2][2]-(r[0][0]+r[1][1])
	var a, b, c, d float64
	switch {
	case xd > 1:
		b = 0.5 * math.Sqrt(xd)
		c, d, a = 0.25*(r[0][1]+r[1][0])/b, 0.25*(r[0][2]+r[2][0])/b, 0.25*(r[2][1]-r[1][2])/b
	case yd > 1:
		c = 0.5 * math.Sqrt(yd)
		b, d, a = 0.25*(r[0][1]+r[1][0])/c, 0.25*(r[1][2]+r[2][1])/c, 0.25*(r[0][2]-r[2][0])/c
	default:
		d = 0.5 * math.Sqrt(zd)
		b, c, a = 0.25*(r[0][2]+r[2][0])/d, 0.25*(r[1][2]+r[2][1])/d, 0.25*(r[1][0]-r[0][1])/d
	}
	if a < 0 {
		b, c, d = -b, -c, -d
	}
	return [3]float64{b, c, d}
}

// Sheared reports whether a quaternion cannot hold the affine.
func Sheared(a [4][4]float64) bool {
	q := quaternion(a)
	f := fields{pixdim: [8]float64{q.qfac}, quat: q.quat, qoffset: [3]float64{a[0][3], a[1][3], a[2][3]}}
	copy(f.pixdim[1:4], q.zooms[:])
	h := &volume.Header{Shape: []int{1, 1, 1}, Zooms: q.zooms[:]}
	m, err := qform(h, &f)
	if err != nil {
		return true
	}
	for i := range 3 {
		for j := range 3 {
			if math.Abs(m[i][j]-a[i][j]) > 1e-5*max(q.zooms[0], q.zooms[1], q.zooms[2]) {
				return true
			}
		}
	}
	return false
}
