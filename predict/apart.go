package predict

import (
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

const noAxis = -1

// apart returns the axis of the prepared grid along which the nearest scores are taken: with the rule nnunet the slice
// axis of a case whose spacing there is more than three times another, before or after
// (determine_do_sep_z_and_axis of nnU-Net 2.6).
func (s *stream) apart(from, to imageio.Grid) int {
	if s.p.spec.Decode.RestoreRule != RestoreNNUNet {
		return noAxis
	}
	mm := s.nominal(from)
	if axis, ok := sliceAxis(mm); ok || axis != noAxis {
		return axis
	}
	m, ok := between(from, to)
	if !ok {
		return noAxis
	}
	perm, ok := permutation(m, to.Size)
	if !ok {
		return noAxis
	}
	spacing := to.Spacing()
	var seen [3]float64 // along the prepared grid's axes
	for i, a := range perm {
		seen[a] = spacing[i]
	}
	axis, _ := sliceAxis(seen)
	return axis
}

// nominal returns the spacing that the Spec asks for, along the prepared grid's axes, where nothing turns the image
// afterwards; else the grid's.
func (s *stream) nominal(from imageio.Grid) [3]float64 {
	mm := from.Spacing()
	for _, step := range slices.Backward(s.p.spec.Prepare) {
		switch t := step.(type) {
		case transform.Spacing:
			for i, a := range s.axes {
				if t.MM[a] > 0 {
					mm[i] = t.MM[a]
				}
			}
			return mm
		case transform.Orient, transform.Resize, transform.Zoom, transform.Conform, transform.Affine, transform.Lazy:
			return mm
		}
	}
	return mm
}

// sliceAxis returns the one axis whose spacing is largest, if it is more than 3 times the smallest; ok says that some
// axis is, even if no single one.
func sliceAxis(mm [3]float64) (axis int, ok bool) {
	most := slices.Max(mm[:])
	if most/slices.Min(mm[:]) <= 3 {
		return noAxis, false
	}
	axis = noAxis
	for i, v := range mm {
		if v == most {
			if axis != noAxis {
				return noAxis, true
			}
			axis = i
		}
	}
	return axis, true
}
