package predict

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// way says between which voxels of the prepared image each voxel of the wanted grid lies. It is
// [transform.Onto] seen from the source: which voxels of the result can be filled in once a block of the source is
// known. A point up to half a voxel beyond the outer centres takes the border's value, one farther out has none.
type way struct {
	from, to [3]int
	nearest  bool // the nearest voxel's value, else linear
	m        imageio.Affine
	// aligned: axis i of the result follows axis perm[i] of the source, by tables
	aligned bool
	perm    [3]int
	table   [3]table
	back    imageio.Affine // not aligned: from the source's indices to the result's
}

// tap is the two samples that a linear interpolation along one axis blends.
type tap struct {
	at, next int32
	w0, w1   float32
}

// table has the taps along one axis of the result.
type table struct {
	taps     []tap
	from, to int   // the taps that lie inside are [from, to)
	falls    bool  // taps descend
	below    []int // below[k] of the inner taps are at less than k
}

// slack is how far, in voxels, round-off may carry a point over the outer face of a border voxel.
const slack = 1e-6

// newWay returns the way between grids whose axes may have any direction. apart is the axis of the source along which
// the nearest voxel is taken though the others are blended, -1 for none.
func newWay(from, to imageio.Grid, nearest bool, apart int) (*way, error) {
	m, ok := between(from, to)
	if !ok {
		_, err := from.Affine.Inverse()
		return nil, err
	}
	w := &way{from: from.Size, to: to.Size, nearest: nearest, m: m}
	if w.perm, w.aligned = permutation(m, to.Size); !w.aligned {
		w.perm = [3]int{0, 1, 2}
		var err error
		w.back, err = m.Inverse()
		return w, err
	}
	exact := true
	for i, a := range w.perm {
		exact = exact && whole(m[a][i], m[a][3], to.Size[i])
	}
	for i, a := range w.perm {
		w.table[i] = newTable(m[a][i], m[a][3], to.Size[i], from.Size[a], exact, nearest || exact || a == apart)
	}
	return w, nil
}

// permutation returns which axis of the source each axis of the result follows, if what the others add stays below 1e-5
// voxel over the whole result.
func permutation(m imageio.Affine, to [3]int) (perm [3]int, ok bool) {
	for i := range 3 {
		best := 0
		for row := range 3 {
			if math.Abs(m[row][i]) > math.Abs(m[best][i]) {
				best = row
			}
		}
		for row := range 3 {
			if row != best && math.Abs(m[row][i])*float64(to[i]) > 1e-5 {
				return perm, false
			}
		}
		perm[i] = best
	}
	return perm, perm[0] != perm[1] && perm[0] != perm[2] && perm[1] != perm[2]
}

// whole reports whether every position falls on a voxel centre, to 1e-4 voxel.
func whole(scale, offset float64, n int) bool {
	off := func(x float64) bool { return math.Abs(x-math.Round(x)) > latticeTolerance }
	return math.Abs(math.Abs(scale)-1)*float64(n) < latticeTolerance && !off(offset) && !off(scale*float64(n-1)+offset)
}

func newTable(scale, offset float64, n, size int, exact, nearest bool) table {
	t := table{taps: make([]tap, n), from: n, falls: scale < 0, below: make([]int, size+1)}
	for i := range t.taps {
		x := scale*float64(i) + offset
		if exact {
			x = math.Round(x)
		}
		x, ok := inside(x, size)
		if !ok {
			continue
		}
		t.from, t.to = min(t.from, i), i+1
		t.taps[i] = tapAt(x, size, nearest)
		t.below[t.taps[i].at+1]++
	}
	t.from = min(t.from, t.to)
	for k := range size {
		t.below[k+1] += t.below[k]
	}
	return t
}

// inside brings a coordinate among the centres of n voxels; ok is false if it lies outside of them.
func inside(x float64, n int) (float64, bool) {
	last := float64(n - 1)
	if !(x >= -0.5-slack && x <= last+0.5+slack) {
		return 0, false
	}
	return min(max(x, 0), last), true
}

func tapAt(x float64, n int, nearest bool) tap {
	if nearest {
		at := int32(min(int(x+0.5), n-1))
		return tap{at, at, 1, 0}
	}
	i := min(int(x), n-1)
	f := float32(x - float64(i))
	return tap{int32(i), int32(min(i+1, n-1)), 1 - f, f}
}

