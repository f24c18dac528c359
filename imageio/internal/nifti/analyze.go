package nifti

import (
	"fmt"
	"math"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// ParseAnalyze reads the header of a pair that has the size of NIfTI-1 and not its magic: Analyze 7.5, or the form
// of it that SPM99 and SPM2 wrote, which keep a scale and an origin in it. As nibabel does (5.4,
// spm2analyze.py), x is taken to grow to the left.
func ParseAnalyze(head []byte) (*volume.Header, error) {
	_, big, ok := sizeField(head)
	if !ok || len(head) < HeadSize {
		return nil, &volume.FormatError{Format: "analyze", Field: "sizeof_hdr", Want: "348 and as many bytes", Got: strconv.Itoa(len(head)), Err: volume.ErrCorrupt}
	}
	f := fields1(head, big)
	f.version = 0 // FreeSurfer's hacks are of NIfTI
	h := &volume.Header{Format: "analyze", Big: big, Pair: true, Spatial: true, AffineSource: "analyze"}
	if err := setShape(h, &f); err != nil {
		return nil, err
	}
	switch f.datatype {
	case 2, 4, 8, 16, 32, 64, 128:
	default:
		return nil, fail(h, "datatype", volume.ErrUnsupported, "one of 2 4 8 16 32 64 128", strconv.Itoa(f.datatype))
	}
	for _, step := range []func(*volume.Header, *fields) error{setType, setOffset, setZooms, finitePixdim} {
		if err := step(h, &f); err != nil {
			return nil, err
		}
	}
	r := reader{head, order(big)}
	analyzeScaling(h, &f, r)
	h.Affine = analyzeAffine(h, r)
	if o := head[252]; o%'0' >= 1 && o%'0' <= 5 {
		h.Warn(fmt.Sprintf("orient %d: slices may not be transverse; the axes were taken as left, anterior, superior", o%'0'))
	}
	h.Warn("Analyze does not say left from right: x was taken to grow to the left")
	if err := check(h.Affine); err != nil {
		return nil, fail(h, "pixdim", volume.ErrGeometry, "voxel sizes that make an affine", "one that "+err.Error())
	}
	return h, nil
}

// analyzeScaling takes SPM's scale and intercept; without a usable one, the calibrated range where there is one.
func analyzeScaling(h *volume.Header, f *fields, r reader) {
	h.Slope, h.Inter = 1, 0
	if h.Type.Components() > 1 {
		return
	}
	if f.slope != 0 && !math.IsNaN(f.slope) && !math.IsInf(f.slope, 0) {
		h.Slope = f.slope
		if !math.IsNaN(f.inter) && !math.IsInf(f.inter, 0) {
			h.Inter = f.inter
		}
		return
	}
	high, low := r.f32(124), r.f32(128) // cal_max, cal_min
	top, bottom := float64(r.i32(140)), float64(r.i32(144))
	if slope := (high - low) / (top - bottom); high != low && top != bottom && !math.IsInf(slope, 0) && !math.IsNaN(slope) {
		h.Slope, h.Inter = slope, low-slope*bottom
		h.Warn("voxels are scaled to the calibrated range of the header")
	}
}

// analyzeAffine puts the origin at SPM's originator, which counts from 1, if that lies near the volume, and
// else at its middle.
func analyzeAffine(h *volume.Header, r reader) [4][4]float64 {
	m := fallback(h)
	dims := [3]int{1, 1, 1}
	copy(dims[:], h.Shape)
	var origin [3]int
	any, near := false, true
	for i := range 3 {
		origin[i] = r.i16(253 + 2*i)
		any = any || origin[i] != 0
		near = near && origin[i] > -dims[i] && origin[i] < 2*dims[i]
	}
	if any && near {
		for i := range 3 {
			m[i][3] = -m[i][i] * float64(origin[i]-1)
		}
	}
	return m
}
