package convert

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// pointwise builds y = f(x) with dy/dx = df(x, y), elementwise.
func pointwise(x *graph.Node, f func(x *graph.Node) *graph.Node, df func(x, y *graph.Node) *graph.Node) *graph.Node {
	if !x.DType().IsFloat() {
		return f(x)
	}
	return custom([]*graph.Node{x},
		func() *graph.Node { return f(x) },
		func(ct *graph.Node) *graph.Node { return graph.Mul(ct, df(x, f(x))) })
}

// flat builds f(x) whose derivative is zero everywhere.
func flat(x *graph.Node, f func(*graph.Node) *graph.Node) *graph.Node {
	return graph.StopGradient(f(x))
}

// stepwise is flat as a table entry's function.
func stepwise(f func(*graph.Node) *graph.Node) func(*graph.Node) *graph.Node {
	return func(x *graph.Node) *graph.Node { return flat(x, f) }
}

// unary is an operator of one input: h on the host, f in the graph.
func unary(h func(float64) float64, f func(*graph.Node) *graph.Node) op {
	return op{
		fold: func(c *call) []*host {
			in := c.in[0].host
			if !isReal(in.dtype) && in.dtype == onnx.Int64 && !exact(in) {
				return nil
			}
			out := newHost(in.dtype, in.shape)
			for i := range out.len() {
				out.set(i, h(in.at(i)))
			}
			return []*host{out}
		},
		build: func(c *call) []*value { return c.out(f(c.x(0))) },
	}
}

// exact says whether every integer survives as float64.
func exact(h *host) bool {
	for _, v := range h.ints {
		if v > 1<<53 || v < -1<<53 {
			return false
		}
	}
	return true
}

// arithmetic is an arithmetic operator of two inputs with numpy's broadcasting; result type is the inputs'.
func arithmetic(onFloats func(x, y float64) float64, onInts func(x, y int64) int64, f func(x, y *graph.Node) *graph.Node) op {
	return op{
		fold: func(c *call) []*host {
			if c.opset < 7 {
				return nil
			}
			return []*host{zip(c.in[0].dtype, c.in[0].host, c.in[1].host, onFloats, onInts)}
		},
		build: func(c *call) []*value {
			x, y := c.pair()
			return c.out(f(x, y))
		},
	}
}

// compare is an operator of two inputs that gives truth values.
func compare(onFloats func(x, y float64) bool, onInts func(x, y int64) bool, f func(x, y *graph.Node) *graph.Node) op {
	return op{
		fold: func(c *call) []*host {
			if c.opset < 7 {
				return nil
			}
			return []*host{zip(onnx.Bool, c.in[0].host, c.in[1].host,
				func(x, y float64) float64 { return float64(truth(onFloats(x, y))) },
				func(x, y int64) int64 { return truth(onInts(x, y)) })}
		},
		build: func(c *call) []*value {
			x, y := c.pair()
			return c.outAs(onnx.Bool, f(graph.StopGradient(x), graph.StopGradient(y)))
		},
	}
}

// pair returns the first two inputs with the same number of axes. Before opset 7 the second one broadcasts
// from attribute "axis".
func (c *call) pair() (x, y *graph.Node) {
	x, y = c.x(0), c.x(1)
	if at, ok := c.attr("axis"); ok && c.opset < 7 && c.intAttr("broadcast", 0) == 1 {
		a := axis(int(at.I), x.Rank())
		shape := dims(y)
		for len(shape)+a < x.Rank() {
			shape = append(shape, 1)
		}
		y = reshape(y, shape...)
	}
	broadcastShape(dims(x), dims(y))
	same := sameRank(x, y)
	return same[0], same[1]
}

