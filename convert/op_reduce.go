package convert

import (
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// reduced returns the axes of a reduction and the shape of its result. Without axes all are reduced, or none
// with noop_with_empty_axes.
func (c *call) reduced() (over, shape []int) {
	rank := c.arg(0).rank()
	list, given := c.axesArg(1)
	if !given || len(list) == 0 {
		if c.intAttr("noop_with_empty_axes", 0) == 0 {
			for a := range rank {
				over = append(over, a)
			}
		}
	} else {
		over = axes(list, rank)
	}
	keepdims := c.intAttr("keepdims", 1) == 1
	for a, d := range c.arg(0).shape {
		switch {
		case !slices.Contains(over, a):
			shape = append(shape, d)
		case keepdims:
			shape = append(shape, 1)
		}
	}
	return over, shape
}

// reduction is an operator that reduces axes: f in the graph; on the host, h of the elements of each result.
func reduction(h func(v []float64) float64, f func(x *graph.Node, over ...int) *graph.Node) op {
	return op{
		fold: func(c *call) []*host { return foldReduce(c, h) },
		build: func(c *call) []*value {
			over, shape := c.reduced()
			x := c.x(0)
			if len(over) == 0 {
				if c.n.OpType == "ReduceSum" || c.n.OpType == "ReduceMean" || c.n.OpType == "ReduceMax" || c.n.OpType == "ReduceMin" || c.n.OpType == "ReduceProd" {
					return c.out(x)
				}
				// One element each: what the reduction does to a single number.
				x = reshape(x, append(dims(x), 1)...)
				over = []int{x.Rank() - 1}
			}
			return c.out(reshape(f(x, over...), shape...))
		},
	}
}

func foldReduce(c *call, h func(v []float64) float64) []*host {
	over, shape := c.reduced()
	in := c.in[0].host
	if !isReal(in.dtype) && !exact(in) {
		return nil
	}
	kept := slices.Clone(in.shape)
	for _, a := range over {
		kept[a] = 1
	}
	groups := make([][]float64, product(kept))
	runs(in.shape, [][]int{kept}, func(r run) {
		for k := range r.n {
			g := &groups[r.from[0]+k*r.step[0]]
			*g = append(*g, in.at(r.at+k))
		}
	})
	out := newHost(in.dtype, shape)
	for i, g := range groups {
		out.set(i, h(g))
	}
	return []*host{out}
}

func sumOf(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}

func meanOf(v []float64) float64 { return sumOf(v) / float64(len(v)) }

func productOf(v []float64) float64 {
	p := 1.0
	for _, x := range v {
		p *= x
	}
	return p
}

func maxOf(v []float64) float64 {
	m := math.Inf(-1)
	for _, x := range v {
		m = math.Max(m, x)
	}
	return m
}

func minOf(v []float64) float64 {
	m := math.Inf(1)
	for _, x := range v {
		m = math.Min(m, x)
	}
	return m
}

func squaresOf(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x * x
	}
	return s
}

func absOf(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += math.Abs(x)
	}
	return s
}

func logSumExpOf(v []float64) float64 {
	m := maxOf(v)
	s := 0.0
	for _, x := range v {
		s += math.Exp(x - m)
	}
	return m + math.Log(s)
}

// extreme is a maximum or minimum whose gradient is shared out among equal winners, as torch.amax does.
func extreme(f func(*graph.Node, ...int) *graph.Node) func(x *graph.Node, over ...int) *graph.Node {
	return func(x *graph.Node, over ...int) *graph.Node {
		if !x.DType().IsFloat() {
			return f(x, over...)
		}
		return custom([]*graph.Node{x},
			func() *graph.Node { return f(x, over...) },
			func(ct *graph.Node) *graph.Node {
				best := keep(x, f, over)
				hit := graph.ConvertDType(graph.Equal(x, broadcast(best, dims(x))), x.DType())
				share := graph.Div(reshape(ct, dims(best)...), keep(hit, graph.ReduceSum, over))
				return graph.Mul(hit, share)
			})
	}
}

