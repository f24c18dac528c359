package register

import (
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// body is where an image's content lies, in world mm.
type body struct {
	center [3]float64    // centre of mass
	axes   [3][3]float64 // covariance in mm²
	lo, hi [3]float64    // box of the voxels, in voxels of the level that was measured
	level  *imageio.Image
	radius float64 // mm, of a ball with the same spread
}

// threshold separates content from background: Otsu's, on 128 bins between the smallest and largest sample.
func threshold(samples []float32) float32 {
	lo, hi := limits(samples)
	if !(hi > lo) {
		return lo
	}
	const bins = 128
	var count, sum [bins]float64
	for _, v := range samples {
		k := min(max(int((v-lo)/(hi-lo)*bins), 0), bins-1)
		count[k]++
		sum[k] += float64(v)
	}
	total, all := 0.0, 0.0
	for k := range count {
		total += count[k]
		all += sum[k]
	}
	best, at, n, s := -1.0, 0, 0.0, 0.0
	for k := range bins - 1 {
		n += count[k]
		s += sum[k]
		if n == 0 || n == total {
			continue
		}
		d := s/n - (all-s)/(total-n)
		if between := n * (total - n) * d * d; between > best {
			best, at = between, k
		}
	}
	return lo + (hi-lo)*float32(at+1)/bins
}

// content measures the samples above half of Otsu's threshold, each weighing the same.
func (p *pyramid) content() body {
	im := p.at(4)
	lo, _ := limits(im.Data)
	limit := lo + (threshold(im.Data)-lo)/2
	b := body{level: im, lo: [3]float64{math.Inf(1), math.Inf(1), math.Inf(1)}, hi: [3]float64{math.Inf(-1), math.Inf(-1), math.Inf(-1)}}
	n := 0.0
	var sum [3]float64
	var square [3][3]float64
	each(im.Grid.Size, func(i int, v [3]float64) {
		if !(im.Data[i] > limit) {
			return
		}
		w := im.Grid.Affine.Apply(v)
		n++
		for a := range 3 {
			b.lo[a], b.hi[a] = min(b.lo[a], v[a]), max(b.hi[a], v[a])
			sum[a] += w[a]
			for c := range 3 {
				square[a][c] += w[a] * w[c]
			}
		}
	})
	if n == 0 { // a constant image: the whole grid
		for a, s := range im.Grid.Size {
			b.lo[a], b.hi[a] = 0, float64(s-1)
		}
		b.center = middle(im.Grid)
		b.radius = 1
		return b
	}
	trace := 0.0
	for a := range 3 {
		b.center[a] = sum[a] / n
	}
	for a := range 3 {
		for c := range 3 {
			b.axes[a][c] = square[a][c]/n - b.center[a]*b.center[c]
		}
		trace += b.axes[a][a]
	}
	b.radius = max(math.Sqrt(5*trace/3), 1) // a solid ball has a variance of radius²/5 along each axis
	return b
}

// each visits the voxels, x fastest.
func each(size [3]int, f func(i int, v [3]float64)) {
	i := 0
	for z := range size[2] {
		for y := range size[1] {
			for x := range size[0] {
				f(i, [3]float64{float64(x), float64(y), float64(z)})
				i++
			}
		}
	}
}

// middle returns the middle of a grid.
func middle(g imageio.Grid) [3]float64 {
	return g.World(float64(g.Size[0]-1)/2, float64(g.Size[1]-1)/2, float64(g.Size[2]-1)/2)
}

// limits returns the smallest and largest finite sample.
func limits(samples []float32) (lo, hi float32) {
	lo, hi = float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range samples {
		if v < lo && v >= -math.MaxFloat32 {
			lo = v
		}
		if v > hi && v <= math.MaxFloat32 {
			hi = v
		}
	}
	return lo, hi
}
