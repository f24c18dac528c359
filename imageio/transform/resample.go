package transform

import (
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// resampling says how the voxels of one grid are found in another.
type resampling struct {
	from, to [3]int         // sizes
	m        imageio.Affine // from voxels of the result to voxels of the source
	how      Interpolation  // Linear, Nearest or Cubic
	edge     Edge
	outside  float32 // where the edge has nothing to offer
}

// channelFunc writes one channel of the result from one of the source.
type channelFunc func(dst, src []float32)

// plan chooses the cheapest way that gives the numbers: by index, axis by axis, or point by point.
func (r resampling) plan() channelFunc {
	perm, ok := r.permutation()
	if !ok {
		return r.pointwise()
	}
	var place [3]axisMap
	var size [3]int
	for i, source := range perm {
		size[i] = r.from[source]
		place[i] = axisMap{r.m[source][i], r.m[source][3], r.to[i], size[i]}
	}
	if place[0].whole() && place[1].whole() && place[2].whole() {
		r.how = Nearest
	}
	return turnFirst(r.from, perm, r.separable(place, size))
}

// permutation returns which source axis each axis of the result follows, if the axes are parallel: if what the
// others add stays below 1e-5 voxel over the whole result.
func (r resampling) permutation() (perm [3]int, ok bool) {
	for i := range 3 {
		best := 0
		for row := range 3 {
			if math.Abs(r.m[row][i]) > math.Abs(r.m[best][i]) {
				best = row
			}
		}
		for row := range 3 {
			if row != best && math.Abs(r.m[row][i])*float64(r.to[i]) > 1e-5 {
				return perm, false
			}
		}
		perm[i] = best
	}
	return perm, perm[0] != perm[1] && perm[0] != perm[2] && perm[1] != perm[2]
}

// turnFirst exchanges the source's axes, if need be, one channel at a time.
func turnFirst(from, perm [3]int, f channelFunc) channelFunc {
	var t turning
	for i, source := range perm {
		t[i].source = source
	}
	if t == still() {
		return f
	}
	var turned []float32
	return func(dst, src []float32) {
		if turned == nil {
			turned = make([]float32, len(src))
		}
		turnChannel(turned, src, from, t)
		f(dst, turned)
	}
}

// axisMap maps the n positions of the result along an axis to coordinates scale·i + offset among size voxels.
type axisMap struct {
	scale, offset float64
	n, size       int
}

func (a axisMap) at(i int) float64 { return a.scale*float64(i) + a.offset }

// whole reports whether every position falls on a voxel centre, to 1e-4 voxel.
func (a axisMap) whole() bool {
	off := func(x float64) bool { return math.Abs(x-math.Round(x)) > 1e-4 }
	return math.Abs(math.Abs(a.scale)-1)*float64(a.n) < 1e-4 && !off(a.at(0)) && !off(a.at(a.n-1))
}

// separable returns the way for parallel axes: tables for each axis.
func (r resampling) separable(place [3]axisMap, size [3]int) channelFunc {
	switch r.how {
	case Nearest:
		var at [3][]int
		for i, a := range place {
			at[i] = nearestTable(a, r.edge)
		}
		return func(dst, src []float32) { gather(dst, r.to, src, size, at, r.outside) }
	case Cubic:
		return r.cubicSeparable(place, size)
	default:
		var taps [3][]tap
		for i, a := range place {
			taps[i] = linearTable(a, r.edge)
		}
		return func(dst, src []float32) { blend(dst, r.to, src, size, taps, r.outside) }
	}
}

func nearestTable(a axisMap, e Edge) []int {
	at := make([]int, a.n)
	whole := a.whole()
	for i := range at {
		x := a.at(i)
		if whole {
			x = math.Round(x)
		}
		at[i] = e.nearest(x, a.size)
	}
	return at
}

// linearTable marks a position outside by a tap at -1.
func linearTable(a axisMap, e Edge) []tap {
	taps := make([]tap, a.n)
	for i := range taps {
		t, ok := e.linearTap(a.at(i), a.size)
		if !ok {
			t.at = -1
		}
		taps[i] = t
	}
	return taps
}

// blend is the trilinear interpolation along parallel axes: two slices, then two rows, then two samples at a time.
func blend(dst []float32, n [3]int, src []float32, size [3]int, taps [3][]tap, outside float32) {
	rows := size[0] * size[1]
	parallelChunks(n[2], n[0]*n[1], func(lo, hi int) {
		slice, row := make([]float32, rows), make([]float32, size[0])
		for z := lo; z < hi; z++ {
			out := dst[z*n[0]*n[1]:][:n[0]*n[1]]
			tz := taps[2][z]
			if tz.at < 0 {
				setAll(out, outside)
				continue
			}
			blendTwo(slice, src[tz.at*rows:][:rows], src[tz.next*rows:][:rows], tz)
			for y, ty := range taps[1] {
				line := out[y*n[0]:][:n[0]]
				if ty.at < 0 {
					setAll(line, outside)
					continue
				}
				blendTwo(row, slice[ty.at*size[0]:][:size[0]], slice[ty.next*size[0]:][:size[0]], ty)
				blendRow(line, row, taps[0], outside)
			}
		}
	})
}

func blendTwo(out, a, b []float32, t tap) {
	if t.w1 == 0 && t.w0 == 1 {
		copy(out, a)
		return
	}
	a, b = a[:len(out)], b[:len(out)]
	for i := range out {
		out[i] = t.w0*a[i] + t.w1*b[i]
	}
}

func blendRow(out, row []float32, taps []tap, outside float32) {
	for i, t := range taps {
		if t.at < 0 {
			out[i] = outside
			continue
		}
		if t.w1 == 0 { // also keeps an infinite neighbour out
			out[i] = t.w0 * row[t.at]
			continue
		}
		out[i] = t.w0*row[t.at] + t.w1*row[t.next]
	}
}

func setAll(s []float32, v float32) {
	for i := range s {
		s[i] = v
	}
}