// variadic folds any number of inputs with a function of two.
func variadic(onFloats func(x, y float64) float64, onInts func(x, y int64) int64, f func(x, y *graph.Node) *graph.Node) op {
	return op{
		fold: func(c *call) []*host {
			out := c.in[0].host
			for _, v := range c.in[1:] {
				out = zip(out.dtype, out, v.host, onFloats, onInts)
			}
			return []*host{out}
		},
		build: func(c *call) []*value {
			out := c.x(0)
			for i := range c.in[1:] {
				both := sameRank(out, c.x(i+1))
				out = f(both[0], both[1])
			}
			return c.out(out)
		},
	}
}

// opMean is the mean of any number of inputs.
func opMean(c *call) []*value {
	sum := c.x(0)
	for i := range c.in[1:] {
		both := sameRank(sum, c.x(i+1))
		sum = graph.Add(both[0], both[1])
	}
	return c.out(graph.MulScalar(sum, 1/float64(len(c.in))))
}

// larger is the elementwise maximum; where both are equal the gradient goes to the first.
func larger(x, y *graph.Node) *graph.Node {
	return chosen(x, y, graph.Max, func(x, y *graph.Node) *graph.Node { return graph.GreaterOrEqual(x, y) })
}

// smaller is the elementwise minimum.
func smaller(x, y *graph.Node) *graph.Node {
	return chosen(x, y, graph.Min, func(x, y *graph.Node) *graph.Node { return graph.LessOrEqual(x, y) })
}

// chosen builds f(x, y), which is x where first says so and y elsewhere.
func chosen(x, y *graph.Node, f, first func(x, y *graph.Node) *graph.Node) *graph.Node {
	if !x.DType().IsFloat() {
		return f(x, y)
	}
	shape := broadcastShape(dims(x), dims(y))
	part := func(of *graph.Node, keepFirst bool) backward {
		return func(ct *graph.Node) *graph.Node {
			mask := first(broadcast(x, shape), broadcast(y, shape))
			zero := zerosLike(ct, shape...)
			if keepFirst {
				return sumTo(graph.Where(mask, ct, zero), dims(of))
			}
			return sumTo(graph.Where(mask, zero, ct), dims(of))
		}
	}
	return custom([]*graph.Node{x, y}, func() *graph.Node { return f(x, y) }, part(x, true), part(y, false))
}

// floorMod is the remainder with the sign of the divisor.
func floorMod(x, y int64) int64 {
	if y == 0 {
		return 0
	}
	r := x % y
	if r != 0 && (r < 0) != (y < 0) {
		r += y
	}
	return r
}

// opMod is Mod; fmod=1 asks for the sign of the dividend.
func foldMod(c *call) []*host {
	onFloats := func(x, y float64) float64 { return x - y*math.Floor(x/y) }
	onInts := floorMod
	if c.intAttr("fmod", 0) == 1 {
		onFloats = math.Mod
		onInts = func(x, y int64) int64 {
			if y == 0 {
				return 0
			}
			return x % y
		}
	}
	return []*host{zip(c.in[0].dtype, c.in[0].host, c.in[1].host, onFloats, onInts)}
}

func opMod(c *call) []*value {
	x, y := c.pair()
	q := graph.Div(x, y)
	if x.DType().IsFloat() {
		q = flat(q, graph.Floor)
		if c.intAttr("fmod", 0) == 1 {
			q = truncated(graph.Div(x, y))
		}
		return c.out(graph.Sub(x, graph.Mul(y, q)))
	}
	r := graph.Sub(x, graph.Mul(y, q))
	if c.intAttr("fmod", 0) == 1 {
		return c.out(r)
	}
	zero := graph.ZerosLike(r)
	y = broadcast(y, dims(r))
	wrong := graph.LogicalAnd(graph.NotEqual(r, zero), graph.LogicalXor(graph.LessThan(r, zero), graph.LessThan(y, zero)))
	return c.out(graph.Where(wrong, graph.Add(r, y), r))
}

// truncated rounds towards zero.
func truncated(x *graph.Node) *graph.Node {
	return flat(x, func(x *graph.Node) *graph.Node {
		return graph.Mul(graph.Sign(x), graph.Floor(graph.Abs(x)))
	})
}

