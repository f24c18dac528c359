package convert

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// where picks yes where x is above the bound, no elsewhere.
func whereAbove(x *graph.Node, bound float64, yes, no *graph.Node) *graph.Node {
	shape := dims(x)
	return graph.Where(graph.GreaterThan(x, scalar(x, bound)), broadcast(yes, shape), broadcast(no, shape))
}

// relu is max(x, 0) with derivative 0 at 0, as PyTorch has it.
func relu(x *graph.Node) *graph.Node {
	zero := scalar(x, 0)
	if !x.DType().IsFloat() {
		return graph.Max(x, zero)
	}
	// The gradient asks the result, which is kept for what comes next, so that x need not be.
	y := graph.Max(x, zero)
	return custom([]*graph.Node{x},
		func() *graph.Node { return graph.Max(x, zero) },
		func(ct *graph.Node) *graph.Node { return whereAbove(y, 0, ct, zero) })
}

// leaky is x above 0 and alpha*x below.
func leaky(x *graph.Node, alpha float64) *graph.Node {
	form := func(of *graph.Node) *graph.Node { return whereAbove(x, 0, of, graph.MulScalar(of, alpha)) }
	return custom([]*graph.Node{x}, func() *graph.Node { return form(x) }, form)
}

func opLeakyRelu(c *call) []*value { return c.out(leaky(c.x(0), c.floatAttr("alpha", 0.01))) }

// opPRelu is PRelu: max(x, 0) + slope*min(x, 0). Before opset 7 a slope vector is one number a channel.
func opPRelu(c *call) []*value {
	x, slope := c.x(0), c.x(1)
	if c.opset < 7 && slope.Rank() == 1 && slope.Shape().Size() > 1 {
		slope = perChannel(slope, x.Rank())
	}
	shape := dims(x)
	slope = reshape(slope, leadingOnes(dims(slope), len(shape))...)
	form := func(of *graph.Node) *graph.Node { return whereAbove(x, 0, of, graph.Mul(of, slope)) }
	return c.out(custom([]*graph.Node{x, slope},
		func() *graph.Node { return form(x) },
		form,
		func(ct *graph.Node) *graph.Node {
			return sumTo(whereAbove(x, 0, scalar(x, 0), graph.Mul(ct, x)), dims(slope))
		}))
}

// elu is x above 0 and gain*(exp(x/width)-1) below; the derivative below is (y+gain)/width.
func elu(x *graph.Node, gain, width float64) *graph.Node {
	low := func(x *graph.Node) *graph.Node {
		return graph.MulScalar(graph.AddScalar(graph.Exp(graph.MulScalar(graph.Min(x, scalar(x, 0)), 1/width)), -1), gain)
	}
	return pointwise(x,
		func(x *graph.Node) *graph.Node { return whereAbove(x, 0, x, low(x)) },
		func(x, y *graph.Node) *graph.Node {
			return whereAbove(x, 0, scalar(x, 1), graph.MulScalar(graph.AddScalar(low(x), gain), 1/width))
		})
}

func opElu(c *call) []*value { return c.out(elu(c.x(0), c.floatAttr("alpha", 1), 1)) }

func opCelu(c *call) []*value {
	a := c.floatAttr("alpha", 1)
	return c.out(elu(c.x(0), a, a))
}

func opSelu(c *call) []*value {
	a := c.floatAttr("alpha", 1.67326319217681884765625)
	return c.out(graph.MulScalar(elu(c.x(0), a, 1), c.floatAttr("gamma", 1.05070102214813232421875)))
}

// softplus is log(1+exp(x)), in a form that does not overflow.
func softplus(x *graph.Node) *graph.Node {
	return pointwise(x,
		func(x *graph.Node) *graph.Node {
			return graph.Add(graph.Max(x, scalar(x, 0)), graph.Log(graph.AddScalar(graph.Exp(graph.Neg(graph.Abs(x))), 1)))
		},
		func(x, _ *graph.Node) *graph.Node { return graph.Sigmoid(x) })
}

