package imageio

import (
	"errors"
	"fmt"
	"math"
)

// Affine maps voxel indices to world millimetres (RAS+): four rows, the last one 0 0 0 1.
type Affine [4][4]float64

// Identity is the affine of 1 mm voxels whose first centre is the world's origin.
func Identity() Affine {
	return Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}
}

// Apply maps one point.
func (a Affine) Apply(p [3]float64) [3]float64 {
	var q [3]float64
	for i := range 3 {
		q[i] = a[i][0]*p[0] + a[i][1]*p[1] + a[i][2]*p[2] + a[i][3]
	}
	return q
}

// Mul returns the affine that applies b first and a second.
func (a Affine) Mul(b Affine) Affine {
	var c Affine
	for i := range 4 {
		for j := range 4 {
			for k := range 4 {
				c[i][j] += a[i][k] * b[k][j]
			}
		}
	}
	return c
}

// Det returns the determinant of the 3x3 part: the volume of a voxel in mm³, negative for left-handed axes.
func (a Affine) Det() float64 {
	return a[0][0]*(a[1][1]*a[2][2]-a[1][2]*a[2][1]) -
		a[0][1]*(a[1][0]*a[2][2]-a[1][2]*a[2][0]) +
		a[0][2]*(a[1][0]*a[2][1]-a[1][1]*a[2][0])
}

// Inverse returns the affine from world to voxel indices. A singular affine is an error.
func (a Affine) Inverse() (Affine, error) {
	d := a.Det()
	if math.IsNaN(d) || math.Abs(d) < 1e-12 {
		return Affine{}, fmt.Errorf("imageio: affine is singular (determinant %g)", d)
	}
	inv := Identity()
	for i := range 3 {
		for j := range 3 {
			// cofactor of element (j, i)
			r0, r1 := (j+1)%3, (j+2)%3
			c0, c1 := (i+1)%3, (i+2)%3
			inv[i][j] = (a[r0][c0]*a[r1][c1] - a[r0][c1]*a[r1][c0]) / d
		}
	}
	for i := range 3 {
		inv[i][3] = -(inv[i][0]*a[0][3] + inv[i][1]*a[1][3] + inv[i][2]*a[2][3])
	}
	return inv, nil
}

// Grid says where an image's voxels are: sizes along the three axes and the affine of voxel centres.
type Grid struct {
	Size   [3]int
	Affine Affine
}

// Len returns the number of voxels.
func (g Grid) Len() int { return g.Size[0] * g.Size[1] * g.Size[2] }

// Index returns the position of a voxel in a channel's samples, x fastest.
func (g Grid) Index(x, y, z int) int { return x + g.Size[0]*(y+g.Size[1]*z) }

// Spacing returns the distances between neighbouring voxel centres in mm along the three axes.
func (g Grid) Spacing() [3]float64 {
	var s [3]float64
	for j := range 3 {
		s[j] = math.Sqrt(g.Affine[0][j]*g.Affine[0][j] + g.Affine[1][j]*g.Affine[1][j] + g.Affine[2][j]*g.Affine[2][j])
	}
	return s
}

// VoxelVolume returns the volume of a voxel in mm³.
func (g Grid) VoxelVolume() float64 { return math.Abs(g.Affine.Det()) }

// World returns the position in mm of a voxel index, which may be fractional.
func (g Grid) World(x, y, z float64) [3]float64 { return g.Affine.Apply([3]float64{x, y, z}) }

// Same reports whether two grids have equal sizes and put every voxel within tol mm of the same place.
func (g Grid) Same(o Grid, tol float64) bool {
	if g.Size != o.Size {
		return false
	}
	for corner := range 8 { // affine maps differ most at a corner
		var p [3]float64
		for i := range 3 {
			if corner>>i&1 == 1 {
				p[i] = float64(g.Size[i] - 1)
			}
		}
		a, b := g.Affine.Apply(p), o.Affine.Apply(p)
		for i := range 3 {
			if !(math.Abs(a[i]-b[i]) <= tol) {
				return false
			}
		}
	}
	return true
}

// Validate reports sizes below one and affines that are not finite or singular.
func (g Grid) Validate() error {
	for i, n := range g.Size {
		if n < 1 {
			return fmt.Errorf("imageio: grid size %v: axis %d: want at least 1", g.Size, i)
		}
	}
	for _, row := range g.Affine {
		for _, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return errors.New("imageio: affine has a value that is not finite")
			}
		}
	}
	_, err := g.Affine.Inverse()
	return err
}
