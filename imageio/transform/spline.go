package transform

import "math"

// Cubic B-splines, after Unser, Aldroubi and Eden (IEEE Trans. Signal Processing 41, 1993) with the boundary
// rules of SciPy 1.17's ndimage: Border continues the signal by its border voxel (12 samples are enough), Reflect is
// symmetric about the outer faces, all other edges are symmetric about the border voxels' centres.

// splinePad is how many samples Border adds on each side; the pole's 12th power is below 2e-7.
const splinePad = 12

func (e Edge) splinePad() int {
	if e == Border {
		return splinePad
	}
	return 0
}

// splinePlace brings a coordinate to where the spline is defined; for Border that reaches splinePad beyond.
func (e Edge) splinePlace(x float64, n int) (float64, bool) {
	switch e {
	case Border:
		return min(max(x, -splinePad), float64(n-1+splinePad)), true
	case Reflect:
		return fold(x+0.5, float64(n)) - 0.5, true
	case Zeros:
		return strict.place(x, n)
	default:
		return e.place(x, n)
	}
}

// inside brings the index of a coefficient into 0..n-1.
func (e Edge) inside(k, n int) int {
	if k >= 0 && k < n {
		return k
	}
	if e == Reflect {
		return reflected(k, n)
	}
	return mirrored(k, n)
}

// prefilter turns samples into spline coefficients, in place.
func prefilter(c []float64, e Edge) {
	n := len(c)
	if n < 2 {
		return
	}
	const z = -0.26794919243112270647 // sqrt(3) - 2
	for i := range c {
		c[i] *= 6
	}
	if e == Reflect {
		c[0] = causalReflect(c, z)
	} else {
		c[0] = causalMirror(c, z)
	}
	for i := 1; i < n; i++ {
		c[i] += z * c[i-1]
	}
	if e == Reflect {
		c[n-1] *= z / (z - 1)
	} else {
		c[n-1] = z / (z*z - 1) * (c[n-1] + z*c[n-2])
	}
	for i := n - 2; i >= 0; i-- {
		c[i] = z * (c[i+1] - c[i])
	}
}

func causalMirror(c []float64, z float64) float64 {
	n := len(c)
	sum, near := c[0]+math.Pow(z, float64(n-1))*c[n-1], z
	for i := 1; i < n-1 && math.Abs(near) > 1e-30; i++ {
		sum += (near + math.Pow(z, float64(2*n-2-i))) * c[i]
		near *= z
	}
	return sum / (1 - math.Pow(z, float64(2*n-2)))
}

func causalReflect(c []float64, z float64) float64 {
	n := len(c)
	last := math.Pow(z, float64(n))
	sum, near := c[0]+last*c[n-1], z
	for i := 1; i < n && math.Abs(near) > 1e-30; i++ {
		sum += near * (c[i] + last*c[n-1-i])
		near *= z
	}
	return sum*z/(1-last*last) + c[0]
}

// cubicWeights returns the weights of the coefficients floor(x)-1 to floor(x)+2 at the fraction t.
func cubicWeights(t float64) [4]float64 {
	u := 1 - t
	w0, w1, w3 := u*u*u/6, (4+t*t*(3*t-6))/6, t*t*t/6
	return [4]float64{w0, w1, 1 - w0 - w1 - w3, w3}
}

// spline is a channel as coefficients.
type spline struct {
	c    []float32
	size [3]int
	pad  int
	edge Edge
}

// newSpline filters a channel along all axes.
func newSpline(src []float32, size [3]int, e Edge) spline {
	s := spline{size: size, pad: e.splinePad(), edge: e}
	if s.pad == 0 {
		s.c = append([]float32(nil), src...)
	} else {
		b := box{}
		for i := range 3 {
			b.lo[i], b.hi[i] = -s.pad, size[i]+s.pad
			s.size[i] += 2 * s.pad
		}
		f := fill{mode: PadEdge}
		s.c = make([]float32, s.size[0]*s.size[1]*s.size[2])
		at := [3][]int{f.indices(b, size, 0), f.indices(b, size, 1), f.indices(b, size, 2)}
		gather(s.c, s.size, src, size, at, 0)
	}
	for axis := range 3 {
		lines(s.c, s.size, s.c, s.size, axis, func(line, result []float64) {
			copy(result, line)
			prefilter(result, e)
		})
	}
	return s
}

