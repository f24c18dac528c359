package convert

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// arcTangent is the inverse tangent, found by halving the angle three times and then by a
// series that converges fast. The derivative is the exact one.
func arcTangent(x *graph.Node) *graph.Node {
	return pointwise(x, func(x *graph.Node) *graph.Node {
		// |x| > 1 is turned inside out: atan(x) = pi/2 - atan(1/x).
		a := graph.Abs(x)
		one := scalar(x, 1)
		big := graph.GreaterThan(a, broadcast(one, dims(x)))
		y := graph.Where(big, graph.Reciprocal(graph.Max(a, one)), graph.Min(a, one))
		const halvings = 3
		for range halvings {
			// atan(y) = 2*atan(y / (1 + sqrt(1 + y*y)))
			y = graph.Div(y, graph.AddScalar(graph.Sqrt(graph.AddScalar(graph.Mul(y, y), 1)), 1))
		}
		square := graph.Mul(y, y)
		const terms = 9 // y <= tan(pi/32): the next term is below 1e-20
		sum := scalar(x, 1.0/(2*terms+1))
		sum = broadcast(sum, dims(x))
		for k := terms - 1; k >= 0; k-- {
			sum = graph.AddScalar(graph.Neg(graph.Mul(square, sum)), 1.0/float64(2*k+1))
		}
		y = graph.MulScalar(graph.Mul(y, sum), 1<<halvings)
		y = graph.Where(big, graph.AddScalar(graph.Neg(y), math.Pi/2), y)
		return graph.Mul(graph.Sign(x), y)
	}, func(x, _ *graph.Node) *graph.Node {
		return graph.Reciprocal(graph.AddScalar(graph.Mul(x, x), 1))
	})
}

// arcSine is atan(x / sqrt(1 - x*x)).
func arcSine(x *graph.Node) *graph.Node {
	root := func(x *graph.Node) *graph.Node {
		return graph.Sqrt(graph.Mul(graph.OneMinus(x), graph.AddScalar(x, 1)))
	}
	return pointwise(x,
		func(x *graph.Node) *graph.Node { return arcTangent(graph.Div(x, root(x))) },
		func(x, _ *graph.Node) *graph.Node { return graph.Reciprocal(root(x)) })
}

// arcCosine is pi/2 - asin(x).
func arcCosine(x *graph.Node) *graph.Node {
	return graph.AddScalar(graph.Neg(arcSine(x)), math.Pi/2)
}