// productOver multiplies; the gradient is that of nonzero factors.
func productOver(x *graph.Node, over ...int) *graph.Node {
	if !x.DType().IsFloat() {
		return graph.ReduceMultiply(x, over...)
	}
	f := func() *graph.Node { return graph.ReduceMultiply(x, over...) }
	return custom([]*graph.Node{x}, f, func(ct *graph.Node) *graph.Node {
		p := keep(x, graph.ReduceMultiply, over)
		return graph.Mul(reshape(graph.Mul(ct, f()), dims(p)...), graph.Reciprocal(x))
	})
}

// rootOfSquares is the 2-norm; its gradient at zero is zero.
func rootOfSquares(x *graph.Node, over ...int) *graph.Node {
	f := func() *graph.Node { return graph.Sqrt(graph.ReduceSum(graph.Mul(x, x), over...)) }
	return custom([]*graph.Node{x}, f, func(ct *graph.Node) *graph.Node {
		norm := keep(x, func(x *graph.Node, over ...int) *graph.Node {
			return graph.Sqrt(graph.ReduceSum(graph.Mul(x, x), over...))
		}, over)
		safe := graph.Where(graph.Equal(norm, graph.ZerosLike(norm)), graph.OnesLike(norm), norm)
		return graph.Mul(graph.Div(reshape(ct, dims(norm)...), safe), x)
	})
}

func sumOfSquares(x *graph.Node, over ...int) *graph.Node {
	return graph.ReduceSum(graph.Mul(x, x), over...)
}

func sumOfAbs(x *graph.Node, over ...int) *graph.Node {
	return graph.ReduceSum(graph.Abs(x), over...)
}

func logOfSum(x *graph.Node, over ...int) *graph.Node {
	return graph.Log(graph.ReduceSum(x, over...))
}

func logSumExp(x *graph.Node, over ...int) *graph.Node {
	m := graph.StopGradient(keep(x, graph.ReduceMax, over))
	s := graph.Log(graph.ReduceSum(graph.Exp(graph.Sub(x, m)), over...))
	return graph.Add(s, reshape(m, dims(s)...))
}

// opArg is ArgMax and ArgMin.
func opArg(f func(x *graph.Node, axis int) *graph.Node) func(c *call) []*value {
	return func(c *call) []*value {
		x := graph.StopGradient(c.x(0))
		a := axis(c.intAttr("axis", 0), x.Rank())
		last := c.intAttr("select_last_index", 0) == 1
		if last {
			x = graph.Reverse(x, a)
		}
		at := f(x, a)
		if last {
			at = graph.Sub(graph.Scalar(at.Graph(), at.DType(), x.Shape().Dimensions[a]-1), at)
		}
		if c.intAttr("keepdims", 1) == 1 {
			shape := dims(x)
			shape[a] = 1
			at = reshape(at, shape...)
		}
		return c.outAs(onnx.Int64, at)
	}
}

// opCumSum is CumSum.
func opCumSum(c *call) []*value {
	x := c.x(0)
	a := axis(c.ints(1, "the axis")[0], x.Rank())
	n := x.Shape().Dimensions[a]
	reverse, exclusive := c.intAttr("reverse", 0) == 1, c.intAttr("exclusive", 0) == 1
	// A triangular matrix does it for every combination, and its gradient is its transpose.
	w := newHost(onnx.Float64, []int{n, n})
	for o := range n {
		for i := range n {
			take := i < o || i == o && !exclusive
			if reverse {
				take = i > o || i == o && !exclusive
			}
			if take {
				w.floats[o*n+i] = 1
			}
		}
	}
	return c.out(alongAxis(x, a, w))
}

// alongAxis multiplies one axis of x by a constant matrix [out, in].
func alongAxis(x *graph.Node, a int, w *host) *graph.Node {
	m := constantLike(x, w)
	if a == x.Rank()-1 {
		return graph.DotGeneral(x, []int{a}, nil, m, []int{1}, nil)
	}
	return lastTo(graph.DotGeneral(x, []int{a}, nil, m, []int{1}, nil), a)
}
