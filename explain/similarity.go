package explain

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
)

// RankCorrelation is Spearman's: the correlation of the ranks, equal values sharing theirs. It is 0 where one side is
// constant.
func RankCorrelation(a, b []float32) float64 {
	return correlation(ranks(a), ranks(b))
}

// ranks gives every value its place in the order, equals the mean of theirs.
func ranks(v []float32) []float64 {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case v[i] < v[j]:
			return -1
		case v[i] > v[j]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(v))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && v[order[j]] == v[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			out[k] = float64(i+j-1) / 2
		}
		i = j
	}
	return out
}

func correlation(a, b []float64) float64 {
	var ma, mb float64
	for i := range a {
		ma += a[i] / float64(len(a))
		mb += b[i] / float64(len(b))
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := a[i]-ma, b[i]-mb
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// SSIM is the mean structural similarity (Wang et al. 2004) of two images with values from 0 to 1 and one channel, over
// windows of 7 voxels along each axis (fewer along a shorter one), as scikit-image computes it.
func SSIM(a, b *imageio.Image) float64 {
	size := a.Grid.Size
	var win [3]int
	n := 1.0
	for k := range 3 {
		win[k] = min(7, size[k]-(1-size[k]%2))
		n *= float64(win[k])
	}
	product := func(x, y []float32) []float64 {
		out := make([]float64, len(x))
		for i := range x {
			out[i] = float64(x[i]) * float64(y[i])
		}
		return boxMeans(out, size, win)
	}
	ones := slices.Repeat([]float32{1}, a.Grid.Len())
	x, y := a.Channel(0), b.Channel(0)
	ux, uy := product(x, ones), product(y, ones)
	xx, yy, xy := product(x, x), product(y, y), product(x, y)
	const c1, c2 = 0.01 * 0.01, 0.03 * 0.03
	sample := 1.0
	if n > 1 {
		sample = n / (n - 1)
	}
	sum := 0.0
	for i := range ux {
		vx, vy, vxy := sample*(xx[i]-ux[i]*ux[i]), sample*(yy[i]-uy[i]*uy[i]), sample*(xy[i]-ux[i]*uy[i])
		sum += (2*ux[i]*uy[i] + c1) * (2*vxy + c2) / ((ux[i]*ux[i] + uy[i]*uy[i] + c1) * (vx + vy + c2))
	}
	return sum / float64(len(ux))
}

// boxMeans returns the means over all windows that lie inside, axis by axis.
func boxMeans(v []float64, size, win [3]int) []float64 {
	for a := range 3 {
		to := size
		to[a] = size[a] - win[a] + 1
		inner, outer := 1, 1
		for k := range 3 {
			if k < a {
				inner *= size[k]
			} else if k > a {
				outer *= size[k]
			}
		}
		out := make([]float64, inner*to[a]*outer)
		for o := range outer {
			for i := range inner {
				for p := range to[a] {
					sum := 0.0
					for d := range win[a] {
						sum += v[(o*size[a]+p+d)*inner+i]
					}
					out[(o*to[a]+p)*inner+i] = sum / float64(win[a])
				}
			}
		}
		v, size = out, to
	}
	return v
}

// likeness compares two attributions where either of them is not 0, see SanityStep: what both leave out, like the part of
// a volume that no window with a target sees, would make any two maps alike.
func likeness(a, b *imageio.Image) (rank, ssim float64) {
	size := a.Grid.Size
	x, y := absolute(a), absolute(b)
	box := patch.Box{Start: size}
	var end [3]int
	var p, q []float32
	for i := range x {
		if x[i] == 0 && y[i] == 0 {
			continue
		}
		p, q = append(p, x[i]), append(q, y[i])
		for k, v := range [3]int{i % size[0], i / size[0] % size[1], i / size[0] / size[1]} {
			box.Start[k], end[k] = min(box.Start[k], v), max(end[k], v+1)
		}
	}
	if len(p) == 0 {
		return 1, 1
	}
	for k := range 3 {
		box.Size[k] = end[k] - box.Start[k]
	}
	return RankCorrelation(p, q), SSIM(scaled(x, p, a.Grid, box), scaled(y, q, a.Grid, box))
}

// absolute returns the absolute attribution, channels added up.
func absolute(im *imageio.Image) []float32 {
	out := make([]float32, im.Grid.Len())
	for i, v := range Flat(im).Data {
		out[i] = max(v, -v)
	}
	return out
}

// scaled cuts a box out and divides by the value that 1 % of the support is above.
func scaled(v, support []float32, grid imageio.Grid, box patch.Box) *imageio.Image {
	order := slices.Clone(support)
	slices.Sort(order)
	top := order[len(order)*99/100]
	if top == 0 {
		top = order[len(order)-1]
	}
	out := imageio.New(imageio.Grid{Size: box.Size, Affine: grid.Affine}, 1, imageio.Intensity)
	eachInside(box, grid.Size, func(in, at int) {
		if top > 0 {
			out.Data[in] = min(v[at]/top, 1)
		}
	})
	return out
}
