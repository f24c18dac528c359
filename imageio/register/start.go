package register

import (
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// starts returns the first guesses, each a map of world points.
func (s *search) starts() []imageio.Affine {
	if s.o.Start != nil {
		return []imageio.Affine{s.begin(*s.o.Start)}
	}
	moving := s.moving.content()
	mass := shift(s.body.center, moving.center)
	list := []imageio.Affine{mass, imageio.Identity(), shift(middle(s.fixed.im.Grid), middle(s.moving.im.Grid))}
	if m, ok := principal(s.body, moving); ok {
		list = append(list, m)
	}
	const turn = 20 * math.Pi / 180
	for axis := range 3 {
		for _, angle := range []float64{-turn, turn} {
			var w [3]float64
			w[axis] = angle
			list = append(list, mass.Mul(about(rotation(w), s.body.center)))
		}
	}
	return list
}

// begin returns the start without what the kind does not allow: shear, or scale and shear.
func (s *search) begin(m Map) imageio.Affine {
	a := m.Affine()
	if s.o.Kind == Full {
		return a
	}
	r := a.Rotation()
	if s.o.Kind == Similarity {
		k := math.Cbrt(math.Abs(a.Det()))
		for i := range 3 {
			for j := range 3 {
				r[i][j] *= k
			}
		}
	}
	return shift(s.body.center, a.Apply(s.body.center)).Mul(about(r, s.body.center))
}

// shift returns the translation that brings one point onto another.
func shift(from, to [3]float64) imageio.Affine {
	m := imageio.Identity()
	for i := range 3 {
		m[i][3] = to[i] - from[i]
	}
	return m
}

// about returns a linear map that leaves a point where it is.
func about(r [3][3]float64, center [3]float64) imageio.Affine {
	m := imageio.Identity()
	for i := range 3 {
		m[i][3] = center[i]
		for j := range 3 {
			m[i][j] = r[i][j]
			m[i][3] -= r[i][j] * center[j]
		}
	}
	return m
}

// rotation returns the rotation by |w| radians about w: Rodrigues' formula.
func rotation(w [3]float64) [3][3]float64 {
	angle := math.Sqrt(w[0]*w[0] + w[1]*w[1] + w[2]*w[2])
	k := [3][3]float64{{0, -w[2], w[1]}, {w[2], 0, -w[0]}, {-w[1], w[0], 0}}
	a, b := 1.0, 0.5 // sin(x)/x and (1-cos(x))/x²
	if angle > 1e-8 {
		a, b = math.Sin(angle)/angle, (1-math.Cos(angle))/(angle*angle)
	}
	kk := mul(k, k)
	var r [3][3]float64
	for i := range 3 {
		r[i][i] = 1
		for j := range 3 {
			r[i][j] += a*k[i][j] + b*kk[i][j]
		}
	}
	return r
}

func mul(a, b [3][3]float64) [3][3]float64 {
	var c [3][3]float64
	for i := range 3 {
		for j := range 3 {
			c[i][j] = a[i][0]*b[0][j] + a[i][1]*b[1][j] + a[i][2]*b[2][j]
		}
	}
	return c
}

// principal returns the map that lays the principal axes of one body on the other's: of the rotations that do, the
// smallest. It is not offered beyond 60 degrees, where axes of nearly equal length have changed places.
func principal(fixed, moving body) (imageio.Affine, bool) {
	a, b := eigenvectors(fixed.axes), eigenvectors(moving.axes)
	best, trace := [3][3]float64{}, math.Inf(-1)
	for signs := range 8 {
		var r [3][3]float64
		for k := range 3 {
			sign := 1 - 2*float64(signs>>k&1)
			for i := range 3 {
				for j := range 3 {
					r[i][j] += sign * b[i][k] * a[j][k]
				}
			}
		}
		det := r[0][0]*(r[1][1]*r[2][2]-r[1][2]*r[2][1]) - r[0][1]*(r[1][0]*r[2][2]-r[1][2]*r[2][0]) + r[0][2]*(r[1][0]*r[2][1]-r[1][1]*r[2][0])
		if t := r[0][0] + r[1][1] + r[2][2]; det > 0 && t > trace {
			best, trace = r, t
		}
	}
	if (trace-1)/2 < math.Cos(math.Pi/3) {
		return imageio.Affine{}, false
	}
	return shift(fixed.center, moving.center).Mul(about(best, fixed.center)), true
}

// eigenvectors returns those of a symmetric matrix as columns, by Jacobi's rotations, in the order of their
// eigenvalues.
func eigenvectors(m [3][3]float64) [3][3]float64 {
	v := [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}
	for range 50 {
		for p := range 2 {
			for q := p + 1; q < 3; q++ {
				if m[p][q] == 0 {
					continue
				}
				t := 0.5 * math.Atan2(2*m[p][q], m[q][q]-m[p][p])
				c, s := math.Cos(t), math.Sin(t)
				for k := range 3 {
					m[k][p], m[k][q] = c*m[k][p]-s*m[k][q], s*m[k][p]+c*m[k][q]
				}
				for k := range 3 {
					m[p][k], m[q][k] = c*m[p][k]-s*m[q][k], s*m[p][k]+c*m[q][k]
				}
				for k := range 3 {
					v[k][p], v[k][q] = c*v[k][p]-s*v[k][q], s*v[k][p]+c*v[k][q]
				}
			}
		}
	}
	for p := range 2 {
		for q := p + 1; q < 3; q++ {
			if m[q][q] < m[p][p] {
				m[p][p], m[q][q] = m[q][q], m[p][p]
				for k := range 3 {
					v[k][p], v[k][q] = v[k][q], v[k][p]
				}
			}
		}
	}
	return v
}