// span returns the positions whose taps are at lo to before hi.
func (t *table) span(lo, hi int) (from, to int) {
	a, b := t.below[lo], t.below[hi]
	if t.falls {
		return t.to - b, t.to - a
	}
	return t.from + a, t.from + b
}

// part is a box of the source: the voxels of the result whose lower corner lies in it, low to before high, can be made
// of the voxels low to before top.
type part struct{ low, high, top [3]int }

// size returns the number of voxels that a part is made of, along the axes of the result.
func (w *way) size(p part) [3]int {
	var n [3]int
	for i, a := range w.perm {
		n[i] = p.top[a] - p.low[a]
	}
	return n
}

// line is a run of voxels along the result's first axis that are made of one part.
type line struct {
	at, n  int // of the first voxel in the result; how many
	size   [3]int
	y, z   tap
	x      []tap // aligned: relative to low
	low    int32
	corner []corner // else
	a, b   []float32
}

// corner is where a voxel of the result lies in a part.
type corner struct {
	x, y, z tap // relative to the part
}

// each calls f for the lines of a part. The line is reused.
func (w *way) each(p part, l *line, f func(l *line)) {
	l.size = w.size(p)
	if w.aligned {
		w.eachAligned(p, l, f)
	} else {
		w.eachOblique(p, l, f)
	}
}

func (w *way) eachAligned(p part, l *line, f func(l *line)) {
	var from, to [3]int
	for i, a := range w.perm {
		if from[i], to[i] = w.table[i].span(p.low[a], p.high[a]); from[i] >= to[i] {
			return
		}
	}
	l.low, l.corner = int32(p.low[w.perm[0]]), nil
	l.x, l.n = w.table[0].taps[from[0]:to[0]], to[0]-from[0]
	for z := from[2]; z < to[2]; z++ {
		l.z = w.table[2].taps[z].minus(p.low[w.perm[2]])
		for y := from[1]; y < to[1]; y++ {
			l.y = w.table[1].taps[y].minus(p.low[w.perm[1]])
			l.at = from[0] + w.to[0]*(y+w.to[1]*z)
			f(l)
		}
	}
}

func (t tap) minus(low int) tap {
	t.at -= int32(low)
	t.next -= int32(low)
	return t
}

// eachOblique looks at the box of the result that holds the part, row by row.
func (w *way) eachOblique(p part, l *line, f func(l *line)) {
	lo, hi := w.reach(p)
	first, last := w.bounds(lo, hi)
	for z := first[2]; z <= last[2]; z++ {
		for y := first[1]; y <= last[1]; y++ {
			start := w.m.Apply([3]float64{0, float64(y), float64(z)})
			x0, x1 := w.cross(start, lo, hi, first[0], last[0])
			l.corner, l.n = l.corner[:0], 0
			for x := x0; x <= x1; x++ {
				if c, ok := w.cornerAt(start, x, p); ok {
					l.corner = append(l.corner, c)
					continue
				}
				l.run(x+w.to[0]*(y+w.to[1]*z), f)
			}
			l.run(x1+1+w.to[0]*(y+w.to[1]*z), f)
		}
	}
}

// run hands on what was collected up to a voxel.
func (l *line) run(end int, f func(l *line)) {
	if l.n = len(l.corner); l.n > 0 {
		l.at = end - l.n
		f(l)
		l.corner = l.corner[:0]
	}
}

// reach returns the coordinates in the source whose lower corner, or nearest voxel, may lie in a part: a little more.
func (w *way) reach(p part) (lo, hi [3]float64) {
	for a := range 3 {
		lo[a], hi[a] = float64(p.low[a]), float64(p.high[a])
		if w.nearest || p.low[a] == 0 {
			lo[a] -= 0.5
		}
		if w.nearest || p.high[a] == w.from[a] {
			hi[a] -= 0.5
		}
		lo[a] -= 1e-3
		hi[a] += 1e-3
	}
	return lo, hi
}

// bounds returns the box of the result that holds a box of the source.
func (w *way) bounds(lo, hi [3]float64) (first, last [3]int) {
	var least, most [3]float64
	for k := range 8 {
		var q [3]float64
		for a := range 3 {
			if q[a] = lo[a]; k>>a&1 == 1 {
				q[a] = hi[a]
			}
		}
		q = w.back.Apply(q)
		for a := range 3 {
			if k == 0 {
				least[a], most[a] = q[a], q[a]
			}
			least[a], most[a] = min(least[a], q[a]), max(most[a], q[a])
		}
	}
	for a := range 3 {
		first[a] = int(max(math.Floor(least[a]), 0))
		last[a] = int(min(math.Ceil(most[a]), float64(w.to[a]-1)))
	}
	return first, last
}

