package bias

import "github.com/nitrain/nitrain/internal/tasks"

// Lattice is a cubic B-spline over an image's box, from the first to the last voxel centre along each axis.
type Lattice struct {
	N [3]int // control points along each axis: pieces and three
	C []float64
}

func newLattice(mesh [3]int) *Lattice {
	l := &Lattice{}
	for i := range 3 {
		l.N[i] = mesh[i] + 3
	}
	l.C = make([]float64, l.N[0]*l.N[1]*l.N[2])
	return l
}

// weight is the four control points that matter at a position and their weights.
type weight struct {
	first int
	w     [4]float64
}

// weights returns those of every position among n along an axis of so many control points.
func weights(control, n int) []weight {
	out := make([]weight, n)
	pieces := control - 3
	for i := range out {
		x := 0.0
		if n > 1 {
			x = float64(i) / float64(n-1) * float64(pieces)
		}
		k := min(int(x), pieces-1)
		t := x - float64(k)
		u := 1 - t
		out[i] = weight{k, [4]float64{u * u * u / 6, (4 + t*t*(3*t-6)) / 6, (4 + u*u*(3*u-6)) / 6, t * t * t / 6}}
	}
	return out
}

func (l *Lattice) weights(size [3]int) [3][]weight {
	return [3][]weight{weights(l.N[0], size[0]), weights(l.N[1], size[1]), weights(l.N[2], size[2])}
}

// plane returns the control points of a slice.
func (l *Lattice) plane(w weight) []float64 {
	n := l.N[0] * l.N[1]
	out := make([]float64, n)
	for k, f := range w.w {
		for i, v := range l.C[(w.first+k)*n:][:n] {
			out[i] += f * v
		}
	}
	return out
}

// row evaluates a row of a slice.
func (l *Lattice) row(dst []float32, plane []float64, xs []weight, y weight) {
	line := make([]float64, l.N[0])
	for k, f := range y.w {
		for i, v := range plane[(y.first+k)*l.N[0]:][:l.N[0]] {
			line[i] += f * v
		}
	}
	for x, w := range xs {
		c := line[w.first:][:4]
		dst[x] = float32(w.w[0]*c[0] + w.w[1]*c[1] + w.w[2]*c[2] + w.w[3]*c[3])
	}
}

// EvaluateRows calls f with the spline's values along each row of a grid over the same box, and the index of the row's
// first voxel; several rows at once, each with its own values, which f must not keep.
func (l *Lattice) EvaluateRows(size [3]int, f func(at int, values []float32)) {
	w := l.weights(size)
	tasks.Run(0, size[2], func(z int) {
		plane := l.plane(w[2][z])
		row := make([]float32, size[0])
		for y := range size[1] {
			l.row(row, plane, w[0], w[1][y])
			f((z*size[1]+y)*size[0], row)
		}
	})
}

// refined returns the same spline with twice the pieces along each axis: the two-scale relation of cubic B-splines.
func (l *Lattice) refined() *Lattice {
	from := l
	for axis := range 3 {
		to := &Lattice{N: from.N}
		to.N[axis] = 2*(from.N[axis]-3) + 3
		to.C = make([]float64, to.N[0]*to.N[1]*to.N[2])
		for z := range to.N[2] {
			for y := range to.N[1] {
				for x := range to.N[0] {
					at := [3]int{x, y, z}
					k := at[axis]
					read := func(i int) float64 {
						at[axis] = i
						return from.C[(at[2]*from.N[1]+at[1])*from.N[0]+at[0]]
					}
					var v float64
					if h := k / 2; k%2 == 0 {
						v = (read(h) + read(h+1)) / 2
					} else {
						v = (read(h) + 6*read(h+1) + read(h+2)) / 8
					}
					to.C[(z*to.N[1]+y)*to.N[0]+x] = v
				}
			}
		}
		from = to
	}
	return from
}

// fit approximates scattered values by a spline (Lee, Wolberg and Shin, IEEE Trans. Visualization and Computer Graphics 3,
// 1997). Its sums are products along the axes, so that they are taken axis after axis.
type fit struct {
	n, size [3]int
	value   [3][]weight // w³ / Σw², what a value counts at each control point
	omega   []float64   // Σ w² over the mask
}

func newFit(n, size [3]int, mask []bool) *fit {
	f := &fit{n: n, size: size}
	var square [3][]weight
	for a := range 3 {
		f.value[a], square[a] = weights(n[a], size[a]), weights(n[a], size[a])
		for i, w := range square[a] {
			sum := 0.0
			for k, v := range w.w {
				square[a][i].w[k] = v * v
				sum += v * v
			}
			for k, v := range w.w {
				f.value[a][i].w[k] = v * v * v / sum
			}
		}
	}
	f.omega = f.collect(square, func(i int) float64 {
		if mask[i] {
			return 1
		}
		return 0
	})
	return f
}

// collect sums, for each control point, values times weights.
func (f *fit) collect(w [3][]weight, at func(i int) float64) []float64 {
	plane := f.n[0] * f.n[1]
	slices := make([][]float64, f.size[2])
	tasks.Run(0, f.size[2], func(z int) {
		sum, line := make([]float64, plane), make([]float64, f.n[0])
		for y := range f.size[1] {
			clear(line)
			i := (z*f.size[1] + y) * f.size[0]
			for x := range f.size[0] {
				v := at(i + x)
				if v == 0 {
					continue
				}
				wx := &w[0][x]
				c := line[wx.first:][:4]
				c[0] += v * wx.w[0]
				c[1] += v * wx.w[1]
				c[2] += v * wx.w[2]
				c[3] += v * wx.w[3]
			}
			wy := w[1][y]
			for k, g := range wy.w {
				for i, v := range line {
					sum[(wy.first+k)*f.n[0]+i] += g * v
				}
			}
		}
		slices[z] = sum
	})
	out := make([]float64, plane*f.n[2])
	for z, sum := range slices {
		wz := w[2][z]
		for k, g := range wz.w {
			for i, v := range sum {
				out[(wz.first+k)*plane+i] += g * v
			}
		}
	}
	return out
}

// add fits values, zero outside the mask, and adds the spline to a lattice.
func (f *fit) add(l *Lattice, values []float32) {
	delta := f.collect(f.value, func(i int) float64 { return float64(values[i]) })
	for i, d := range delta {
		if f.omega[i] > 0 {
			l.C[i] += d / f.omega[i]
		}
	}
}
