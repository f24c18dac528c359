package convert

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// opNegativeLogLikelihood is NegativeLogLikelihoodLoss.
func opNegativeLogLikelihood(c *call) []*value {
	return c.out(c.likelihoodLoss(c.x(0)))
}

// opSoftmaxCrossEntropy is SoftmaxCrossEntropyLoss, with the log-probabilities as second output.
func opSoftmaxCrossEntropy(c *call) []*value {
	p := logSoftmax(c.x(0), []int{1})
	return append(c.out(c.likelihoodLoss(p)), c.wrap(c.arg(0).dtype, p))
}

// likelihoodLoss is the loss of log-probabilities [N, C, ...] for targets [N, ...] (input 1), weighted by
// class (input 2). Targets that are to be ignored, or name no class, weigh nothing.
func (c *call) likelihoodLoss(p *graph.Node) *graph.Node {
	shape := dims(p)
	if len(shape) < 2 || len(c.arg(1).shape) != len(shape)-1 {
		fail("targets of shape %v do not fit scores of shape %v", c.arg(1).shape, shape)
	}
	classes := shape[1]
	target := graph.StopGradient(graph.ConvertDType(c.x(1), indexType))
	class := ones(len(shape))
	class[1] = classes
	number := reshape(graph.Iota(p.Graph(), indexShape(classes), 0), class...)
	column := slices.Insert(slices.Clone(c.arg(1).shape), 1, 1)
	hot := graph.Equal(broadcast(reshape(target, column...), shape), broadcast(number, shape))
	if ignored, ok := c.attr("ignore_index"); ok {
		other := graph.NotEqual(target, scalar(target, float64(ignored.I)))
		hot = graph.LogicalAnd(hot, broadcast(reshape(other, column...), shape))
	}
	zero := zerosLike(p, shape...)
	weight := broadcast(scalar(p, 1), shape)
	if c.has(2) {
		weight = broadcast(reshape(c.x(2), class...), shape)
	}
	loss := graph.Neg(graph.ReduceSum(graph.Where(hot, graph.Mul(p, weight), zero), 1))
	switch r := c.stringAttr("reduction", "mean"); r {
	case "none":
		return loss
	case "sum":
		return graph.ReduceAllSum(loss)
	case "mean":
		return graph.Div(graph.ReduceAllSum(loss), graph.ReduceAllSum(graph.Where(hot, weight, zero)))
	default:
		refuse("reduction %q is unknown", r)
		return nil
	}
}