// clamped is x held between two bounds, with derivative 0 at and beyond them (PyTorch's hardtanh).
func clamped(x *graph.Node, low, high float64) *graph.Node {
	f := func(x *graph.Node) *graph.Node {
		if !math.IsInf(low, -1) {
			x = graph.Max(x, scalar(x, low))
		}
		if !math.IsInf(high, 1) {
			x = graph.Min(x, scalar(x, high))
		}
		return x
	}
	if !x.DType().IsFloat() {
		return f(x)
	}
	return custom([]*graph.Node{x},
		func() *graph.Node { return f(x) },
		func(ct *graph.Node) *graph.Node {
			zero := zerosLike(x, dims(x)...)
			if !math.IsInf(low, -1) {
				ct = whereAbove(x, low, ct, zero)
			}
			if !math.IsInf(high, 1) {
				ct = graph.Where(graph.LessThan(x, scalar(x, high)), ct, zero)
			}
			return ct
		})
}

// opClip is Clip: bounds are attributes before opset 11 and inputs later.
func opClip(c *call) []*value {
	x := c.x(0)
	if c.opset < 11 {
		return c.out(clamped(x, c.floatAttr("min", math.Inf(-1)), c.floatAttr("max", math.Inf(1))))
	}
	low, high := math.Inf(-1), math.Inf(1)
	known := true
	for i, bound := range []*float64{&low, &high} {
		if !c.has(i + 1) {
			continue
		}
		if _, ok := c.in[i+1].known(); !ok {
			known = false
			continue
		}
		*bound = c.number(i+1, "a bound")
	}
	if known {
		return c.out(clamped(x, low, high))
	}
	if c.has(1) {
		x = larger(x, broadcast(c.x(1), dims(x)))
	}
	if c.has(2) {
		x = smaller(x, broadcast(c.x(2), dims(x)))
	}
	return c.out(x)
}

func foldClip(c *call) []*host {
	low, high := math.Inf(-1), math.Inf(1)
	if c.opset < 11 {
		low, high = c.floatAttr("min", low), c.floatAttr("max", high)
	}
	if c.has(1) {
		low = c.number(1, "a bound")
	}
	if c.has(2) {
		high = c.number(2, "a bound")
	}
	in := c.in[0].host
	if !isReal(in.dtype) && !exact(in) {
		return nil
	}
	out := newHost(in.dtype, in.shape)
	for i := range out.len() {
		out.set(i, math.Min(math.Max(in.at(i), low), high))
	}
	return []*host{out}
}

func hardSigmoid(x *graph.Node, alpha, beta float64) *graph.Node {
	return clamped(graph.AddScalar(graph.MulScalar(x, alpha), beta), 0, 1)
}

func opHardSigmoid(c *call) []*value {
	return c.out(hardSigmoid(c.x(0), c.floatAttr("alpha", 0.2), c.floatAttr("beta", 0.5)))
}

func opHardSwish(c *call) []*value {
	x := c.x(0)
	return c.out(graph.Mul(x, hardSigmoid(x, 1.0/6, 0.5)))
}

// opGelu is Gelu, exact or with the tanh approximation.
func opGelu(c *call) []*value {
	x := c.x(0)
	var p *graph.Node
	if c.stringAttr("approximate", "none") == "tanh" {
		cube := graph.Mul(graph.Mul(x, x), x)
		p = graph.Tanh(graph.MulScalar(graph.Add(x, graph.MulScalar(cube, 0.044715)), math.Sqrt(2/math.Pi)))
	} else {
		p = graph.Erf(graph.MulScalar(x, math.Sqrt2/2))
	}
	return c.out(graph.Mul(graph.MulScalar(x, 0.5), graph.AddScalar(p, 1)))
}

func opMish(c *call) []*value {
	x := c.x(0)
	return c.out(graph.Mul(x, graph.Tanh(softplus(x))))
}

