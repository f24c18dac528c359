package convert

import (
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// spread shapes a scale or zero point to go with x: one number, one an axis position, or one a block.
func (c *call) spread(n *graph.Node, shape []int) *graph.Node {
	if n.Shape().Size() == 1 {
		return reshape(n, ones(len(shape))...)
	}
	a := axis(c.intAttr("axis", 1), len(shape))
	block := c.intAttr("block_size", 0)
	if block == 0 {
		if n.Rank() != 1 || dims(n)[0] != shape[a] {
			fail("scales of shape %v do not fit axis %d of %v", dims(n), a, shape)
		}
		s := ones(len(shape))
		s[a] = shape[a]
		return reshape(n, s...)
	}
	if block < 0 || n.Rank() != len(shape) || dims(n)[a] != ceilDiv(shape[a], block) {
		fail("scales of shape %v do not fit blocks of %d along axis %d of %v", dims(n), block, a, shape)
	}
	n = repeatEach(n, a, block)
	return cut(n, a, 0, shape[a], 1)
}

// opDequantize is DequantizeLinear: (x - zero) * scale.
func opDequantize(c *call) []*value {
	shape := c.arg(0).shape
	x := graph.ConvertDType(c.x(0), c.goType(c.arg(1).dtype))
	if c.has(2) {
		x = graph.Sub(x, c.spread(graph.ConvertDType(c.x(2), x.DType()), shape))
	}
	t := c.arg(1).dtype
	if o := c.intAttr("output_dtype", 0); o != 0 {
		t = onnx.DType(o)
	}
	return c.outAs(t, graph.Mul(x, c.spread(c.x(1), shape)))
}

// opQuantize is QuantizeLinear: x / scale, rounded to even, plus zero, held in the range of the type.
func opQuantize(c *call) []*value {
	t := onnx.Uint8
	if o := c.intAttr("output_dtype", 0); o != 0 {
		t = onnx.DType(o)
	}
	if c.has(2) {
		t = c.arg(2).dtype
	}
	x := graph.StopGradient(c.x(0))
	if !x.DType().IsFloat() {
		x = graph.ConvertDType(x, c.goType(onnx.Float32))
	}
	shape := dims(x)
	x = graph.Div(x, c.spread(graph.ConvertDType(c.x(1), x.DType()), shape))
	if f, ok := smallFloat(t); ok {
		if f.unsigned {
			refuse("quantising to %v is not supported", t)
		}
		return c.outAs(t, f.roundNode(x, c.intAttr("saturate", 1) == 1))
	}
	var zero *graph.Node
	if c.has(2) {
		zero = c.spread(graph.ConvertDType(c.x(2), x.DType()), shape)
	}
	return c.outAs(t, c.quantised(x, zero, t))
}

// quantised rounds, shifts and bounds scaled numbers for a type of whole numbers.
func (c *call) quantised(x, zero *graph.Node, t onnx.DType) *graph.Node {
	low, high, ok := wholeRange(t)
	if !ok {
		refuse("quantising to %v is not supported", t)
	}
	x = graph.Round(graph.StopGradient(x))
	if zero != nil {
		x = graph.Add(x, zero)
	}
	x = graph.Min(graph.Max(x, scalar(x, low)), scalar(x, high))
	return graph.ConvertDType(x, c.goType(t))
}

// wholeRange returns the bounds of the types that numbers are quantised to.
func wholeRange(t onnx.DType) (low, high float64, ok bool) {
	bits := t.Bits()
	switch t {
	case onnx.Uint8, onnx.Uint16, onnx.Uint4, onnx.Uint2:
		return 0, math.Ldexp(1, bits) - 1, true
	case onnx.Int8, onnx.Int16, onnx.Int4, onnx.Int2:
		return -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1) - 1, true
	}
	return 0, 0, false
}

// opDynamicQuantize is DynamicQuantizeLinear: the range of the data, with zero in it, is spread over uint8.
func opDynamicQuantize(c *call) []*value {
	x := graph.StopGradient(c.x(0))
	high := graph.Max(graph.ReduceAllMax(x), scalar(x, 0))
	low := graph.Min(graph.ReduceAllMin(x), scalar(x, 0))
	span := graph.Sub(high, low)
	scale := graph.MulScalar(graph.Where(graph.Equal(span, scalar(x, 0)), scalar(x, 1), span), 1.0/255)
	zero := graph.Neg(graph.Div(low, scale))
	zero = graph.Round(graph.Min(graph.Max(zero, scalar(x, 0)), scalar(x, 255)))
	y := c.quantised(graph.Div(x, broadcast(scale, dims(x))), broadcast(zero, dims(x)), onnx.Uint8)
	return []*value{c.wrap(onnx.Uint8, y), c.wrap(c.arg(0).dtype, scale), c.wrap(onnx.Uint8, zero)}
}

