package convert

import (
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// backward computes what an operation's result owes one of its inputs: the gradient with respect to the
// input, of the input's shape, from the gradient with respect to the result.
type backward func(ct *graph.Node) *graph.Node

// custom builds an operation whose gradient is written by hand: forward computes the result, grads[i] the
// gradient with respect to inputs[i] (nil: none). Only the gradients that someone asks for enter the graph.
//
// GoMLX has no public way to give an operation of several inputs a gradient of its own, but two that
// combine to one: IdentityWithCustomGradient, for one input, and InternalFusedOpCaller, which
// differentiates another node than the one that it computes. That other node, the carrier, has the right
// shape, passes through an identity for each input, and is dead code in the forward direction.
func custom(inputs []*graph.Node, forward func() *graph.Node, grads ...backward) *graph.Node {
	// The carrier must come before the result, and needs its shape: a first copy tells it and is dead code.
	shape := forward().Shape()
	out, _ := graph.InternalFusedOpCaller(forward, func() *graph.Node { return carrier(shape, inputs, grads) }, true)
	return out
}

// carrier leads gradients from a node of the given shape to the inputs.
func carrier(shape shapes.Shape, inputs []*graph.Node, grads []backward) *graph.Node {
	var ct, sum *graph.Node
	for i, in := range inputs {
		if grads[i] == nil {
			continue
		}
		in := graph.IdentityWithCustomGradient(in, func(_, _ *graph.Node) *graph.Node { return grads[i](ct) })
		part := graph.ReduceAllSum(in)
		if sum == nil {
			sum = part
		} else {
			sum = graph.Add(sum, part)
		}
	}
	out := graph.BroadcastToShape(sum, shape)
	return graph.IdentityWithCustomGradient(out, func(_, v *graph.Node) *graph.Node {
		ct = v
		return v
	})
}