// foldDiv divides; whole numbers round towards zero.
func divInts(x, y int64) int64 {
	if y == 0 {
		fail("division by zero")
	}
	return x / y
}

// opPow is Pow. Whole exponents that are constants become products, whose gradient is right at zero.
func opPow(c *call) []*value {
	x := c.x(0)
	if h, ok := c.arg(1).known(); ok && h.len() > 0 && uniform(h) && c.in[1].host != nil && len(broadcastShape(c.in[0].shape, h.shape)) == x.Rank() {
		shape := broadcastShape(c.in[0].shape, h.shape)
		if y := powConst(x, h.at(0)); y != nil {
			return c.out(broadcast(y, shape))
		}
	}
	x, y := c.pair()
	if y.DType() != x.DType() {
		y = graph.ConvertDType(y, x.DType())
	}
	return c.out(graph.Pow(x, y))
}

// powConst builds a power with a constant exponent, nil where there is no better form than Pow.
func powConst(x *graph.Node, e float64) *graph.Node {
	if !x.DType().IsFloat() && (e < 0 || e != math.Trunc(e)) {
		return nil
	}
	switch e {
	case 0:
		return graph.OnesLike(x)
	case 0.5:
		return graph.Sqrt(x)
	case -0.5:
		return graph.Reciprocal(graph.Sqrt(x))
	case -1:
		return graph.Reciprocal(x)
	}
	if e < 1 || e > 8 || e != math.Trunc(e) {
		return nil
	}
	out := x
	for range int(e) - 1 {
		out = graph.Mul(out, x)
	}
	return out
}

// opWhere is Where.
func opWhere(c *call) []*value {
	shape := broadcastShape(c.arg(0).shape, c.arg(1).shape, c.arg(2).shape)
	cond := graph.StopGradient(broadcast(c.x(0), shape))
	return c.outAs(c.arg(1).dtype, graph.Where(cond, broadcast(c.x(1), shape), broadcast(c.x(2), shape)))
}

func foldWhere(c *call) []*host {
	return []*host{choose(c.in[0].host, c.in[1].host, c.in[2].host)}
}

// opCast is Cast and, with the type of the second input, CastLike.
func opCast(c *call) []*value {
	to := c.castTo()
	x := c.x(0)
	from := c.arg(0).dtype
	switch {
	case isReal(from) && to == onnx.Bool:
		return c.outAs(to, flat(x, func(x *graph.Node) *graph.Node { return graph.NotEqual(x, graph.ZerosLike(x)) }))
	case from != onnx.Bool && to == onnx.Bool:
		return c.outAs(to, graph.NotEqual(x, graph.ZerosLike(x)))
	case isReal(from) && !isReal(to):
		return c.outAs(to, flat(x, func(x *graph.Node) *graph.Node { return c.toWhole(x, to) }))
	case !isReal(to):
		return c.outAs(to, c.wholeToWhole(x, to))
	}
	if f, ok := smallFloat(to); ok && from != to {
		if f.unsigned {
			refuse("a cast to %v must be of constants for the given input shapes", to)
		}
		return c.outAs(to, f.roundNode(graph.ConvertDType(x, c.goType(to)), c.intAttr("saturate", 1) == 1))
	}
	v := c.wrap(to, x)
	if from.Float() && to.Float() {
		v.param, v.hint = c.arg(0).param, c.arg(0).hint
	}
	return []*value{v}
}

// wholeToWhole converts between types of whole numbers, keeping the low bits.
func (c *call) wholeToWhole(x *graph.Node, to onnx.DType) *graph.Node {
	if to.Bits() < 8 {
		x = narrow(graph.ConvertDType(x, dtypes.Int32), to)
	}
	return graph.ConvertDType(x, c.goType(to))
}

func foldCast(c *call) []*host {
	to := c.castTo()
	if _, ok := goType(to, 0); !ok {
		return nil
	}
	if isReal(to) {
		return []*host{c.in[0].host.castReal(to, c.intAttr("saturate", 1) == 1, c.stringAttr("round_mode", "up"))}
	}
	return []*host{c.in[0].host.cast(to)}
}

