package convert

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// opDequantize is DequantizeLinear, per tensor or per axis: (x - zero) * scale.
func opDequantize(c *call) []*value {
	rank := c.arg(0).rank()
	x := graph.ConvertDType(c.x(0), c.goType(onnx.Float32))
	shape := func(n *graph.Node) *graph.Node {
		if n.Shape().Size() == 1 {
			return reshape(n, ones(rank)...)
		}
		if n.Rank() != 1 {
			refuse("blocked quantisation is not supported")
		}
		s := ones(rank)
		s[axis(c.intAttr("axis", 1), rank)] = n.Shape().Size()
		return reshape(n, s...)
	}
	if c.has(2) {
		x = graph.Sub(x, shape(graph.ConvertDType(c.x(2), x.DType())))
	}
	return c.outAs(c.arg(1).dtype, graph.Mul(x, shape(c.x(1))))
}
