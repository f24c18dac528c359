package volume

import "math"

// Polar returns the orthogonal factor of an invertible 3x3 matrix: the rotation, with or without a
// mirror, that is nearest to it. It equals U·Vᵀ of the singular value decomposition and is found by
// Newton's iteration with scaling (N. Higham, SIAM J. Sci. Stat. Comput. 7, 1986).
func Polar(m [3][3]float64) [3][3]float64 {
	for range 100 {
		inv, ok := inverseTransposed(m)
		if !ok {
			return m
		}
		g := math.Sqrt(norm(inv) / norm(m))
		var next [3][3]float64
		change := 0.0
		for i := range 3 {
			for j := range 3 {
				next[i][j] = 0.5 * (g*m[i][j] + inv[i][j]/g)
				change = max(change, math.Abs(next[i][j]-m[i][j]))
			}
		}
		m = next
		if change < 1e-15 {
			break
		}
	}
	return m
}

func norm(m [3][3]float64) float64 {
	s := 0.0
	for _, row := range m {
		for _, v := range row {
			s += v * v
		}
	}
	return math.Sqrt(s)
}

func inverseTransposed(m [3][3]float64) ([3][3]float64, bool) {
	var c [3][3]float64 // cofactors
	for i := range 3 {
		for j := range 3 {
			r0, r1, c0, c1 := (i+1)%3, (i+2)%3, (j+1)%3, (j+2)%3
			c[i][j] = m[r0][c0]*m[r1][c1] - m[r0][c1]*m[r1][c0]
		}
	}
	det := m[0][0]*c[0][0] + m[0][1]*c[0][1] + m[0][2]*c[0][2]
	if det == 0 || math.IsNaN(det) || math.IsInf(det, 0) {
		return c, false
	}
	for i := range 3 {
		for j := range 3 {
			c[i][j] /= det
		}
	}
	return c, true
}
