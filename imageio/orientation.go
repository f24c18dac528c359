package imageio

import (
	"math"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// AxisFlip says which world axis a voxel axis runs along, and whether against it.
type AxisFlip struct {
	World int  // 0 left to right, 1 posterior to anterior, 2 inferior to superior
	Flip  bool // the voxel axis grows towards left, posterior or inferior
}

// Orientation returns, for each voxel axis, the world axis nearest to it; no world axis is used twice.
// It is nibabel's io_orientation (5.4): the rotation nearest to the affine decides, the axis that follows a
// world axis most closely chooses first, and values within 1e-5 count as equal, so that the first wins.
func (a Affine) Orientation() [3]AxisFlip {
	rot := a.Rotation()
	strength := func(j int) float64 {
		return max(math.Abs(rot[0][j]), math.Abs(rot[1][j]), math.Abs(rot[2][j]))
	}
	const tie = 1e-5
	var strengths [3]float64
	for j := range 3 {
		strengths[j] = strength(j)
	}
	var out [3]AxisFlip
	var done, used [3]bool
	for range 3 {
		col := -1
		for j := range 3 {
			if !done[j] && (col < 0 || strengths[j] > strengths[col]+tie) {
				col = j
			}
		}
		done[col] = true
		row := -1
		for i := range 3 {
			if !used[i] && (row < 0 || math.Abs(rot[i][col]) > math.Abs(rot[row][col])+tie) {
				row = i
			}
		}
		used[row] = true
		out[col] = AxisFlip{World: row, Flip: rot[row][col] < 0}
	}
	return out
}

// Rotation returns the rotation (with a mirror, if the affine has one) nearest to the affine's axes,
// zooms and shear removed.
func (a Affine) Rotation() [3][3]float64 {
	zooms := Grid{Affine: a}.Spacing()
	var m [3][3]float64
	for i := range 3 {
		for j := range 3 {
			m[i][j] = a[i][j]
			if zooms[j] > 0 {
				m[i][j] /= zooms[j]
			}
		}
	}
	return volume.Polar(m)
}

// AxisCodes returns one letter per voxel axis for the direction that it grows towards: "RAS" is right,
// anterior, superior. An affine that cannot be inverted gives "".
func (a Affine) AxisCodes() string {
	if _, err := a.Inverse(); err != nil {
		return ""
	}
	codes := make([]byte, 3)
	for i, o := range a.Orientation() {
		codes[i] = "RAS"[o.World]
		if o.Flip {
			codes[i] = "LPI"[o.World]
		}
	}
	return string(codes)
}

// AxisCodes returns the letters of the grid's axes; see Affine.AxisCodes.
func (g Grid) AxisCodes() string { return g.Affine.AxisCodes() }

// Opposite returns the letter of the direction opposite to an axis' letter: A for P. Other letters stay.
func Opposite(letter byte) byte {
	const pairs = "RLAPSI"
	i := strings.IndexByte(pairs, letter)
	if i < 0 {
		return letter
	}
	return pairs[i^1]
}
