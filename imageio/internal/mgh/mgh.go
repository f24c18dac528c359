// Package mgh reads the headers of FreeSurfer's MGH volumes; .mgz is the same, compressed.
//
// Layout and affine as in nibabel's freesurfer/mghformat.py (5.4) and FreeSurfer's mri.h.
package mgh

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// HeadSize is how many bytes [Is] and [Parse] want to see first: the fields before the padding.
const HeadSize = 90

const (
	dataOffset = 284
	version    = 1
)

// Is reports whether a file that begins with head is MGH: version 1 and a known type, big endian.
func Is(head []byte) bool {
	if len(head) < 24 || binary.BigEndian.Uint32(head) != version {
		return false
	}
	return sampleType(int32(binary.BigEndian.Uint32(head[20:]))) != volume.Invalid
}

func sampleType(code int32) volume.Type {
	switch code {
	case 0:
		return volume.Uint8
	case 1:
		return volume.Int32
	case 3:
		return volume.Float32
	case 4:
		return volume.Int16
	case 10:
		return volume.Uint16
	}
	return volume.Invalid
}

// Parse reads a header whose first HeadSize bytes are head. Errors are *volume.FormatError without a path.
func Parse(head []byte) (*volume.Header, error) {
	if len(head) < HeadSize {
		return nil, &volume.FormatError{
			Format: "mgh", Field: "header", Err: volume.ErrTruncated,
			Want: fmt.Sprintf("at least %d bytes", dataOffset), Got: strconv.Itoa(len(head)),
		}
	}
	i32 := func(at int) int { return int(int32(binary.BigEndian.Uint32(head[at:]))) }
	f32 := func(at int) float64 { return float64(math.Float32frombits(binary.BigEndian.Uint32(head[at:]))) }
	h := &volume.Header{
		Format: "mgh", Big: true, Type: sampleType(int32(i32(20))), Offset: dataOffset,
		Slope: 1, AffineSource: "mgh", Spatial: true,
	}
	for i := range 4 {
		d := i32(4 + 4*i)
		if d < 1 {
			return nil, &volume.FormatError{
				Format: "mgh", Field: fmt.Sprintf("dims[%d]", i), Offset: int64(4 + 4*i),
				Want: "at least 1", Got: strconv.Itoa(d), Err: volume.ErrCorrupt,
			}
		}
		h.Shape = append(h.Shape, d)
	}
	if h.Shape[3] == 1 {
		h.Shape = h.Shape[:3]
	}
	delta := [3]float64{1, 1, 1}
	axes := [9]float64{-1, 0, 0, 0, 0, -1, 0, 1, 0} // FreeSurfer's coronal default: x left, y inferior, z anterior
	var centre [3]float64
	if binary.BigEndian.Uint16(head[28:]) != 0 {
		for i := range 3 {
			delta[i], centre[i] = f32(30+4*i), f32(78+4*i)
		}
		for i := range 9 {
			axes[i] = f32(42 + 4*i)
		}
	} else {
		h.Warn("no geometry in the file: FreeSurfer's default directions, 1 mm voxels and centre used")
		h.AffineSource = "fallback"
	}
	setAffine(h, delta, axes, centre)
	h.Zooms = append([]float64(nil), delta[:]...)
	return h, check(h)
}

// setAffine puts the volume's centre, voxel dims/2 and not (dims-1)/2, at c_ras.
func setAffine(h *volume.Header, delta [3]float64, axes [9]float64, centre [3]float64) {
	m := [4][4]float64{3: {0, 0, 0, 1}}
	for i := range 3 {
		m[i][3] = centre[i]
		for j := range 3 {
			m[i][j] = float64(float32(axes[3*j+i] * delta[j])) // nibabel multiplies in float32
			m[i][3] -= m[i][j] * float64(h.Shape[j]) / 2
		}
		m[i][3] = float64(float32(m[i][3])) // and keeps the affine in it
	}
	h.Affine = m
}

// check refuses affines that are not finite and marks flat ones, which surface overlays have, as no geometry.
func check(h *volume.Header) error {
	m := h.Affine
	for _, row := range m {
		for _, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return &volume.FormatError{Format: "mgh", Field: "ras", Want: "finite numbers", Got: fmt.Sprint(v), Err: volume.ErrGeometry}
			}
		}
	}
	det := m[0][0]*(m[1][1]*m[2][2]-m[1][2]*m[2][1]) - m[0][1]*(m[1][0]*m[2][2]-m[1][2]*m[2][0]) + m[0][2]*(m[1][0]*m[2][1]-m[1][1]*m[2][0])
	if math.IsNaN(det) || math.Abs(det) < 1e-12 {
		h.Spatial = false
		h.AffineSource = "none"
		h.Warn("the file has no usable geometry (a surface overlay?): voxels lie on a plain 1 mm grid")
	}
	return nil
}

// FrameTime reads the repetition time in ms, the first number behind the voxels; it is the zoom of the frames.
func FrameTime(footer io.Reader) (float64, bool) {
	var b [4]byte
	if _, err := io.ReadFull(footer, b[:]); err != nil {
		return 0, false
	}
	t := float64(math.Float32frombits(binary.BigEndian.Uint32(b[:])))
	return t, !math.IsNaN(t) && !math.IsInf(t, 0)
}