// cross returns the voxels of a row, among first to last, that may lie in a box.
func (w *way) cross(start, lo, hi [3]float64, first, last int) (from, to int) {
	a, b := float64(first), float64(last)
	for axis := range 3 {
		step := w.m[axis][0]
		if math.Abs(step) < 1e-12 {
			continue
		}
		p, q := (lo[axis]-start[axis])/step, (hi[axis]-start[axis])/step
		a, b = max(a, min(p, q)), min(b, max(p, q))
	}
	return int(max(math.Floor(a), float64(first))), int(min(math.Ceil(b), float64(last)))
}

// cornerAt returns where a voxel of a row lies in a part; ok is false if it does not.
func (w *way) cornerAt(start [3]float64, x int, p part) (c corner, ok bool) {
	var t [3]tap
	for a := range 3 {
		v, ok := inside(start[a]+float64(x)*w.m[a][0], w.from[a])
		if !ok {
			return c, false
		}
		t[a] = tapAt(v, w.from[a], w.nearest)
		if int(t[a].at) < p.low[a] || int(t[a].at) >= p.high[a] {
			return c, false
		}
		t[a] = t[a].minus(p.low[a])
	}
	return corner{t[0], t[1], t[2]}, true
}

// sample interpolates a line of a field of values over the part, in the order of the result's axes. A sample of weight 0
// is not looked at: it may be infinite.
func (l *line) sample(field, dst []float32) {
	if l.corner != nil {
		l.scatter(field, dst)
		return
	}
	n := l.size[0]
	row := l.slices(field, int(l.y.at), &l.a)
	if l.y.w1 != 0 {
		next := l.slices(field, int(l.y.next), &l.b)
		l.a = slices.Grow(l.a[:0], n)[:n]
		blend(l.a, row, next, l.y)
		row = l.a
	}
	dst = dst[:len(l.x)]
	for i, t := range l.x {
		if t.w1 == 0 {
			dst[i] = row[t.at-l.low]
			continue
		}
		dst[i] = t.w0*row[t.at-l.low] + t.w1*row[t.next-l.low]
	}
}

// slices returns a row of the field between two of its slices.
func (l *line) slices(field []float32, y int, buffer *[]float32) []float32 {
	n := l.size[0]
	row := field[n*(y+l.size[1]*int(l.z.at)):][:n]
	if l.z.w1 == 0 {
		return row
	}
	*buffer = slices.Grow((*buffer)[:0], n)[:n]
	blend(*buffer, row, field[n*(y+l.size[1]*int(l.z.next)):][:n], l.z)
	return *buffer
}

func blend(out, a, b []float32, t tap) {
	a, b = a[:len(out)], b[:len(out)]
	for i := range out {
		out[i] = t.w0*a[i] + t.w1*b[i]
	}
}

// scatter interpolates voxel by voxel.
func (l *line) scatter(field, dst []float32) {
	n, area := int32(l.size[0]), int32(l.size[0]*l.size[1])
	mix := func(a, b float32, t tap) float32 {
		if t.w1 == 0 {
			return a
		}
		return t.w0*a + t.w1*b
	}
	for i := range l.corner {
		c := &l.corner[i]
		row := func(y, z int32) float32 {
			p := field[y*n+z*area:]
			return mix(p[c.x.at], p[c.x.next], c.x)
		}
		near := mix(row(c.y.at, c.z.at), row(c.y.next, c.z.at), c.y)
		far := near
		if c.z.w1 != 0 {
			far = mix(row(c.y.at, c.z.next), row(c.y.next, c.z.next), c.y)
		}
		dst[i] = mix(near, far, c.z)
	}
}

// pick copies the nearest labels of a line.
func (l *line) pick(field, dst []uint16) {
	if l.corner != nil {
		for i := range l.corner {
			c := &l.corner[i]
			dst[i] = field[int(c.x.at)+l.size[0]*(int(c.y.at)+l.size[1]*int(c.z.at))]
		}
		return
	}
	row := field[l.size[0]*(int(l.y.at)+l.size[1]*int(l.z.at)):][:l.size[0]]
	for i, t := range l.x {
		dst[i] = row[t.at-l.low]
	}
}
