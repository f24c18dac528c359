package transform

import "math"

// pointwise returns the way for axes that are not parallel: every voxel's coordinates, in float64.
func (r resampling) pointwise() channelFunc {
	switch r.how {
	case Nearest:
		return func(dst, src []float32) { r.eachRow(dst, func(w rowWalk, out []float32) { r.nearestRow(w, out, src) }) }
	case Cubic:
		return func(dst, src []float32) {
			c := newSpline(src, r.from, r.edge)
			r.eachRow(dst, func(w rowWalk, out []float32) { r.cubicRow(w, out, c) })
		}
	default:
		return func(dst, src []float32) { r.eachRow(dst, func(w rowWalk, out []float32) { r.linearRow(w, out, src) }) }
	}
}

// rowWalk is a row of the result seen in the source: where it starts and how it steps.
type rowWalk struct{ start, step [3]float64 }

func (w rowWalk) at(i int) (x, y, z float64) {
	f := float64(i)
	return w.start[0] + f*w.step[0], w.start[1] + f*w.step[1], w.start[2] + f*w.step[2]
}

func (r resampling) eachRow(dst []float32, f func(w rowWalk, out []float32)) {
	parallel(r.to[1]*r.to[2], r.to[0]*4, func(row int) {
		y, z := row%r.to[1], row/r.to[1]
		w := rowWalk{start: r.m.Apply([3]float64{0, float64(y), float64(z)})}
		for i := range 3 {
			w.step[i] = r.m[i][0]
		}
		f(w, dst[row*r.to[0]:][:r.to[0]])
	})
}

func (r resampling) nearestRow(w rowWalk, out, src []float32) {
	for i := range out {
		x, y, z := w.at(i)
		ix, iy, iz := r.edge.nearest(x, r.from[0]), r.edge.nearest(y, r.from[1]), r.edge.nearest(z, r.from[2])
		if ix < 0 || iy < 0 || iz < 0 {
			out[i] = r.outside
			continue
		}
		out[i] = src[(iz*r.from[1]+iy)*r.from[0]+ix]
	}
}

func (r resampling) linearRow(w rowWalk, out, src []float32) {
	nx, nxy := r.from[0], r.from[0]*r.from[1]
	lx, ly, lz := float64(r.from[0]-1), float64(r.from[1]-1), float64(r.from[2]-1)
	for i := range out {
		x, y, z := w.at(i)
		if !(x >= 0 && x < lx && y >= 0 && y < ly && z >= 0 && z < lz) {
			out[i] = r.linearAtEdge(x, y, z, src)
			continue
		}
		ix, iy, iz := int(x), int(y), int(z)
		fx, fy, fz := float32(x-float64(ix)), float32(y-float64(iy)), float32(z-float64(iz))
		p := src[iz*nxy+iy*nx+ix:]
		a := p[0] + fx*(p[1]-p[0])
		b := p[nx] + fx*(p[nx+1]-p[nx])
		c := p[nxy] + fx*(p[nxy+1]-p[nxy])
		d := p[nxy+nx] + fx*(p[nxy+nx+1]-p[nxy+nx])
		a += fy * (b - a)
		c += fy * (d - c)
		out[i] = a + fz*(c-a)
	}
}

// linearAtEdge interpolates where a neighbour may be missing.
func (r resampling) linearAtEdge(x, y, z float64, src []float32) float32 {
	tx, okx := r.edge.linearTap(x, r.from[0])
	ty, oky := r.edge.linearTap(y, r.from[1])
	tz, okz := r.edge.linearTap(z, r.from[2])
	if !okx || !oky || !okz {
		return r.outside
	}
	row := func(y, z int) float32 {
		p := src[(z*r.from[1]+y)*r.from[0]:]
		if tx.w1 == 0 {
			return tx.w0 * p[tx.at]
		}
		return tx.w0*p[tx.at] + tx.w1*p[tx.next]
	}
	near := ty.w0*row(ty.at, tz.at) + ty.w1*row(ty.next, tz.at)
	far := ty.w0*row(ty.at, tz.next) + ty.w1*row(ty.next, tz.next)
	return tz.w0*near + tz.w1*far
}

func (r resampling) cubicRow(w rowWalk, out []float32, c spline) {
	for i := range out {
		x, y, z := w.at(i)
		px, okx := r.edge.splinePlace(x, r.from[0])
		py, oky := r.edge.splinePlace(y, r.from[1])
		pz, okz := r.edge.splinePlace(z, r.from[2])
		if !okx || !oky || !okz {
			out[i] = r.outside
			continue
		}
		out[i] = c.at(px, py, pz)
	}
}

// floorFraction splits a number.
func floorFraction(x float64) (int, float64) {
	f := math.Floor(x)
	return int(f), x - f
}
