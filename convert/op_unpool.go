package convert

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// maxPositions returns where in the flat input each maximum of a pool stands: of equal ones the first.
// columns counts the last two axes column by column.
func maxPositions(x, y *graph.Node, w *window, columns bool) *graph.Node {
	x, y = graph.StopGradient(x), graph.StopGradient(y)
	in, shape := dims(x), dims(y)
	d := len(w.kernel)
	amounts := make([][2]int, d)
	for i, n := range in[2:] {
		amounts[i] = [2]int{w.pads[i][0], (shape[i+2]-1)*w.stride[i] + w.extent(i) - n - w.pads[i][0]}
	}
	px := pad(x, lowest(x), append([][2]int{{}, {}}, amounts...))
	w.unrollable()
	countable(product(w.kernel) * product(shape[2:]))
	spatial := product(in[2:])
	far := broadcast(graph.Scalar(x.Graph(), indexType, math.MaxInt32), shape)
	best := far
	walk(w.kernel, func(_ int, tap []int) {
		part := px
		here := newHost(onnx.Int64, append([]int{1, 1}, shape[2:]...))
		valid := newHost(onnx.Bool, here.shape)
		walk(shape[2:], func(flat int, index []int) {
			valid.ints[flat] = 1
			for i, o := range index {
				p := o*w.stride[i] - w.pads[i][0] + tap[i]*w.dilation[i]
				if p < 0 || p >= in[i+2] {
					valid.ints[flat] = 0
				}
				here.ints[flat] = here.ints[flat]*int64(in[i+2]) + int64(p)
			}
		})
		for i, k := range tap {
			from := k * w.dilation[i]
			part = cut(part, i+2, from, from+(shape[i+2]-1)*w.stride[i]+1, w.stride[i])
		}
		hit := graph.LogicalAnd(graph.Equal(part, y), broadcast(constant(x.Graph(), valid, boolType), shape))
		at := broadcast(constant(x.Graph(), here, indexType), shape)
		best = graph.Min(best, graph.Where(hit, at, far))
	})
	if columns {
		best = columnwise(best, in[2:])
	}
	channel := newHost(onnx.Int64, append([]int{in[0], in[1]}, ones(d)...))
	for i := range channel.ints {
		channel.ints[i] = int64(i * spatial)
	}
	return graph.Add(best, broadcast(constant(x.Graph(), channel, indexType), shape))
}

// columnwise renumbers positions so that the first spatial axis is the fastest.
func columnwise(at *graph.Node, size []int) *graph.Node {
	var out *graph.Node
	step := product(size)
	grow := 1
	rest := at
	for _, n := range size {
		step /= n
		q := graph.Div(rest, scalar(rest, float64(step)))
		rest = graph.Sub(rest, graph.MulScalar(q, step))
		part := graph.MulScalar(q, grow)
		if out == nil {
			out = part
		} else {
			out = graph.Add(out, part)
		}
		grow *= n
	}
	return out
}

// opMaxUnpool is MaxUnpool: the inverse of a max pool, zero where no maximum was. Where windows overlapped
// and named one position twice, their values are the same.
func opMaxUnpool(c *call) []*value {
	x := c.x(0)
	in := dims(x)
	d := len(in) - 2
	kernel := c.intsAttr("kernel_shape")
	if len(kernel) != d {
		fail("kernel_shape: want %d numbers, got %v", d, kernel)
	}
	stride, pads := c.perAxis("strides", d), c.padsAttr(d)
	natural := []int{in[0], in[1]}
	for i, n := range in[2:] {
		natural = append(natural, (n-1)*stride[i]-pads[i][0]-pads[i][1]+kernel[i])
	}
	shape := natural
	if c.has(2) {
		shape = c.ints(2, "the shape of the result")
	}
	if len(shape) != len(in) || shape[0] != in[0] || shape[1] != in[1] {
		fail("an array of shape %v is not unpooled to %v", in, shape)
	}
	at := nonNegative(c.x(1), product(natural))
	n := product(in)
	rows, updates := reshape(at, n, 1), reshape(x, n, 1)
	zero := zerosLike(x, product(natural), 1)
	sum := graph.ScatterSum(zero, rows, updates, false, false)
	count := graph.StopGradient(graph.ScatterSum(zero, rows, graph.OnesLike(updates), false, false))
	y := graph.Div(sum, graph.Max(count, scalar(count, 1)))
	y = reshape(y, natural...)
	amounts := make([][2]int, len(in))
	for i := range amounts {
		amounts[i] = [2]int{0, shape[i] - natural[i]}
	}
	return c.out(pad(y, 0, amounts))
}

// opCol2Im is Col2Im: blocks [N, C*taps, positions] are added where they were cut from an image.
func opCol2Im(c *call) []*value {
	x := c.x(0)
	image, kernel := c.ints(1, "the shape of the image"), c.ints(2, "the shape of a block")
	d := len(image)
	if len(kernel) != d || d == 0 {
		fail("blocks of shape %v do not fit an image of shape %v", kernel, image)
	}
	s := dims(x)
	taps := product(kernel)
	v := &convolution{window: window{kernel: kernel, stride: c.perAxis("strides", d), dilation: c.perAxis("dilations", d), pads: c.padsAttr(d)}, groups: 1, in: image}
	var out []int
	for i, n := range image {
		out = append(out, v.out(i, n))
	}
	if taps == 0 || s[1]%taps != 0 || s[2] != product(out) {
		fail("blocks of shape %v do not make up an image of shape %v", s, image)
	}
	channels := s[1] / taps
	// Each tap is a channel of a transposed convolution whose kernel is one at that tap.
	w := newHost(onnx.Float32, append([]int{taps, 1}, kernel...))
	for i := range taps {
		w.floats[i*taps+i] = 1
	}
	y := v.transpose(reshape(x, append([]int{s[0] * channels, taps}, out...)...), constantLike(x, w))
	return c.out(reshape(y, append([]int{s[0], channels}, image...)...))
}
