package volume

import "math"

// FromLPS turns an affine of a world that grows to left, posterior and superior, as in DICOM and ITK, into
// one of RAS+, and back.
func FromLPS(a [4][4]float64) [4][4]float64 {
	for j := range 4 {
		a[0][j], a[1][j] = -a[0][j], -a[1][j]
	}
	return a
}

// Axes returns the affine of voxel axes and the position of the first voxel's centre. Axes that an image of
// fewer than three does not have are 1 mm long and at right angles to the others.
func Axes(columns [][3]float64, origin [3]float64) [4][4]float64 {
	for len(columns) < 3 {
		columns = append(columns, another(columns))
	}
	m := [4][4]float64{3: {0, 0, 0, 1}}
	for i := range 3 {
		for j := range 3 {
			m[i][j] = columns[j][i]
		}
		m[i][3] = origin[i]
	}
	return m
}

// another returns a unit vector at right angles to at most two others, right-handed where there are two.
func another(have [][3]float64) [3]float64 {
	switch len(have) {
	case 0:
		return [3]float64{1, 0, 0}
	case 2:
		return unit(cross(have[0], have[1]))
	}
	least := 0
	for i := range 3 {
		if math.Abs(have[0][i]) < math.Abs(have[0][least]) {
			least = i
		}
	}
	var e [3]float64
	e[least] = 1
	return unit(cross(cross(have[0], e), have[0]))
}

func cross(a, b [3]float64) [3]float64 {
	return [3]float64{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}

func unit(a [3]float64) [3]float64 {
	n := Length(a)
	return [3]float64{a[0] / n, a[1] / n, a[2] / n}
}

// Length returns the length of a vector.
func Length(a [3]float64) float64 { return math.Sqrt(a[0]*a[0] + a[1]*a[1] + a[2]*a[2]) }

// CheckAffine is nil for an affine that can be used; else it is an ErrGeometry about a field.
func CheckAffine(format, field string, a [4][4]float64) error {
	for _, row := range a {
		for _, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return &FormatError{Format: format, Field: field, Want: "finite numbers", Got: Number(v), Err: ErrGeometry}
			}
		}
	}
	det := Det(a)
	if math.IsNaN(det) || math.Abs(det) < 1e-12 {
		return &FormatError{Format: format, Field: field, Want: "an affine that can be inverted", Got: "one of determinant " + Number(det), Err: ErrGeometry}
	}
	return nil
}

// Det returns the determinant of an affine's 3x3 part.
func Det(m [4][4]float64) float64 {
	return m[0][0]*(m[1][1]*m[2][2]-m[1][2]*m[2][1]) - m[0][1]*(m[1][0]*m[2][2]-m[1][2]*m[2][0]) + m[0][2]*(m[1][0]*m[2][1]-m[1][1]*m[2][0])
}

// Affine3 returns the vectors of an affine's three voxel axes.
func Affine3(m [4][4]float64) [3][3]float64 {
	var c [3][3]float64
	for i := range 3 {
		for j := range 3 {
			c[j][i] = m[i][j]
		}
	}
	return c
}
