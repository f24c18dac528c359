package convert

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// sampler reads an image [N, C, S...] at real positions: linear, nearest or cubic between its elements.
// Gradients reach the image and, but for nearest, the positions.
type sampler struct {
	rows *graph.Node // [N*S, C]
	size []int       // S
	mode string      // linear, nearest, cubic
	edge string      // zeros, border, reflection
	// low and high bound the range that reflects, for each axis.
	low, high []float64
}

// newSampler prepares an image for reading. With corners the range of an axis ends at the centres of its
// first and last element, else at their outer borders.
func newSampler(x *graph.Node, mode, edge string, corners bool) *sampler {
	s := dims(x)
	m := &sampler{size: s[2:], mode: mode, edge: edge}
	perm := append([]int{0}, spatialAxes(len(s))...)
	m.rows = reshape(permute(x, append(perm, 1)...), s[0]*product(s[2:]), s[1])
	for _, n := range m.size {
		low, high := -0.5, float64(n)-0.5
		if corners {
			low, high = 0, float64(n-1)
		}
		m.low, m.high = append(m.low, low), append(m.high, high)
	}
	return m
}

// tap is one neighbour along an axis: its index, and the weight that it has.
type tap struct {
	index, weight *graph.Node
}

// at reads at positions at[axis], each [N, P], and returns [N, P, C].
func (m *sampler) at(at []*graph.Node) *graph.Node {
	n := dims(at[0])[0]
	return m.read(at, graph.Iota(at[0].Graph(), indexShape(n), 0), false)
}

// read is at for rows [R, P] of positions that name the image that they lie in. With best a reading is the
// largest weighted neighbour, as ONNX's RoiAlign has it, instead of their sum.
func (m *sampler) read(at []*graph.Node, image *graph.Node, best bool) *graph.Node {
	taps := make([][]tap, len(at))
	for i, p := range at {
		taps[i] = m.taps(i, p)
	}
	shape := dims(at[0])
	first := broadcast(graph.MulScalar(reshape(image, shape[0], 1), product(m.size)), shape)
	var out *graph.Node
	m.combine(taps, first, nil, func(index, weight *graph.Node) {
		part := gatherRows(m.rows, index)
		if weight != nil {
			part = graph.Mul(part, reshape(weight, append(slices.Clone(shape), 1)...))
		}
		switch {
		case out == nil:
			out = part
		case best:
			out = larger(out, part)
		default:
			out = graph.Add(out, part)
		}
	})
	return out
}

// combine calls fn for every choice of one tap an axis.
func (m *sampler) combine(taps [][]tap, index, weight *graph.Node, fn func(index, weight *graph.Node)) {
	if len(taps) == 0 {
		fn(index, weight)
		return
	}
	step := product(m.size[len(m.size)-len(taps)+1:])
	for _, t := range taps[0] {
		w := t.weight
		switch {
		case w == nil:
			w = weight
		case weight != nil:
			w = graph.Mul(weight, w)
		}
		m.combine(taps[1:], graph.Add(index, graph.MulScalar(t.index, step)), w, fn)
	}
}

// taps returns the neighbours of positions along an axis.
func (m *sampler) taps(i int, p *graph.Node) []tap {
	if m.mode == "nearest" {
		p = flat(p, graph.Round)
	}
	p = m.bounded(i, p)
	base := flat(p, graph.Floor)
	frac := graph.Sub(p, base)
	switch m.mode {
	case "nearest":
		return []tap{m.tap(i, base, nil)}
	case "linear":
		return []tap{
			m.tap(i, base, graph.OneMinus(frac)),
			m.tap(i, graph.AddScalar(base, 1), frac),
		}
	case "cubic":
		var out []tap
		for k := -1; k <= 2; k++ {
			out = append(out, m.tap(i, graph.AddScalar(base, k), cubicWeight(frac, k)))
		}
		return out
	}
	refuse("sampling mode %q is unknown", m.mode)
	return nil
}

// cubicWeight is Keys' kernel with parameter -0.75 at distance |frac - k|, k from -1 to 2.
func cubicWeight(frac *graph.Node, k int) *graph.Node {
	const a = -0.75
	d := graph.AddScalar(frac, -k)
	if k > 0 {
		d = graph.Neg(d)
	}
	poly := func(c3, c2, c1, c0 float64) *graph.Node {
		y := graph.AddScalar(graph.MulScalar(d, c3), c2)
		y = graph.AddScalar(graph.Mul(y, d), c1)
		return graph.AddScalar(graph.Mul(y, d), c0)
	}
	if k == 0 || k == 1 {
		return poly(a+2, -(a + 3), 0, 1)
	}
	return poly(a, -5*a, 8*a, -4*a)
}

// bounded moves positions outside the image as the edge mode says. The taps of a cubic kernel are bounded one
// by one instead.
func (m *sampler) bounded(i int, p *graph.Node) *graph.Node {
	switch m.edge {
	case "zeros", "border", "reflection":
	default:
		refuse("padding_mode %q is unknown", m.edge)
	}
	if m.mode == "cubic" || m.edge == "zeros" {
		return p
	}
	if m.edge == "reflection" {
		p = reflected(p, m.low[i], m.high[i])
	}
	return clamped(p, 0, float64(m.size[i]-1))
}

// reflected folds positions into a range, back and forth.
func reflected(p *graph.Node, low, high float64) *graph.Node {
	span := high - low
	if span <= 0 {
		return zerosLike(p, dims(p)...)
	}
	d := graph.Abs(graph.AddScalar(p, -low))
	turns := flat(graph.MulScalar(d, 1/span), graph.Floor)
	rest := graph.Sub(d, graph.MulScalar(turns, span))
	half := graph.MulScalar(turns, 0.5)
	even := graph.Equal(half, flat(half, graph.Floor))
	return graph.AddScalar(graph.Where(even, rest, graph.AddScalar(graph.Neg(rest), span)), low)
}

// tap bounds an index, and weighs it zero where it lies in padding of zeros.
func (m *sampler) tap(i int, index, weight *graph.Node) tap {
	last := float64(m.size[i] - 1)
	if m.edge == "reflection" {
		index = flat(reflected(index, m.low[i], m.high[i]), graph.Floor)
	}
	inside := graph.Min(graph.Max(index, scalar(index, 0)), scalar(index, last))
	if m.edge == "zeros" {
		hit := graph.ConvertDType(graph.Equal(index, inside), index.DType())
		if weight == nil {
			weight = hit
		} else {
			weight = graph.Mul(weight, hit)
		}
	}
	return tap{graph.StopGradient(graph.ConvertDType(inside, indexType)), weight}
}
