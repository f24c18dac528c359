package transform

import "math"

// Edges that steps choose for themselves; they have no name in JSON.
const (
	strict    Edge = "strict"     // outside as soon as the point leaves [0, n-1]: SciPy's "constant"
	halfVoxel Edge = "half voxel" // the border up to half a voxel beyond its centre, outside from there: ITK's
)

// edgeSlack is how far, in voxels, round-off may carry a point over the outer face of a border voxel.
const edgeSlack = 1e-6

// place brings a coordinate into [0, n-1]; ok is false where the edge has nothing to offer. For Zeros with
// linear interpolation see linearTap, which blends.
func (e Edge) place(x float64, n int) (at float64, ok bool) {
	last := float64(n - 1)
	switch e {
	case Reflect:
		x = fold(x+0.5, float64(n)) - 0.5
	case Mirror:
		x = fold(x, last)
	case strict:
		return x, x >= 0 && x <= last
	case Zeros, halfVoxel:
		if x < -0.5-edgeSlack || x > last+0.5+edgeSlack {
			return 0, false
		}
	}
	return min(max(x, 0), last), true
}

// fold mirrors a coordinate into [0, span].
func fold(x, span float64) float64 {
	if span <= 0 {
		return 0
	}
	x = math.Mod(math.Abs(x), 2*span)
	return min(x, 2*span-x)
}

// tap is the two samples that a linear interpolation along one axis blends, and their weights.
type tap struct {
	at, next int
	w0, w1   float32
}

// linearTap returns the blend at a coordinate; ok is false where the result is the value outside.
func (e Edge) linearTap(x float64, n int) (t tap, ok bool) {
	if e == Zeros {
		return zerosTap(x, n), true
	}
	if x, ok = e.place(x, n); !ok {
		return tap{}, false
	}
	i := min(int(x), n-1)
	w := float32(x - float64(i))
	return tap{i, min(i+1, n-1), 1 - w, w}, true
}

// zerosTap blends with zeros beyond the border, as PyTorch's grid_sample does.
func zerosTap(x float64, n int) tap {
	if x <= -1 || x >= float64(n) {
		return tap{}
	}
	i := int(math.Floor(x))
	w := float32(x - float64(i))
	t := tap{i, i + 1, 1 - w, w}
	if i < 0 {
		t.at, t.w0 = 0, 0
	}
	if i+1 >= n {
		t.next, t.w1 = n-1, 0
	}
	return t
}

// nearest returns the index of the nearest voxel centre, halves up, or -1 for the value outside.
func (e Edge) nearest(x float64, n int) int {
	at, ok := e.place(x, n)
	if !ok {
		return -1
	}
	return min(int(math.Floor(at+0.5)), n-1)
}