// shifted is input i as real numbers less a zero point, input z, in a type that holds sums exactly.
func (c *call) shifted(i, z, at int, dtype dtypes.DType) *graph.Node {
	x := graph.ConvertDType(c.x(i), dtype)
	if !c.has(z) {
		return x
	}
	return graph.Sub(x, vectorAlong(graph.ConvertDType(c.x(z), dtype), x.Rank(), at))
}

// vectorAlong shapes a number or a vector along one axis of an array, counted from the end where negative.
func vectorAlong(v *graph.Node, rank, at int) *graph.Node {
	if v.Rank() > 1 {
		return v
	}
	s := ones(rank)
	s[axis(at, rank)] = v.Shape().Size()
	return reshape(v, s...)
}

// opMatMulInteger is MatMulInteger. The products are exact in float64.
func opMatMulInteger(c *call) []*value {
	a, b := c.shifted(0, 2, -2, dtypes.Float64), c.shifted(1, 3, -1, dtypes.Float64)
	return c.outAs(onnx.Int32, graph.ConvertDType(matmul(a, b), dtypes.Int32))
}

// opQLinearMatMul is QLinearMatMul.
func opQLinearMatMul(c *call) []*value {
	a, b := c.shifted(0, 2, -2, dtypes.Float64), c.shifted(3, 5, -1, dtypes.Float64)
	y := matmul(a, b)
	as := func(i, at int) *graph.Node { return vectorAlong(graph.ConvertDType(c.x(i), y.DType()), y.Rank(), at) }
	y = graph.Mul(y, graph.Div(graph.Mul(as(1, -2), as(4, -1)), as(6, -2)))
	return c.outAs(c.arg(7).dtype, c.quantised(y, as(7, -2), c.arg(7).dtype))
}

// wholeConv convolves input i with input k, less their zero points; the sums are exact or refused.
func (c *call) wholeConv(i, iz, k, kz int) *graph.Node {
	const most = 1 << 24 // float32 holds whole numbers up to here
	x, w := c.shifted(i, iz, 1, dtypes.Float32), c.shifted(k, kz, 0, dtypes.Float32)
	in, kernel := dims(x), dims(w)
	groups := c.intAttr("group", 1)
	if len(in) < 3 || len(kernel) != len(in) || groups < 1 || in[1] != kernel[1]*groups || kernel[0]%groups != 0 {
		fail("a kernel of shape %v in %d groups does not fit an input of shape %v", kernel, groups, in)
	}
	if terms := product(kernel[1:]); terms > most/(255*255) {
		refuse("sums of %d products of bytes are not exact", terms)
	}
	v := &convolution{window: *c.window(kernel[2:], in[2:]), groups: groups, in: in[2:]}
	v.mustFit(v.in)
	return v.apply(x, w)
}

// opConvInteger is ConvInteger.
func opConvInteger(c *call) []*value {
	return c.outAs(onnx.Int32, graph.ConvertDType(c.wholeConv(0, 2, 1, 3), dtypes.Int32))
}

// opQLinearConv is QLinearConv.
func opQLinearConv(c *call) []*value {
	y := c.wholeConv(0, 2, 3, 5)
	if c.has(8) {
		y = graph.Add(y, perChannel(graph.ConvertDType(c.x(8), y.DType()), y.Rank()))
	}
	as := func(i int) *graph.Node { return vectorAlong(graph.ConvertDType(c.x(i), y.DType()), y.Rank(), 1) }
	y = graph.Mul(y, graph.Div(graph.Mul(as(1), as(4)), as(6)))
	t := c.arg(0).dtype
	var zero *graph.Node
	if c.has(7) {
		t, zero = c.arg(7).dtype, as(7)
	}
	return c.outAs(t, c.quantised(y, zero, t))
}

// rounds returns, for the k-th occurrence of each index, which positions of the list they are: within one
// round every index comes once.
func rounds(list []int) [][]int {
	var out [][]int
	seen := map[int]int{}
	for i, at := range list {
		k := seen[at]
		seen[at]++
		if k == len(out) {
			out = append(out, nil)
		}
		out[k] = append(out[k], i)
	}
	return slices.Clip(out)
}
