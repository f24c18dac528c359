package metric

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// Surface holds the distances in mm from each surface voxel of one mask to the nearest surface voxel of
// the other, both ways, sorted. A surface voxel is one with a neighbour across a face outside the mask or
// outside the image; an axis of one voxel has no faces.
type Surface struct {
	ToTruth      []float64 // from the prediction's surface
	ToPrediction []float64 // from the truth's surface
}

// NewSurface measures one label. Distances are exact: they come from the Euclidean distance transform of
// Felzenszwalb and Huttenlocher (Theory of Computing 8, 2012) with the grid's spacing.
func NewSurface(prediction, truth *imageio.Image, label int) (Surface, error) {
	if err := oneGrid(prediction, truth); err != nil {
		return Surface{}, err
	}
	region, ok := bounds(prediction, truth, float32(label))
	if !ok {
		return Surface{}, nil
	}
	a := surfaceOf(prediction, float32(label), region)
	b := surfaceOf(truth, float32(label), region)
	spacing := truth.Grid.Spacing()
	return Surface{ToTruth: distances(a, b, region.size, spacing), ToPrediction: distances(b, a, region.size, spacing)}, nil
}

// Hausdorff95 returns the larger of the two directions' 95 % quantiles, linear between order statistics,
// as MONAI's compute_hausdorff_distance(percentile=95) does. NaN when both masks are empty, +Inf when one is.
func (s Surface) Hausdorff95() float64 {
	a, b := quantile(s.ToTruth, 0.95), quantile(s.ToPrediction, 0.95)
	switch {
	case math.IsNaN(a) && math.IsNaN(b):
		return math.NaN()
	case math.IsNaN(a) || math.IsNaN(b):
		return math.Inf(1)
	}
	return max(a, b)
}

// Average returns the mean of both directions' distances together, the average symmetric surface distance
// of MONAI's compute_average_surface_distance(symmetric=True). NaN when both masks are empty, +Inf when one is.
func (s Surface) Average() float64 {
	n := len(s.ToTruth) + len(s.ToPrediction)
	switch {
	case n == 0:
		return math.NaN()
	case len(s.ToTruth) == 0 || len(s.ToPrediction) == 0:
		return math.Inf(1)
	}
	sum := 0.0
	for _, d := range s.ToTruth {
		sum += d
	}
	for _, d := range s.ToPrediction {
		sum += d
	}
	return sum / float64(n)
}

// quantile returns the linear quantile of sorted values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	if math.IsInf(sorted[i], 1) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// region is the part of an image that holds a label in either mask.
type region struct{ start, size [3]int }

func bounds(a, b *imageio.Image, label float32) (region, bool) {
	lo, hi := a.Grid.Size, [3]int{}
	nx, ny, nz := lo[0], lo[1], lo[2]
	i := 0
	for z := range nz {
		for y := range ny {
			for x := range nx {
				if a.Data[i] == label || b.Data[i] == label {
					lo = [3]int{min(lo[0], x), min(lo[1], y), min(lo[2], z)}
					hi = [3]int{max(hi[0], x+1), max(hi[1], y+1), max(hi[2], z+1)}
				}
				i++
			}
		}
	}
	r := region{start: lo, size: [3]int{hi[0] - lo[0], hi[1] - lo[1], hi[2] - lo[2]}}
	return r, hi[0] > 0
}

// surfaceOf marks the surface voxels of a label within a region that holds all of it.
func surfaceOf(im *imageio.Image, label float32, r region) []bool {
	size := im.Grid.Size
	stride := [3]int{1, size[0], size[0] * size[1]}
	out := make([]bool, r.size[0]*r.size[1]*r.size[2])
	at := 0
	for z := range r.size[2] {
		for y := range r.size[1] {
			for x := range r.size[0] {
				p := [3]int{r.start[0] + x, r.start[1] + y, r.start[2] + z}
				i := im.Grid.Index(p[0], p[1], p[2])
				out[at] = im.Data[i] == label && exposed(im.Data, label, i, p, size, stride)
				at++
			}
		}
	}
	return out
}

func exposed(data []float32, label float32, i int, p, size, stride [3]int) bool {
	for a := range 3 {
		if size[a] == 1 {
			continue
		}
		if p[a] == 0 || p[a] == size[a]-1 || data[i-stride[a]] != label || data[i+stride[a]] != label {
			return true
		}
	}
	return size == [3]int{1, 1, 1}
}

// distances returns, sorted, how far each marked voxel of from lies from the nearest one of to.
func distances(from, to []bool, size [3]int, spacing [3]float64) []float64 {
	var out []float64
	if !slices.Contains(from, true) {
		return nil
	}
	squared := transformDistance(to, size, spacing)
	for i, on := range from {
		if on {
			out = append(out, math.Sqrt(squared[i]))
		}
	}
	slices.Sort(out)
	return out
}

// transformDistance returns the squared distance of every voxel to the nearest marked one, +Inf where
// there is none.
func transformDistance(marked []bool, size [3]int, spacing [3]float64) []float64 {
	d := make([]float64, len(marked))
	for i, on := range marked {
		if !on {
			d[i] = math.Inf(1)
		}
	}
	stride := [3]int{1, size[0], size[0] * size[1]}
	for a := range 3 {
		e := newEnvelope(size[a], spacing[a])
		for base := range d {
			if base/stride[a]%size[a] == 0 {
				e.sweep(d, base, stride[a])
			}
		}
	}
	return d
}

// envelope is the scratch space for the lower envelope of parabolas along one line.
type envelope struct {
	n       int
	spacing float64
	values  []float64
	centre  []int     // of the parabolas in the envelope
	from    []float64 // where each begins to be the lowest
}

func newEnvelope(n int, spacing float64) *envelope {
	return &envelope{n: n, spacing: spacing, values: make([]float64, n), centre: make([]int, n), from: make([]float64, n)}
}

// sweep replaces the values of a line by the lowest of all parabolas that stand on them.
func (e *envelope) sweep(d []float64, base, stride int) {
	k := -1
	for q := range e.n {
		f := d[base+q*stride]
		e.values[q] = f
		if math.IsInf(f, 1) {
			continue
		}
		start := math.Inf(-1)
		for k >= 0 {
			start = e.crossing(e.centre[k], q)
			if start > e.from[k] {
				break
			}
			k--
			start = math.Inf(-1)
		}
		k++
		e.centre[k], e.from[k] = q, start
	}
	if k < 0 {
		return
	}
	at := 0
	for q := range e.n {
		x := float64(q) * e.spacing
		for at < k && e.from[at+1] < x {
			at++
		}
		dx := x - float64(e.centre[at])*e.spacing
		d[base+q*stride] = dx*dx + e.values[e.centre[at]]
	}
}

// crossing returns where the parabola on q becomes lower than the one on p < q.
func (e *envelope) crossing(p, q int) float64 {
	xp, xq := float64(p)*e.spacing, float64(q)*e.spacing
	return ((e.values[q] + xq*xq) - (e.values[p] + xp*xp)) / (2 * (xq - xp))
}
