package convert

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// opIdentity passes a value on; it stays the same parameter.
func opIdentity(c *call) []*value { return []*value{c.arg(0)} }

// opConstant is Constant. A parameter that a Constant node holds was put into scope before.
func opConstant(c *call) []*value {
	if v, ok := c.scope.values[c.n.Outputs[0]]; ok {
		return []*value{v}
	}
	n := *c.n
	n.Attrs = nil
	for _, a := range c.n.Attrs {
		if r, ok := c.attr(a.Name); ok {
			r.Name = a.Name
			n.Attrs = append(n.Attrs, r)
		}
	}
	t, ok := n.ConstantValue()
	if !ok {
		refuse("the constant has no dense value")
	}
	h, err := hostTensor(t)
	if err != nil {
		refuse("constants of type %v are not supported", t.DType())
	}
	return []*value{hostValue(h)}
}

func foldConstantOfShape(c *call) []*host {
	fill := &host{dtype: onnx.Float32, shape: []int{1}, floats: []float64{0}}
	if a, ok := c.attr("value"); ok && a.T != nil {
		h, err := hostTensor(a.T)
		if err != nil {
			failWith(err)
		}
		fill = h
	}
	shape := c.ints(0, "the shape")
	return []*host{fill.reshaped(nil).expand(shape)}
}

func foldRange(c *call) []*host {
	start, limit, step := c.in[0].host, c.in[1].host.at(0), c.in[2].host.at(0)
	length := math.Ceil((limit - start.at(0)) / step)
	if !(math.Abs(length) <= maxHost) {
		fail("a range from %g to %g in steps of %g", start.at(0), limit, step)
	}
	n := max(0, int(length))
	out := newHost(start.dtype, []int{n})
	for i := range n {
		out.set(i, start.at(0)+float64(i)*step)
	}
	return []*host{out}
}

func foldEyeLike(c *call) []*host {
	shape := c.arg(0).shape
	dtype := onnx.DType(c.intAttr("dtype", int(c.arg(0).dtype)))
	out := newHost(dtype, shape)
	k := c.intAttr("k", 0)
	for i := range shape[0] {
		if j := i + k; j >= 0 && j < shape[1] {
			out.set(i*shape[1]+j, 1)
		}
	}
	return []*host{out}
}

func opEyeLike(c *call) []*value { return []*value{hostValue(foldEyeLike(c)[0])} }

// opTrilu keeps the upper or lower triangle of matrices.
func opTrilu(c *call) []*value {
	if product(c.arg(0).shape) == 0 {
		return []*value{c.arg(0)}
	}
	x := c.x(0)
	s := dims(x)
	rows, cols := s[len(s)-2], s[len(s)-1]
	k := 0
	if c.has(1) {
		k = c.ints(1, "the diagonal")[0]
	}
	mask := newHost(onnx.Bool, []int{rows, cols})
	upper := c.intAttr("upper", 1) == 1
	for i := range rows {
		for j := range cols {
			mask.ints[i*cols+j] = truth(upper && j-i >= k || !upper && j-i <= k)
		}
	}
	m := broadcast(constant(x.Graph(), mask, c.goType(onnx.Bool)), s)
	return c.out(graph.Where(m, x, zerosLike(x, s...)))
}
