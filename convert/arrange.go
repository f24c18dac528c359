package convert

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// indexShape returns the GoMLX shape of indices.
func indexShape(dimensions ...int) shapes.Shape { return shapes.Make(indexType, dimensions...) }

// dims returns the sizes of a node.
func dims(x *graph.Node) []int { return slices.Clone(x.Shape().Dimensions) }

// scalar returns a constant of x's type.
func scalar(x *graph.Node, v float64) *graph.Node { return graph.Scalar(x.Graph(), x.DType(), v) }

// zerosLike returns zeros of the type of x in a shape.
func zerosLike(x *graph.Node, shape ...int) *graph.Node {
	return graph.BroadcastToDims(scalar(x, 0), shape...)
}

// reshape changes the shape of a node, and returns the node itself where nothing changes.
func reshape(x *graph.Node, shape ...int) *graph.Node {
	if slices.Equal(x.Shape().Dimensions, shape) {
		return x
	}
	return graph.Reshape(x, shape...)
}

// permute reorders axes: axis i of the result is axis perm[i] of x.
func permute(x *graph.Node, perm ...int) *graph.Node {
	for i, p := range perm {
		if i != p {
			return graph.TransposeAllAxes(x, perm...)
		}
	}
	return x
}

// lastTo returns x with its last axis moved to the given place.
func lastTo(x *graph.Node, axis int) *graph.Node {
	rest := without(x.Rank(), x.Rank()-1)
	return permute(x, slices.Insert(rest, axis, x.Rank()-1)...)
}

// without lists the axes 0..rank-1 but one.
func without(rank, axis int) []int {
	var out []int
	for i := range rank {
		if i != axis {
			out = append(out, i)
		}
	}
	return out
}

// cut takes the range [from, to) of one axis, whole steps apart.
func cut(x *graph.Node, axis, from, to, step int) *graph.Node {
	if from == 0 && to == x.Shape().Dimensions[axis] && step == 1 {
		return x
	}
	spec := make([]graph.SliceAxisSpec, x.Rank())
	for i := range spec {
		spec[i] = graph.AxisRange()
	}
	spec[axis] = graph.AxisRange(from, to)
	if step > 1 {
		spec[axis] = spec[axis].Stride(step)
	}
	return graph.Slice(x, spec...)
}

// pad surrounds x with a value; negative amounts crop.
func pad(x *graph.Node, value float64, amounts [][2]int) *graph.Node {
	grow := make([]compute.PadAxis, len(amounts))
	grows := false
	for i, p := range amounts {
		n := x.Shape().Dimensions[i]
		x = cut(x, i, max(0, -p[0]), n-max(0, -p[1]), 1)
		grow[i] = compute.PadAxis{Start: max(0, p[0]), End: max(0, p[1])}
		grows = grows || p[0] > 0 || p[1] > 0
	}
	if !grows {
		return x
	}
	return graph.Pad(x, scalar(x, value), grow...)
}

// padSpatial pads the axes behind batch and channels with zeros.
func padSpatial(x *graph.Node, amounts [][2]int) *graph.Node {
	return pad(x, 0, append([][2]int{{}, {}}, amounts...))
}

// sumTo sums a node over what numpy's broadcasting added to the given shape.
func sumTo(x *graph.Node, shape []int) *graph.Node {
	var over []int
	lead := x.Rank() - len(shape)
	for i, d := range x.Shape().Dimensions {
		if i < lead || shape[i-lead] == 1 && d != 1 {
			over = append(over, i)
		}
	}
	if len(over) > 0 {
		x = graph.ReduceSum(x, over...)
	}
	return reshape(x, shape...)
}

// broadcast expands a node to a shape as numpy does.
func broadcast(x *graph.Node, shape []int) *graph.Node {
	if slices.Equal(x.Shape().Dimensions, shape) {
		return x
	}
	x = reshape(x, leadingOnes(dims(x), len(shape))...)
	return graph.BroadcastToDims(x, shape...)
}

// leadingOnes puts axes of size one in front until there are rank of them.
func leadingOnes(shape []int, rank int) []int {
	out := make([]int, 0, rank)
	for range rank - len(shape) {
		out = append(out, 1)
	}
	return append(out, shape...)
}

// sameRank gives nodes the same number of axes, as numpy's broadcasting does.
func sameRank(nodes ...*graph.Node) []*graph.Node {
	rank := 0
	for _, n := range nodes {
		rank = max(rank, n.Rank())
	}
	out := make([]*graph.Node, len(nodes))
	for i, n := range nodes {
		out[i] = reshape(n, leadingOnes(dims(n), rank)...)
	}
	return out
}

// perChannel shapes a vector for arithmetic with [N, C, spatial...] of the given rank.
func perChannel(v *graph.Node, rank int) *graph.Node {
	shape := make([]int, rank)
	for i := range shape {
		shape[i] = 1
	}
	if rank > 1 {
		shape[1] = v.Shape().Size()
	} else {
		shape[0] = v.Shape().Size()
	}
	return reshape(v, shape...)
}

// constantLike makes a constant of x's type of a host array.
func constantLike(x *graph.Node, h *host) *graph.Node { return constant(x.Graph(), h, x.DType()) }
