package convert

import (
	"cmp"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// opTopK is TopK. No engine sorts; an element's place is the number of elements that come before it, which
// takes the square of the axis. A long axis from which few are taken is searched k times instead.
func opTopK(c *call) []*value {
	x := c.x(0)
	a := axis(c.intAttr("axis", -1), x.Rank())
	n := dims(x)[a]
	k := c.intAttr("k", 0)
	if c.has(1) {
		k = c.ints(1, "k")[0]
	}
	if k < 1 || k > n {
		fail("%d of %d elements cannot be taken", k, n)
	}
	perm := append(without(x.Rank(), a), a)
	y := permute(x, perm...)
	lines := product(dims(y)[:x.Rank()-1])
	flat := reshape(y, lines, n)
	key := graph.StopGradient(flat)
	largest := c.intAttr("largest", 1) == 1
	var at *graph.Node
	switch {
	case lines*n*n <= maxRanked:
		at = ranked(key, k, largest)
	case k <= maxSearched:
		at = searched(key, k, largest)
	default:
		refuse("the first %d of %d elements in %d rows are too many to find", k, n, lines)
	}
	row := graph.MulScalar(graph.Iota(x.Graph(), indexShape(lines, k), 0), n)
	values := takeFlat(flat, graph.Add(row, at), []int{lines, k})
	shape := append(slices.Clone(dims(y)[:x.Rank()-1]), k)
	back := inverse(perm)
	return []*value{
		c.wrap(c.arg(0).dtype, permute(reshape(values, shape...), back...)),
		c.wrap(onnx.Int64, permute(reshape(at, shape...), back...)),
	}
}

const (
	maxRanked   = 1 << 24 // comparisons of a TopK that are made at once
	maxSearched = 64      // searches of a TopK
)

// ranked returns the positions [lines, k] of the first elements of each line, in order; of equal ones the
// earlier comes first.
func ranked(x *graph.Node, k int, largest bool) *graph.Node {
	s := dims(x)
	lines, n := s[0], s[1]
	cube := []int{lines, n, n}
	one, other := broadcast(reshape(x, lines, n, 1), cube), broadcast(reshape(x, lines, 1, n), cube)
	ahead := graph.GreaterThan(other, one)
	if !largest {
		ahead = graph.LessThan(other, one)
	}
	earlier := newHost(onnx.Bool, []int{1, n, n})
	for i := range n {
		for j := range i {
			earlier.ints[i*n+j] = 1
		}
	}
	tie := graph.LogicalAnd(graph.Equal(other, one), broadcast(constant(x.Graph(), earlier, boolType), cube))
	place := graph.ReduceSum(graph.ConvertDType(graph.LogicalOr(ahead, tie), indexType), 2) // [lines, n]
	grid := []int{lines, k, n}
	want := graph.Iota(x.Graph(), indexShape(grid...), 1)
	index := graph.Iota(x.Graph(), indexShape(grid...), 2)
	hit := graph.Equal(broadcast(reshape(place, lines, 1, n), grid), want)
	return graph.ReduceSum(graph.Where(hit, index, graph.ZerosLike(index)), 2)
}

// searched finds the same by looking for the best of what is left, k times.
func searched(x *graph.Node, k int, largest bool) *graph.Node {
	s := dims(x)
	if !x.DType().IsFloat() {
		refuse("elements of this many whole numbers are not put in order")
	}
	worst := math.Inf(-1)
	find := func(x *graph.Node) *graph.Node { return graph.ArgMax(x, 1, indexType) }
	if !largest {
		worst = math.Inf(1)
		find = func(x *graph.Node) *graph.Node { return graph.ArgMin(x, 1, indexType) }
	}
	index := graph.Iota(x.Graph(), indexShape(s...), 1)
	var out []*graph.Node
	for range k {
		at := reshape(find(x), s[0], 1)
		out = append(out, at)
		x = graph.Where(graph.Equal(index, broadcast(at, s)), broadcast(scalar(x, worst), s), x)
	}
	return concatenated(out, 1)
}

// foldUnique is Unique of constants: the values, their first positions, the value of each element, counts.
func foldUnique(c *call) []*host {
	h := c.in[0].host
	a, flat := 0, !c.hasAttr("axis")
	if flat {
		h = h.reshaped([]int{h.len()})
	} else {
		a = axis(c.intAttr("axis", 0), len(h.shape))
	}
	n := h.shape[a]
	size := h.len() / max(n, 1)
	rows := h.taken(a, rangeOf(0, n)).transposed(append([]int{a}, without(len(h.shape), a)...))
	order := func(i, j int) int {
		for e := range size {
			if d := cmp.Compare(rows.at(i*size+e), rows.at(j*size+e)); d != 0 {
				return d
			}
		}
		return 0
	}
	list := rangeOf(0, n)
	slices.SortStableFunc(list, order)
	var first []int
	var counts []int64
	of := make([]int, n) // which of the different ones each is
	for i, at := range list {
		if i == 0 || order(list[i-1], at) != 0 {
			first, counts = append(first, at), append(counts, 0)
		}
		of[at] = len(first) - 1
		counts[len(first)-1]++
	}
	if c.intAttr("sorted", 1) == 0 {
		rank := rangeOf(0, len(first))
		slices.SortFunc(rank, func(i, j int) int { return cmp.Compare(first[i], first[j]) })
		place := inverse(rank)
		moved, movedCounts := make([]int, len(first)), make([]int64, len(first))
		for i, r := range rank {
			moved[i], movedCounts[i] = first[r], counts[r]
		}
		first, counts = moved, movedCounts
		for i := range of {
			of[i] = place[of[i]]
		}
	}
	vector := func(n int, at func(i int) int64) *host {
		v := newHost(onnx.Int64, []int{n})
		for i := range n {
			v.ints[i] = at(i)
		}
		return v
	}
	return []*host{
		h.taken(a, first),
		vector(len(first), func(i int) int64 { return int64(first[i]) }),
		vector(n, func(i int) int64 { return int64(of[i]) }),
		vector(len(counts), func(i int) int64 { return counts[i] }),
	}
}

// foldNonMaxSuppression is NonMaxSuppression of constants: of boxes that overlap too much the best is kept.
func foldNonMaxSuppression(c *call) []*host {
	boxes, scores := c.in[0].host, c.in[1].host
	number := func(i int, def float64) float64 {
		if !c.has(i) {
			return def
		}
		return c.number(i, "a threshold")
	}
	most, overlap := int(number(2, 0)), number(3, 0)
	n, classes := boxes.shape[1], scores.shape[1]
	var out []int64
	for b := range boxes.shape[0] {
		for class := range classes {
			score := func(i int) float64 { return scores.at((b*classes+class)*n + i) }
			list := rangeOf(0, n)
			if c.has(4) {
				list = slices.DeleteFunc(list, func(i int) bool { return !(score(i) > number(4, 0)) })
			}
			slices.SortStableFunc(list, func(i, j int) int { return cmp.Compare(score(j), score(i)) })
			var kept []int
			for _, i := range list {
				if len(kept) >= most {
					break
				}
				box := func(i int) [4]float64 { return boxOf(boxes, b*n+i, c.intAttr("center_point_box", 0) == 1) }
				if !slices.ContainsFunc(kept, func(j int) bool { return intersection(box(i), box(j)) > overlap }) {
					kept = append(kept, i)
					out = append(out, int64(b), int64(class), int64(i))
				}
			}
		}
	}
	return []*host{{dtype: onnx.Int64, shape: []int{len(out) / 3, 3}, ints: append([]int64{}, out...)}}
}

// boxOf returns the lower and upper corner of a box, which is stored as two corners or as centre and size.
func boxOf(boxes *host, i int, centred bool) [4]float64 {
	p, q, r, s := boxes.at(4*i), boxes.at(4*i+1), boxes.at(4*i+2), boxes.at(4*i+3)
	if centred {
		return [4]float64{p - r/2, q - s/2, p + r/2, q + s/2}
	}
	return [4]float64{math.Min(p, r), math.Min(q, s), math.Max(p, r), math.Max(q, s)}
}

// intersection is the area that two boxes share, relative to what they cover together.
func intersection(x, y [4]float64) float64 {
	area := func(b [4]float64) float64 { return math.Max(0, b[2]-b[0]) * math.Max(0, b[3]-b[1]) }
	both := area([4]float64{math.Max(x[0], y[0]), math.Max(x[1], y[1]), math.Min(x[2], y[2]), math.Min(x[3], y[3])})
	if all := area(x) + area(y) - both; all > 0 {
		return both / all
	}
	return 0
}
