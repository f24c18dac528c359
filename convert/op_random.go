package convert

import (
	"slices"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// opDropout is Dropout. It acts in training with a random state only; otherwise it passes its input on. The
// ratio is an attribute before opset 12 and an input later.
func opDropout(c *call) []*value {
	ratio := c.floatAttr("ratio", 0.5)
	if c.has(1) {
		ratio = c.number(1, "the ratio of a dropout")
	}
	active := c.mode.Training && c.random != nil && ratio > 0 && !c.asleep
	if c.has(2) && active {
		active = c.number(2, "the mode of a dropout") != 0
	}
	v := c.arg(0)
	if !active {
		out := []*value{v}
		if len(c.n.Outputs) > 1 {
			mask := newHost(onnx.Bool, nil)
			mask.ints[0] = 1
			out = append(out, c.wrap(onnx.Bool, broadcast(c.node(hostValue(mask)), v.shape)))
		}
		return out
	}
	y, kept := c.dropped(c.x(0), ratio)
	return append(c.out(y), c.wrap(onnx.Bool, kept))
}

// dropped makes elements zero with probability ratio and scales the others so that the mean stays.
func (c *call) dropped(x *graph.Node, ratio float64) (y, kept *graph.Node) {
	kept = graph.GreaterOrEqual(c.uniform(x.Shape()), scalar(x, ratio))
	return graph.Where(graph.StopGradient(kept), graph.MulScalar(x, 1/(1-ratio)), graph.ZerosLike(x)), kept
}

// dropInput drops elements of the first input that is no weight, where the training asks for it.
func (c *call) dropInput() {
	ratio := c.insert[c.n]
	if ratio <= 0 || !c.mode.Training || c.random == nil {
		return
	}
	at := slices.IndexFunc(c.in, func(v *value) bool { return v != nil && v.host == nil && v.param == "" && isReal(v.dtype) })
	if at >= 0 { // else the node has weights alone
		y, _ := c.dropped(c.x(at), ratio)
		c.in[at] = c.wrap(c.in[at].dtype, y)
	}
}

// uniform draws numbers from [0, 1).
func (c *call) uniform(shape shapes.Shape) *graph.Node {
	var out *graph.Node
	c.random, out = graph.RandomUniform(c.random, shape)
	return out
}

// random is a generator node: with a random state it draws, without one it gives the mean, so that graphs
// without randomness are repeatable. normal says which distribution.
func (c *call) randomOf(shape []int, dtype onnx.DType, normal bool) []*value {
	s := shapes.Make(c.goType(dtype), shape...)
	low, high := c.floatAttr("low", 0), c.floatAttr("high", 1)
	mean, scale := c.floatAttr("mean", 0), c.floatAttr("scale", 1)
	if c.random == nil || !c.mode.Training || c.asleep {
		if !normal {
			mean = (low + high) / 2
		}
		return c.outAs(dtype, graph.BroadcastToShape(graph.Scalar(c.graph, s.DType, mean), s))
	}
	var n *graph.Node
	if normal {
		c.random, n = graph.RandomNormal(c.random, s)
		n = graph.AddScalar(graph.MulScalar(n, scale), mean)
	} else {
		n = graph.AddScalar(graph.MulScalar(c.uniform(s), high-low), low)
	}
	return c.outAs(dtype, n)
}

// opRandom is RandomNormal and RandomUniform, whose shape is an attribute, and their Like forms.
func opRandom(normal, like bool) func(c *call) []*value {
	return func(c *call) []*value {
		shape, dtype := c.intsAttr("shape"), onnx.Float32
		if like {
			shape, dtype = c.arg(0).shape, c.arg(0).dtype
		}
		if t := c.intAttr("dtype", 0); t != 0 {
			dtype = onnx.DType(t)
		}
		return c.randomOf(shape, dtype, normal)
	}
}

// opBernoulli draws ones with the probabilities that the input holds; without a random state it takes the
// likelier side.
func opBernoulli(c *call) []*value {
	p := graph.StopGradient(c.x(0))
	t := c.arg(0).dtype
	if a := c.intAttr("dtype", 0); a != 0 {
		t = onnx.DType(a)
	}
	level := scalar(p, 0.5)
	if c.random != nil && c.mode.Training && !c.asleep {
		level = c.uniform(p.Shape())
	}
	return c.outAs(t, graph.GreaterThan(p, broadcast(level, dims(p))))
}
