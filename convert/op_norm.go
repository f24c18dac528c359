package convert

import (
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// normalised is (x - mean) / sqrt(variance + epsilon) over the given axes, with the population variance.
func normalised(x *graph.Node, over []int, epsilon float64) *graph.Node {
	mean := func(x *graph.Node) *graph.Node { return keep(x, graph.ReduceMean, over) }
	parts := func() (centred, variance, inverse *graph.Node) {
		centred = graph.Sub(x, mean(x))
		variance = mean(graph.Mul(centred, centred))
		return centred, variance, graph.Reciprocal(graph.Sqrt(graph.AddScalar(variance, epsilon)))
	}
	count := 1
	for _, a := range over {
		count *= x.Shape().Dimensions[a]
	}
	return custom([]*graph.Node{x},
		func() *graph.Node {
			centred, _, inverse := parts()
			return graph.Mul(centred, inverse)
		},
		func(ct *graph.Node) *graph.Node {
			centred, variance, inverse := parts()
			if count <= fewElements {
				return graph.Mul(inverse, projected(ct, centred, variance, epsilon, mean))
			}
			y := graph.Mul(centred, inverse)
			return graph.Mul(inverse, graph.Sub(graph.Sub(ct, mean(ct)), graph.Mul(y, mean(graph.Mul(ct, y)))))
		})
}

// fewElements is the size up to which the gradient of a normalisation is computed with care.
const fewElements = 256

// projected is ct less its mean and less y * mean(ct*y), for y = centred / sqrt(variance + epsilon). With few
// elements almost everything cancels (with two, all but a share of epsilon / variance), and what is left
// decides the direction of training. So the part that is orthogonal to centred is computed by itself, twice,
// as in Gram-Schmidt with reorthogonalisation, and the share of epsilon is added.
func projected(ct, centred, variance *graph.Node, epsilon float64, mean func(*graph.Node) *graph.Node) *graph.Node {
	const tiny = 1e-30 // a constant input has no variance and no centred part
	safe := graph.AddScalar(variance, tiny)
	q := graph.Sub(ct, mean(ct))
	along := graph.Div(mean(graph.Mul(q, centred)), safe)
	for range 2 {
		q = graph.Sub(q, graph.Mul(centred, graph.Div(mean(graph.Mul(q, centred)), safe)))
		q = graph.Sub(q, mean(q))
	}
	share := graph.MulScalar(graph.Reciprocal(graph.AddScalar(variance, epsilon)), epsilon)
	return graph.Add(q, graph.Mul(centred, graph.Mul(along, share)))
}

// spatialAxes lists the axes behind batch and channels.
func spatialAxes(rank int) []int {
	var out []int
	for a := 2; a < rank; a++ {
		out = append(out, a)
	}
	return out
}

// affine scales and shifts each channel.
func affine(x, scale, bias *graph.Node) *graph.Node {
	return graph.Add(graph.Mul(x, perChannel(scale, x.Rank())), perChannel(bias, x.Rank()))
}

// affine is the result of a normalisation with inputs 1 and 2 as scale and shift of each channel.
func (c *call) affine(y *graph.Node) []*value {
	base := graph.Mul(y, perChannel(c.x(1), y.Rank()))
	return c.outShifted(graph.Add(base, perChannel(c.x(2), y.Rank())), base)
}

// opInstanceNorm is InstanceNormalization.
func opInstanceNorm(c *call) []*value {
	x := c.unshifted(0)
	y := normalised(x, spatialAxes(x.Rank()), c.floatAttr("epsilon", 1e-5))
	return c.affine(y)
}

// opGroupNorm is GroupNormalization: scale and bias are one number a group before opset 21, one a channel later.
func opGroupNorm(c *call) []*value {
	x := c.x(0)
	shape := dims(x)
	groups := c.intAttr("num_groups", 1)
	if groups < 1 || shape[1]%groups != 0 {
		fail("%d channels do not divide into %d groups", shape[1], groups)
	}
	y := normalised(reshape(x, shape[0], groups, product(shape[1:])/groups), []int{2}, c.floatAttr("epsilon", 1e-5))
	scale, bias := c.x(1), c.x(2)
	if c.opset < 21 && scale.Shape().Size() == groups && groups != shape[1] {
		return c.out(reshape(affine(y, scale, bias), shape...))
	}
	return c.out(affine(reshape(y, shape...), scale, bias))
}

// opLayerNorm is LayerNormalization, with its mean and inverse deviation when they are asked for.
func opLayerNorm(c *call) []*value {
	x := c.x(0)
	var over []int
	for a := axis(c.intAttr("axis", -1), x.Rank()); a < x.Rank(); a++ {
		over = append(over, a)
	}
	epsilon := c.floatAttr("epsilon", 1e-5)
	y := graph.Mul(normalised(x, over, epsilon), sameRank(x, c.x(1))[1])
	if b := c.opt(2); b != nil {
		y = graph.Add(y, sameRank(y, b)[1])
	}
	out := c.out(y)
	if len(c.n.Outputs) > 1 {
		mean := keep(x, graph.ReduceMean, over)
		centred := graph.Sub(x, mean)
		variance := keep(graph.Mul(centred, centred), graph.ReduceMean, over)
		inverse := graph.Reciprocal(graph.Sqrt(graph.AddScalar(variance, epsilon)))
		out = append(out, c.wrap(c.arg(0).dtype, mean), c.wrap(c.arg(0).dtype, inverse))
	}
	return out
}

// opRMSNorm is RMSNormalization.
func opRMSNorm(c *call) []*value {
	x := c.x(0)
	var over []int
	for a := axis(c.intAttr("axis", -1), x.Rank()); a < x.Rank(); a++ {
		over = append(over, a)
	}
	square := keep(graph.Mul(x, x), graph.ReduceMean, over)
	y := graph.Div(x, graph.Sqrt(graph.AddScalar(square, c.floatAttr("epsilon", 1e-5))))
	return c.out(graph.Mul(y, sameRank(y, c.x(1))[1]))
}

// opBatchNorm is BatchNormalization. In training form it normalises with the batch's statistics; then the
// running ones move to old*momentum + batch*(1-momentum). As outputs they follow the ONNX text, with the
// population variance; as state of training they follow PyTorch, with the unbiased one.
func opBatchNorm(c *call) []*value {
	x, scale, bias, mean, variance := c.x(0), c.x(1), c.x(2), c.x(3), c.x(4)
	epsilon := c.floatAttr("epsilon", 1e-5)
	asked := c.model.training[c.n]
	batch, update := asked && c.mode.Training, asked && c.mode.Training
	switch c.model.options.BatchNorm {
	case BatchNormFrozen, BatchNormRecalibrate:
		batch, update = false, false
	case BatchNormTrain:
		batch, update = c.mode.Training, c.mode.Training
	}
	if c.mode.Calibrate {
		batch, update = true, true
	}
	var over []int
	for a := range x.Rank() {
		if a != 1 {
			over = append(over, a)
		}
	}
	var out []*value
	if batch {
		out = c.affine(normalised(c.unshifted(0), over, epsilon))
	} else {
		factor := graph.Div(scale, graph.Sqrt(graph.AddScalar(variance, epsilon)))
		out = c.out(affine(x, factor, graph.Sub(bias, graph.Mul(mean, factor))))
	}
	if !update && !(asked && len(c.n.Outputs) > 1) {
		return out
	}
	return append(out, c.runningStatistics(x, mean, variance, over, update)...)
}

// runningStatistics updates the state of a BatchNormalization and returns the node's further outputs.
func (c *call) runningStatistics(x, mean, variance *graph.Node, over []int, update bool) []*value {
	x = graph.StopGradient(x)
	momentum := c.floatAttr("momentum", 0.9)
	if c.mode.Calibrate {
		momentum = 0
	}
	m := keep(x, graph.ReduceMean, over)
	centred := graph.Sub(x, m)
	v := graph.ReduceMean(graph.Mul(centred, centred), over...)
	m = reshape(m, v.Shape().Dimensions...)
	move := func(old, now *graph.Node) *graph.Node {
		return graph.Add(graph.MulScalar(old, momentum), graph.MulScalar(now, 1-momentum))
	}
	n := float64(x.Shape().Size() / v.Shape().Size())
	if update {
		unbiased := v
		if n > 1 {
			unbiased = graph.MulScalar(v, n/(n-1))
		}
		c.updateState(3, move(mean, m))
		c.updateState(4, move(variance, unbiased))
	}
	return []*value{c.wrap(c.arg(3).dtype, move(mean, m)), c.wrap(c.arg(4).dtype, move(variance, v))}
}

// updateState records the new value of a running statistic.
func (c *call) updateState(i int, n *graph.Node) {
	name := c.arg(i).param
	p := c.model.byName[name]
	if p == nil || !p.State {
		return
	}
	c.state[name] = reshape(n, p.Shape...)
}

// opLpNorm is LpNormalization: zero vectors stay zero.
func opLpNorm(c *call) []*value {
	x := c.x(0)
	over := []int{axis(c.intAttr("axis", -1), x.Rank())}
	var norm *graph.Node
	if c.intAttr("p", 2) == 1 {
		norm = keep(graph.Abs(x), graph.ReduceSum, over)
	} else {
		norm = keep(x, rootOfSquares, over)
	}
	zero := graph.Equal(norm, graph.ZerosLike(norm))
	return c.out(graph.Div(x, graph.Where(zero, graph.OnesLike(norm), norm)))
}

// opLRN is LRN: x / (bias + alpha/size * sum of squares over neighbouring channels)^beta.
func opLRN(c *call) []*value {
	x := c.x(0)
	size := c.intAttr("size", 1)
	if size < 1 || size > maxTurns {
		refuse("a neighbourhood of %d channels is not unrolled (1 to %d are)", size, maxTurns)
	}
	amounts := make([][2]int, x.Rank())
	amounts[1] = [2]int{(size - 1) / 2, size / 2}
	squares := pad(graph.Mul(x, x), 0, amounts)
	channels := x.Shape().Dimensions[1]
	var sum *graph.Node
	for i := range size {
		part := cut(squares, 1, i, i+channels, 1)
		if sum == nil {
			sum = part
		} else {
			sum = graph.Add(sum, part)
		}
	}
	base := graph.AddScalar(graph.MulScalar(sum, c.floatAttr("alpha", 0.0001)/float64(size)), c.floatAttr("bias", 1))
	return c.out(graph.Mul(x, graph.Exp(graph.MulScalar(graph.Log(base), -c.floatAttr("beta", 0.75)))))
}

// opMeanVarianceNorm is MeanVarianceNormalization.
func opMeanVarianceNorm(c *call) []*value {
	x := c.x(0)
	over := c.intsAttr("axes")
	if over == nil {
		over = []int{0, 2, 3}
	}
	return c.out(normalised(x, axes(over, x.Rank()), 1e-9))
}

// batchNormTrains says whether a BatchNormalization is in training form: training_mode since opset 14, more
// outputs than one before, and is_test 0 with them before opset 7.
func batchNormTrains(n *onnx.Node, opset int) bool {
	if opset >= 14 {
		return n.Int("training_mode", 0) == 1
	}
	return len(n.Outputs) > 1 && n.Int("is_test", 0) == 0
}