func opSwish(c *call) []*value {
	x := c.x(0)
	return c.out(graph.Mul(x, graph.Sigmoid(graph.MulScalar(x, c.floatAttr("alpha", 1)))))
}

func softsign(x *graph.Node) *graph.Node {
	return graph.Div(x, graph.AddScalar(graph.Abs(x), 1))
}

func opThresholdedRelu(c *call) []*value {
	x := c.x(0)
	return c.out(whereAbove(x, c.floatAttr("alpha", 1), x, scalar(x, 0)))
}

// opShrink is Shrink: x-bias above lambd, x+bias below -lambd, 0 between.
func opShrink(c *call) []*value {
	x := c.x(0)
	lambda, bias := c.floatAttr("lambd", 0.5), c.floatAttr("bias", 0)
	low := graph.Where(graph.LessThan(x, scalar(x, -lambda)), graph.AddScalar(x, bias), graph.ZerosLike(x))
	return c.out(whereAbove(x, lambda, graph.AddScalar(x, -bias), low))
}

// softmaxAxes returns the axes over which a softmax sums: before opset 13 all from the given one on.
func (c *call) softmaxAxes(rank int) []int {
	if c.opset >= 13 {
		return []int{axis(c.intAttr("axis", -1), rank)}
	}
	var out []int
	for a := axis(c.intAttr("axis", 1), rank); a < rank; a++ {
		out = append(out, a)
	}
	return out
}

// keep reduces and keeps the reduced axes with size one.
func keep(x *graph.Node, f func(*graph.Node, ...int) *graph.Node, over []int) *graph.Node {
	shape := dims(x)
	for _, a := range over {
		shape[a] = 1
	}
	return reshape(f(x, over...), shape...)
}

// softmax is exp(x)/sum(exp(x)).
func softmax(x *graph.Node, over []int) *graph.Node {
	if len(over) == 0 {
		return graph.OnesLike(x)
	}
	f := func() *graph.Node {
		e := graph.Exp(graph.Sub(x, keep(x, graph.ReduceMax, over)))
		return graph.Div(e, keep(e, graph.ReduceSum, over))
	}
	return custom([]*graph.Node{x}, f, func(ct *graph.Node) *graph.Node {
		y := f()
		p := graph.Mul(ct, y)
		return graph.Sub(p, graph.Mul(y, keep(p, graph.ReduceSum, over)))
	})
}

func opSoftmax(c *call) []*value {
	x := c.x(0)
	return c.out(softmax(x, c.softmaxAxes(x.Rank())))
}

func opLogSoftmax(c *call) []*value {
	x := c.x(0)
	return c.out(logSoftmax(x, c.softmaxAxes(x.Rank())))
}

// logSoftmax is the logarithm of softmax.
func logSoftmax(x *graph.Node, over []int) *graph.Node {
	f := func() *graph.Node {
		d := graph.Sub(x, keep(x, graph.ReduceMax, over))
		return graph.Sub(d, graph.Log(keep(graph.Exp(d), graph.ReduceSum, over)))
	}
	return custom([]*graph.Node{x}, f, func(ct *graph.Node) *graph.Node {
		return graph.Sub(ct, graph.Mul(graph.Exp(f()), keep(ct, graph.ReduceSum, over)))
	})
}

// opHardmax is one at the first maximum and zero elsewhere.
func opHardmax(c *call) []*value {
	x := c.x(0)
	over := c.softmaxAxes(x.Rank())
	shape := dims(x)
	first := over[0]
	flatShape := append(append([]int{}, shape[:first]...), product(shape[first:]))
	y := x
	if len(over) > 1 {
		y = reshape(x, flatShape...)
	}
	at := graph.ArgMax(graph.StopGradient(y), first)
	hot := graph.OneHot(at, y.Shape().Dimensions[first], x.DType())
	if len(over) == 1 {
		hot = lastTo(hot, first)
	}
	return c.out(reshape(hot, shape...))
}
