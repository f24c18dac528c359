package predict

import (
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// apart returns the axis of the prepared grid along which the nearest scores are taken: with the rule nnunet the slice
// axis of a case whose slices nnU-Net takes separately on the way back.
func (s *stream) apart(from, to imageio.Grid) int {
	if s.p.spec.Decode.RestoreRule != RestoreNNUNet {
		return transform.NoAxis
	}
	mm := s.nominal(from)
	seen := mm // the wanted grid's spacing along the prepared grid's axes, where these are the same
	if m, ok := between(from, to); ok {
		if perm, ok := permutation(m, to.Size); ok {
			for i, spacing := range to.Spacing() {
				seen[perm[i]] = spacing
			}
		}
	}
	return transform.SeparateAuto.Axis(mm, seen)
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
