package mgh

import (
	"encoding/binary"
	"math"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Layout is what a written header says. Samples are big endian.
type Layout struct {
	Type   volume.Type // Uint8, Int16, Int32 or Float32
	Size   [3]int
	Frames int
	Affine [4][4]float64 // to RAS+
}

// Encode returns the bytes before the voxels. The directions need not be at right angles: shear is kept.
func Encode(l Layout) []byte {
	b := make([]byte, dataOffset)
	i32 := func(at, v int) { binary.BigEndian.PutUint32(b[at:], uint32(v)) }
	f32 := func(at int, v float64) { binary.BigEndian.PutUint32(b[at:], math.Float32bits(float32(v))) }
	i32(0, version)
	for i, n := range l.Size {
		i32(4+4*i, n)
	}
	i32(16, l.Frames)
	i32(20, code(l.Type))
	binary.BigEndian.PutUint16(b[28:], 1)
	centre := [3]float64{l.Affine[0][3], l.Affine[1][3], l.Affine[2][3]}
	for j, v := range volume.Affine3(l.Affine) {
		delta := float64(float32(volume.Length(v)))
		f32(30+4*j, delta)
		for i := range 3 {
			f32(42+12*j+4*i, v[i]/delta)
			// the reader subtracts what it makes of the rounded numbers
			centre[i] += float64(float32(float64(float32(v[i]/delta))*delta)) * float64(l.Size[j]) / 2
		}
	}
	for i, c := range centre {
		f32(78+4*i, c)
	}
	return b
}

// Footer returns the numbers behind the voxels: the time between frames in ms, and four that are not known.
func Footer(ms float64) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint32(b, math.Float32bits(float32(ms)))
	return b
}

func code(t volume.Type) int {
	switch t {
	case volume.Uint8:
		return 0
	case volume.Int32:
		return 1
	case volume.Int16:
		return 4
	}
	return 3
}
