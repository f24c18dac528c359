package nifti

import (
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// mostCode is the largest sform or qform code of the standard (NIFTI_XFORM_TEMPLATE_OTHER).
const mostCode = 5

// setZooms repairs pixdim as nibabel does: 0 becomes 1, negative its absolute value. What is not finite
// becomes 1 too and stays out of the affine (see setAffine).
func setZooms(h *volume.Header, f *fields) error {
	for i := 1; i <= len(h.Shape); i++ {
		p := f.pixdim[i]
		fixed := math.Abs(p)
		switch {
		case math.IsNaN(p) || math.IsInf(p, 0):
			fixed = 1
		case p == 0 && i <= 3:
			fixed = 1
		}
		if fixed != p {
			h.Warn(fmt.Sprintf("pixdim[%d] %g taken as %g", i, p, fixed))
		}
		h.Zooms = append(h.Zooms, fixed)
	}
	return nil
}

// setAffine chooses sform, qform or the fallback, in that order, each only if it is usable.
func setAffine(h *volume.Header, f *fields) error {
	h.Spatial = true
	defer noteQform(h, f)
	for _, c := range []struct {
		name string
		code *int
	}{{"sform_code", &h.SformCode}, {"qform_code", &h.QformCode}} {
		if *c.code < 0 || *c.code > mostCode {
			h.Warn(fmt.Sprintf("%s %d is not defined: counts as 0", c.name, *c.code))
			*c.code = 0
		}
	}
	var badSform error
	if h.SformCode > 0 {
		a := affineOfRows(f.srow)
		if badSform = check(a); badSform == nil {
			h.Affine, h.AffineSource = a, "sform"
			return nil
		}
		if h.QformCode == 0 {
			return fail(h, "srow", volume.ErrGeometry, "an affine that can be inverted", badSform.Error())
		}
	}
	if h.QformCode > 0 {
		a, err := qform(h, f)
		if err != nil {
			return err
		}
		h.Affine, h.AffineSource = a, "qform"
		if badSform != nil {
			h.Warn(fmt.Sprintf("sform %s: qform used", badSform))
		}
		return nil
	}
	if err := finitePixdim(h, f); err != nil {
		return err
	}
	h.Affine, h.AffineSource = fallback(h), "fallback"
	if err := check(h.Affine); err != nil {
		return fail(h, "pixdim", volume.ErrGeometry, "voxel sizes that make an affine", "one that "+err.Error())
	}
	return nil
}

func affineOfRows(rows [3][4]float64) [4][4]float64 {
	return [4][4]float64{rows[0], rows[1], rows[2], {0, 0, 0, 1}}
}

// check says why an affine cannot be used.
func check(a [4][4]float64) error {
	for _, row := range a {
		for _, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return errors.New("has a value that is not finite")
			}
		}
	}
	det := a[0][0]*(a[1][1]*a[2][2]-a[1][2]*a[2][1]) - a[0][1]*(a[1][0]*a[2][2]-a[1][2]*a[2][0]) + a[0][2]*(a[1][0]*a[2][1]-a[1][1]*a[2][0])
	if math.IsNaN(det) || math.Abs(det) < 1e-12 {
		return fmt.Errorf("is singular (determinant %g)", det)
	}
	return nil
}

func finitePixdim(h *volume.Header, f *fields) error {
	for i := 1; i <= min(3, len(h.Shape)); i++ {
		if math.IsNaN(f.pixdim[i]) || math.IsInf(f.pixdim[i], 0) {
			return fail(h, fmt.Sprintf("pixdim[%d]", i), volume.ErrGeometry, "a finite number, since the affine is made from it", fmt.Sprint(f.pixdim[i]))
		}
	}
	return nil
}

// noteQform keeps the qform beside the affine in use, for readers that distrust the sform.
func noteQform(h *volume.Header, f *fields) {
	if h.QformCode == 0 {
		return
	}
	quiet := &volume.Header{Format: h.Format, Shape: h.Shape, Zooms: h.Zooms}
	if a, err := qform(quiet, f); err == nil {
		h.Qform = &a
	}
}

// zooms3 returns the voxel sizes of the first three axes, missing ones 1.
func zooms3(h *volume.Header) [3]float64 {
	z := [3]float64{1, 1, 1}
	copy(z[:], h.Zooms)
	return z
}

// qform builds the affine from quaternion, pixdim and offset (nifti1.h, method 2). A quaternion longer
// than 1 is normalised; nibabel refuses such files, nifticlib normalises.
func qform(h *volume.Header, f *fields) ([4][4]float64, error) {
	if err := finitePixdim(h, f); err != nil {
		return [4][4]float64{}, err
	}
	b, c, d := f.quat[0], f.quat[1], f.quat[2]
	sum := b*b + c*c + d*d
	a := math.Sqrt(max(0, 1-sum))
	if sum > 1 {
		if sum > 1+1e-5 {
			h.Warn(fmt.Sprintf("quaternion longer than 1 (squared length %.6g): normalised", sum))
		}
		n := math.Sqrt(sum)
		b, c, d = b/n, c/n, d/n
	}
	rot := [3][3]float64{
		{a*a + b*b - c*c - d*d, 2 * (b*c - a*d), 2 * (b*d + a*c)},
		{2 * (b*c + a*d), a*a + c*c - b*b - d*d, 2 * (c*d - a*b)},
		{2 * (b*d - a*c), 2 * (c*d + a*b), a*a + d*d - c*c - b*b},
	}
	zooms := zooms3(h)
	if f.pixdim[0] == -1 {
		zooms[2] = -zooms[2]
	}
	m := [4][4]float64{3: {0, 0, 0, 1}}
	for i := range 3 {
		for j := range 3 {
			m[i][j] = rot[i][j] * zooms[j]
		}
		m[i][3] = f.qoffset[i]
	}
	if err := check(m); err != nil {
		return m, fail(h, "qform", volume.ErrGeometry, "an affine that can be inverted", err.Error())
	}
	return m, nil
}

// fallback is nibabel's: voxel sizes with x to the left, the middle of the volume at the origin.
func fallback(h *volume.Header) [4][4]float64 {
	zooms := zooms3(h)
	zooms[0] = -zooms[0]
	m := [4][4]float64{3: {0, 0, 0, 1}}
	for i := range 3 {
		n := 1
		if i < len(h.Shape) {
			n = h.Shape[i]
		}
		m[i][i] = zooms[i]
		m[i][3] = -zooms[i] * float64(n-1) / 2
	}
	return m
}
