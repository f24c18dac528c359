package imageio

import (
	"math"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// rectify takes the qform where the sform's voxel sizes differ from pixdim and the qform's do not
// (MONAI 1.5, data/utils.py, correct_nifti_header_if_necessary, tolerances of numpy.allclose).
func rectify(h *volume.Header) {
	if h.AffineSource != "sform" || h.Qform == nil || len(h.Shape) > 4 {
		return
	}
	if sizesAgree(h.Affine, h.Zooms) || !sizesAgree(*h.Qform, h.Zooms) {
		return
	}
	h.Affine, h.AffineSource = *h.Qform, "qform"
	h.Warn("sform contradicts the voxel sizes: qform used")
}

func sizesAgree(a Affine, zooms []float64) bool {
	s := Grid{Affine: a}.Spacing()
	for i := range min(3, len(zooms)) {
		if !(math.Abs(zooms[i]-s[i]) <= 1e-8+1e-5*math.Abs(s[i])) {
			return false
		}
	}
	return true
}
