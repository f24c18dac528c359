package convert

import (
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// resize is what a Resize or Upsample does to one axis.
type resize struct {
	in, out     int
	scale       float64
	from, to    float64 // roi of tf_crop_and_resize
	mode        string
	coordinates string
	nearest     string
	cubic       float64
	exclude     bool // exclude_outside
	antialias   bool
}

// source maps an output position to a position of the input, in float32 as all engines do: at a tie between
// two neighbours the rounding decides.
func (r *resize) source(o int) float64 {
	x, scale := float32(o), float32(r.scale)
	in, out := float32(r.in), float32(r.out)
	halfPixel := float32((x+0.5)/scale) - 0.5
	switch r.coordinates {
	case "half_pixel":
		return float64(halfPixel)
	case "half_pixel_symmetric":
		adjust := out / float32(scale*in)
		centre := in / 2
		return float64(float32(centre*(1-adjust)) + halfPixel)
	case "pytorch_half_pixel":
		if r.out == 1 {
			return 0
		}
		return float64(halfPixel)
	case "align_corners":
		if r.out == 1 {
			return 0
		}
		return float64(float32(x*(in-1)) / (out - 1))
	case "asymmetric":
		return float64(x / scale)
	case "tf_half_pixel_for_nn":
		return float64((x + 0.5) / scale)
	case "tf_crop_and_resize":
		n := in - 1
		from, to := float32(r.from), float32(r.to)
		if r.out == 1 {
			return float64(0.5 * float32(from+to) * n)
		}
		return float64(float32(from*n) + float32(float32(float32(x*float32(to-from))*n)/(out-1)))
	}
	refuse("coordinate_transformation_mode %q is unknown", r.coordinates)
	return 0
}

// matrix returns the weights of every input position for every output position, and which outputs lie
// outside the input (tf_crop_and_resize fills those with a value).
func (r *resize) matrix() (w *host, outside []bool) {
	w = newHost(onnx.Float64, []int{r.out, r.in})
	outside = make([]bool, r.out)
	for o := range r.out {
		x := r.source(o)
		outside[o] = r.coordinates == "tf_crop_and_resize" && (x < 0 || x > float64(r.in-1))
		row := w.floats[o*r.in : (o+1)*r.in]
		switch r.mode {
		case "nearest":
			row[clampInt(r.round(x), 0, r.in-1)] = 1
		case "linear":
			r.taps(row, x, 1, func(d float64) float64 { return math.Max(0, 1-math.Abs(d)) })
		case "cubic":
			r.taps(row, x, 2, func(d float64) float64 { return cubicKernel(d, r.cubic) })
		default:
			refuse("resize mode %q is unknown", r.mode)
		}
	}
	return w, outside
}

// round picks the neighbour of a nearest resize.
func (r *resize) round(x float64) int {
	switch r.nearest {
	case "round_prefer_floor":
		return int(math.Ceil(x - 0.5))
	case "round_prefer_ceil":
		return int(math.Floor(x + 0.5))
	case "floor":
		return int(math.Floor(x))
	case "ceil":
		return int(math.Ceil(x))
	}
	refuse("nearest_mode %q is unknown", r.nearest)
	return 0
}

// taps adds the weights of a kernel that reaches radius input positions to each side of x. Antialiasing
// widens the kernel when shrinking. Positions outside the input count for the border, or not at all.
func (r *resize) taps(row []float64, x, radius float64, kernel func(float64) float64) {
	stretch := 1.0
	if r.antialias && r.scale < 1 {
		stretch = 1 / r.scale
	}
	reach := radius * stretch
	lo, hi := int(math.Floor(x-reach))+1, int(math.Ceil(x+reach))-1
	if lo > hi {
		lo, hi = int(math.Round(x)), int(math.Round(x))
	}
	total := 0.0
	weights := make([]float64, hi-lo+1)
	for i := range weights {
		at := lo + i
		weights[i] = kernel((float64(at) - x) / stretch)
		if r.exclude && (at < 0 || at >= len(row)) {
			weights[i] = 0
		}
		total += weights[i]
	}
	for i, v := range weights {
		if r.exclude || r.antialias {
			v /= total
		}
		row[clampInt(lo+i, 0, len(row)-1)] += v
	}
}

// cubicKernel is Keys' cubic convolution kernel with parameter a.
func cubicKernel(d, a float64) float64 {
	d = math.Abs(d)
	switch {
	case d <= 1:
		return ((a+2)*d-(a+3))*d*d + 1
	case d < 2:
		return ((a*d-5*a)*d+8*a)*d - 4*a
	}
	return 0
}

func clampInt(v, lo, hi int) int { return max(lo, min(v, hi)) }

// apply resizes axis a of x.
func (r *resize) apply(x *graph.Node, a int) (y *graph.Node, outside []bool) {
	w, outside := r.matrix()
	if picks, ok := singles(w); ok {
		return pickAxis(x, a, picks), outside
	}
	return alongAxis(x, a, w), outside
}

// singles returns the position of the single one in each row, if that is all the matrix has.
func singles(w *host) ([]int, bool) {
	rows, cols := w.shape[0], w.shape[1]
	picks := make([]int, rows)
	for o := range rows {
		row := w.floats[o*cols : (o+1)*cols]
		picks[o] = slices.Index(row, 1)
		if picks[o] < 0 {
			return nil, false
		}
		for i, v := range row {
			if i != picks[o] && v != 0 {
				return nil, false
			}
		}
	}
	return picks, true
}

// pickAxis takes the given positions of an axis. Regular patterns become slices and repetitions, whose
// gradients are cheap; the rest is a matrix of zeros and ones.
func pickAxis(x *graph.Node, a int, picks []int) *graph.Node {
	n := x.Shape().Dimensions[a]
	if len(picks) == 0 {
		refuse("an axis would become empty")
	}
	if step, ok := progression(picks); ok {
		last := picks[len(picks)-1]
		switch {
		case step > 0:
			return cut(x, a, picks[0], last+1, step)
		case step < 0:
			return graph.Reverse(cut(x, a, last, picks[0]+1, -step), a)
		default:
			shape := dims(x)
			shape[a] = len(picks)
			return graph.BroadcastToDims(cut(x, a, picks[0], picks[0]+1, 1), shape...)
		}
	}
	if len(picks)%n == 0 && repeats(picks, len(picks)/n) {
		return repeatEach(x, a, len(picks)/n)
	}
	return gatherAxis(x, a, picks)
}

// progression returns the constant step between picks.
func progression(picks []int) (int, bool) {
	if len(picks) == 1 {
		return 1, true
	}
	step := picks[1] - picks[0]
	for i := 1; i < len(picks); i++ {
		if picks[i]-picks[i-1] != step {
			return 0, false
		}
	}
	return step, true
}

// repeats says whether every position comes k times in turn.
func repeats(picks []int, k int) bool {
	for i, p := range picks {
		if p != i/k {
			return false
		}
	}
	return true
}

// repeatEach repeats every position of an axis k times.
func repeatEach(x *graph.Node, a, k int) *graph.Node {
	shape := dims(x)
	wide := slices.Insert(slices.Clone(shape), a+1, 1)
	x = reshape(x, wide...)
	wide[a+1] = k
	x = graph.BroadcastToDims(x, wide...)
	shape[a] *= k
	return reshape(x, shape...)
}

// gatherAxis takes any positions of an axis.
func gatherAxis(x *graph.Node, a int, picks []int) *graph.Node {
	h := &host{dtype: onnx.Int64, shape: []int{len(picks), 1}}
	for _, p := range picks {
		h.ints = append(h.ints, int64(p))
	}
	perm := append([]int{a}, without(x.Rank(), a)...)
	y := graph.Gather(permute(x, perm...), graph.StopGradient(constant(x.Graph(), h, indexType)))
	back := make([]int, x.Rank())
	for i, p := range perm {
		back[p] = i
	}
	return permute(y, back...)
}

// opResize is Resize since opset 10.
func opResize(c *call) []*value {
	x := c.x(0)
	rank := x.Rank()
	list := c.intsAttr("axes")
	if list == nil {
		for a := range rank {
			list = append(list, a)
		}
	}
	scalesAt, sizesAt, roiAt := 2, 3, 1
	coordinates, nearest := "half_pixel", "round_prefer_floor"
	if c.opset < 11 {
		scalesAt, sizesAt, roiAt = 1, -1, -1
		coordinates, nearest = "asymmetric", "floor"
	}
	base := resize{
		mode:        c.stringAttr("mode", "nearest"),
		coordinates: c.stringAttr("coordinate_transformation_mode", coordinates),
		nearest:     c.stringAttr("nearest_mode", nearest),
		cubic:       c.floatAttr("cubic_coeff_a", -0.75),
		exclude:     c.intAttr("exclude_outside", 0) == 1,
		antialias:   c.intAttr("antialias", 0) == 1,
	}
	var scales, roi []float64
	var sizes []int
	if sizesAt > 0 && c.has(sizesAt) && c.arg(sizesAt).shape[0] > 0 {
		sizes = c.ints(sizesAt, "the sizes of a resize")
	} else {
		scales = c.floats(scalesAt, "the scales of a resize")
	}
	if base.coordinates == "tf_crop_and_resize" && roiAt > 0 && c.has(roiAt) {
		roi = c.floats(roiAt, "the region of a resize")
	}
	if len(scales)+len(sizes) != len(list) {
		fail("scales or sizes: want %d numbers, got %d", len(list), len(scales)+len(sizes))
	}
	return c.resized(x, base, axesInOrder(list, rank), scales, sizes, roi)
}

// axesInOrder counts axes from the front and keeps their order.
func axesInOrder(list []int, rank int) []int {
	out := make([]int, len(list))
	for i, a := range list {
		out[i] = axis(a, rank)
	}
	return out
}

// resized resizes the listed axes.
func (c *call) resized(x *graph.Node, base resize, list []int, scales []float64, sizes []int, roi []float64) []*value {
	policy := c.stringAttr("keep_aspect_ratio_policy", "stretch")
	if sizes != nil && policy != "stretch" {
		scales, sizes = keptAspect(dims(x), list, sizes, policy)
	}
	fill := c.floatAttr("extrapolation_value", 0)
	inside := newHost(onnx.Float32, nil)
	inside.floats[0] = 1
	for i, a := range list {
		r := base
		r.in = x.Shape().Dimensions[a]
		switch {
		case sizes == nil:
			r.scale = scales[i]
			r.out = int(float32(r.in) * float32(r.scale)) // in float32, as onnxruntime counts
		case scales == nil:
			r.out = sizes[i]
			r.scale = float64(r.out) / float64(r.in)
		default:
			r.out, r.scale = sizes[i], scales[i]
		}
		if r.out < 1 {
			fail("axis %d would become empty", a)
		}
		if roi != nil {
			r.from, r.to = roi[i], roi[i+len(list)]
		}
		if r.in == r.out && r.scale == 1 && roi == nil {
			continue
		}
		var outside []bool
		x, outside = r.apply(x, a)
		if slices.Contains(outside, true) {
			inside = zip(onnx.Float32, inside, maskOf(outside, a, x.Rank()), func(x, y float64) float64 { return x * y }, nil)
		}
	}
	if inside.len() > 1 {
		m := constantLike(x, inside)
		x = graph.Add(graph.Mul(x, m), graph.MulScalar(graph.OneMinus(m), fill))
	}
	return c.out(x)
}

// maskOf is 0 at the marked positions of an axis, shaped for broadcasting.
func maskOf(outside []bool, a, rank int) *host {
	shape := ones(rank)
	shape[a] = len(outside)
	h := newHost(onnx.Float32, shape)
	for i, out := range outside {
		if !out {
			h.floats[i] = 1
		}
	}
	return h
}

// keptAspect turns sizes into one common scale, the smallest (not_larger) or the largest (not_smaller).
func keptAspect(in, list, sizes []int, policy string) ([]float64, []int) {
	scale := math.Inf(1)
	if policy == "not_smaller" {
		scale = math.Inf(-1)
	}
	for i, a := range list {
		s := float64(sizes[i]) / float64(in[a])
		if policy == "not_smaller" {
			scale = math.Max(scale, s)
		} else {
			scale = math.Min(scale, s)
		}
	}
	scales := make([]float64, len(list))
	out := make([]int, len(list))
	for i, a := range list {
		scales[i] = scale
		out[i] = int(math.Floor(scale*float64(in[a]) + 0.5))
	}
	return scales, out
}

// opUpsample is Upsample: scales are an attribute in opset 7 and an input in opset 9.
func opUpsample(c *call) []*value {
	x := c.x(0)
	var scales []float64
	if c.has(1) {
		scales = c.floats(1, "the scales of an upsampling")
	} else if a, ok := c.attr("scales"); ok {
		for _, v := range a.Floats {
			scales = append(scales, float64(v))
		}
	} else {
		scales = []float64{1, 1, c.floatAttr("height_scale", 1), c.floatAttr("width_scale", 1)}
	}
	if len(scales) != x.Rank() {
		fail("scales: want %d numbers, got %d", x.Rank(), len(scales))
	}
	mode := c.stringAttr("mode", "nearest")
	if mode == "bilinear" {
		mode = "linear"
	}
	base := resize{mode: mode, coordinates: "asymmetric", nearest: "floor"}
	list := make([]int, x.Rank())
	for a := range list {
		list[a] = a
	}
	return c.resized(x, base, list, scales, nil, nil)
}
