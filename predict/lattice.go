package predict

import (
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// latticeTolerance is how far, in voxels, two grids' centres may lie apart and count as the same: far
// below what interpolation could show, far above the rounding of affines.
const latticeTolerance = 1e-4

// shifted reports whether two grids have the same axes and spacing and centres that coincide, so that a
// crop or a pad leads from one to the other.
func shifted(a, b imageio.Grid) bool {
	m, ok := between(a, b)
	if !ok {
		return false
	}
	for i := range 3 {
		for j := range 3 {
			want := 0.0
			if i == j {
				want = 1
			}
			if math.Abs(m[i][j]-want)*float64(b.Size[j]) > latticeTolerance {
				return false
			}
		}
	}
	return wholeOffset(m)
}

// reindexed reports whether a grid's voxels are another's by index alone: crops, pads, flips and swapped
// axes.
func reindexed(a, b imageio.Grid) bool {
	m, ok := between(a, b)
	if !ok {
		return false
	}
	var used [3]bool
	for j := range 3 {
		ones := 0
		for i := range 3 {
			v := math.Abs(m[i][j])
			near1 := math.Abs(v-1)*float64(b.Size[j]) <= latticeTolerance
			near0 := v*float64(b.Size[j]) <= latticeTolerance
			if near1 && !used[i] {
				used[i] = true
				ones++
			} else if !near0 {
				return false
			}
		}
		if ones != 1 {
			return false
		}
	}
	return wholeOffset(m)
}

// between returns the map from b's voxel indices to a's.
func between(a, b imageio.Grid) (imageio.Affine, bool) {
	inv, err := a.Affine.Inverse()
	if err != nil {
		return imageio.Affine{}, false
	}
	return inv.Mul(b.Affine), true
}

func wholeOffset(m imageio.Affine) bool {
	for i := range 3 {
		if math.Abs(m[i][3]-math.Round(m[i][3])) > latticeTolerance {
			return false
		}
	}
	return true
}
