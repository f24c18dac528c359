package convert

import (
	"github.com/gomlx/gomlx/core/graph"
)

// reverseSequences turns the first lengths[b] positions of the time axis around.
func reverseSequences(x, lengths *graph.Node, batchAxis, timeAxis int) *graph.Node {
	shape := dims(x)
	perm := []int{batchAxis, timeAxis}
	for a := range shape {
		if a != batchAxis && a != timeAxis {
			perm = append(perm, a)
		}
	}
	y := permute(x, perm...)
	s := dims(y)
	pos := graph.Iota(x.Graph(), indexShape(s[0], s[1]), 1)
	n := broadcast(reshape(lengths, s[0], 1), s[:2])
	from := graph.Where(graph.LessThan(pos, n), graph.Sub(graph.AddScalar(n, -1), pos), pos)
	row := graph.Add(from, graph.MulScalar(graph.Iota(x.Graph(), indexShape(s[0], s[1]), 0), s[1]))
	flat := reshape(y, s[0]*s[1], product(s[2:]))
	y = reshape(graph.Gather(flat, reshape(graph.StopGradient(row), s[0]*s[1], 1)), s...)
	return permute(y, inverse(perm)...)
}

// opReverseSequence is ReverseSequence.
func opReverseSequence(c *call) []*value {
	lengths := graph.StopGradient(graph.ConvertDType(c.x(1), indexType))
	return c.out(reverseSequences(c.x(0), lengths, c.intAttr("batch_axis", 1), c.intAttr("time_axis", 0)))
}

// opCumProd is CumProd; unrolled, so that factors of zero are no trouble to its gradient.
func opCumProd(c *call) []*value {
	x := c.x(0)
	a := axis(c.ints(1, "the axis")[0], x.Rank())
	n := dims(x)[a]
	if n > maxTurns {
		refuse("a product of more than %d factors is not unrolled", maxTurns)
	}
	reverse, exclusive := c.intAttr("reverse", 0) == 1, c.intAttr("exclusive", 0) == 1
	var sofar *graph.Node
	list := make([]*graph.Node, n)
	for i := range n {
		at := i
		if reverse {
			at = n - 1 - i
		}
		one := cut(x, a, at, at+1, 1)
		before := sofar
		if before == nil {
			before = graph.OnesLike(one)
			sofar = one
		} else {
			sofar = graph.Mul(sofar, one)
		}
		list[at] = sofar
		if exclusive {
			list[at] = before
		}
	}
	return c.out(concatenated(list, a))
}