// castTo returns the type that Cast and CastLike convert to.
func (c *call) castTo() onnx.DType {
	if c.n.OpType == "CastLike" {
		return c.arg(1).dtype
	}
	return onnx.DType(c.intAttr("to", 0))
}

// opIsInf is IsInf.
func opIsInf(c *call) []*value {
	x := graph.StopGradient(c.x(0))
	inf := scalar(x, math.Inf(1))
	pos := graph.Equal(x, inf)
	neg := graph.Equal(x, graph.Neg(inf))
	switch {
	case c.intAttr("detect_negative", 1) == 0:
		return c.outAs(onnx.Bool, pos)
	case c.intAttr("detect_positive", 1) == 0:
		return c.outAs(onnx.Bool, neg)
	}
	return c.outAs(onnx.Bool, graph.LogicalOr(pos, neg))
}

// opIsNaN is IsNaN: only a NaN differs from itself.
func opIsNaN(c *call) []*value {
	x := graph.StopGradient(c.x(0))
	return c.outAs(onnx.Bool, graph.NotEqual(x, x))
}

// opBitwiseNot turns every bit around: what remains of all ones.
func opBitwiseNot(c *call) []*value {
	x := c.x(0)
	if x.DType().IsUnsigned() {
		ones := newHost(c.arg(0).dtype, nil)
		ones.ints[0] = wrap(-1, c.arg(0).dtype)
		return c.out(graph.Sub(constantLike(x, ones), x))
	}
	return c.out(graph.Sub(scalar(x, -1), x))
}

// opBitShift is BitShift.
func opBitShift(c *call) []*value {
	x, y := c.pair()
	if wide := dtypes.Uint32; x.DType() == dtypes.Uint16 || x.DType() == dtypes.Uint8 {
		// Not every engine shifts the small types.
		x, y = graph.ConvertDType(x, wide), graph.ConvertDType(y, wide)
		low := scalar(x, float64(int64(1)<<(8*c.arg(0).dtype.Size())-1))
		if c.stringAttr("direction", "") == "LEFT" {
			return c.out(graph.BitwiseAnd(graph.BitwiseShiftLeft(x, y), low))
		}
	}
	if c.stringAttr("direction", "") == "LEFT" {
		return c.out(graph.BitwiseShiftLeft(x, y))
	}
	return c.out(graph.BitwiseShiftRightLogical(x, y))
}

func signOf(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

func tangent(x *graph.Node) *graph.Node { return graph.Div(graph.Sin(x), graph.Cos(x)) }

// halfExp is (exp(x) +- exp(-x)) / 2.
func halfExp(x *graph.Node, join func(a, b *graph.Node) *graph.Node) *graph.Node {
	return graph.MulScalar(join(graph.Exp(x), graph.Exp(graph.Neg(x))), 0.5)
}

// asinh is sign(x)*log(|x| + sqrt(x*x+1)), which does not cancel for negative x.
func asinh(x *graph.Node) *graph.Node {
	return pointwise(x,
		func(x *graph.Node) *graph.Node {
			a := graph.Abs(x)
			return graph.Mul(graph.Sign(x), graph.Log(graph.Add(a, graph.Sqrt(graph.AddScalar(graph.Mul(a, a), 1)))))
		},
		func(x, _ *graph.Node) *graph.Node {
			return graph.Reciprocal(graph.Sqrt(graph.AddScalar(graph.Mul(x, x), 1)))
		})
}

func acosh(x *graph.Node) *graph.Node {
	return graph.Log(graph.Add(x, graph.Sqrt(graph.AddScalar(graph.Mul(x, x), -1))))
}

func atanh(x *graph.Node) *graph.Node {
	return graph.MulScalar(graph.Log(graph.Div(graph.AddScalar(x, 1), graph.OneMinus(x))), 0.5)
}