// at evaluates the spline at coordinates from splinePlace.
func (s spline) at(x, y, z float64) float32 {
	var at [3][4]int
	var w [3][4]float64
	for i, v := range [3]float64{x, y, z} {
		k, t := floorFraction(v + float64(s.pad))
		w[i] = cubicWeights(t)
		for j := range 4 {
			at[i][j] = s.edge.inside(k-1+j, s.size[i])
		}
	}
	sum := 0.0
	for k, kz := range at[2] {
		plane := 0.0
		for j, ky := range at[1] {
			row := s.c[(kz*s.size[1]+ky)*s.size[0]:]
			line := 0.0
			for i, kx := range at[0] {
				line += w[0][i] * float64(row[kx])
			}
			plane += w[1][j] * line
		}
		sum += w[2][k] * plane
	}
	return float32(sum)
}

// cubicSeparable interpolates axis after axis, the axes that shrink most first.
func (r resampling) cubicSeparable(place [3]axisMap, size [3]int) channelFunc {
	return func(dst, src []float32) {
		how := [3]lineFunc{}
		for i, a := range place {
			how[i] = cubicLine(a, r.edge)
		}
		alongAxes(dst, r.to, src, size, how)
		r.clear(dst, place)
	}
}

// lineFunc computes a line of the result from a line of the source.
type lineFunc func(line, result []float64)

// cubicLine filters and samples one line.
func cubicLine(a axisMap, e Edge) lineFunc {
	pad := e.splinePad()
	n := a.size + 2*pad
	type cubicTap struct {
		at [4]int
		w  [4]float64
	}
	taps := make([]cubicTap, a.n)
	for i := range taps {
		x, _ := e.splinePlace(a.at(i), a.size)
		k, t := floorFraction(x + float64(pad))
		taps[i].w = cubicWeights(t)
		for j := range 4 {
			taps[i].at[j] = e.inside(k-1+j, n)
		}
	}
	return func(line, result []float64) {
		c := make([]float64, n)
		copy(c[pad:], line)
		for i := range pad {
			c[i], c[n-1-i] = line[0], line[len(line)-1]
		}
		prefilter(c, e)
		for i, t := range taps {
			result[i] = t.w[0]*c[t.at[0]] + t.w[1]*c[t.at[1]] + t.w[2]*c[t.at[2]] + t.w[3]*c[t.at[3]]
		}
	}
}

// clear writes the value outside where an axis has nothing to offer.
func (r resampling) clear(dst []float32, place [3]axisMap) {
	var out [3][]bool
	any := false
	for i, a := range place {
		out[i] = make([]bool, a.n)
		for k := range out[i] {
			_, ok := r.edge.splinePlace(a.at(k), a.size)
			out[i][k] = !ok
			any = any || !ok
		}
	}
	if !any {
		return
	}
	parallel(r.to[1]*r.to[2], r.to[0], func(row int) {
		line := dst[row*r.to[0]:][:r.to[0]]
		whole := out[1][row%r.to[1]] || out[2][row/r.to[1]]
		for i := range line {
			if whole || out[0][i] {
				line[i] = r.outside
			}
		}
	})
}

// alongAxes applies a lineFunc along each axis in turn, nil for an axis that stays as it is.
func alongAxes(dst []float32, to [3]int, src []float32, from [3]int, how [3]lineFunc) {
	left := 0
	for _, f := range how {
		if f != nil {
			left++
		}
	}
	if left == 0 {
		copy(dst, src)
		return
	}
	for left > 0 {
		axis := -1
		for i, f := range how {
			if f != nil && (axis < 0 || to[i]*from[axis] < to[axis]*from[i]) {
				axis = i
			}
		}
		size := from
		size[axis] = to[axis]
		next := dst
		if left--; left > 0 {
			next = make([]float32, size[0]*size[1]*size[2])
		}
		lines(next, size, src, from, axis, how[axis])
		src, from, how[axis] = next, size, nil
	}
}
