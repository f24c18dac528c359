package convert

import (
	"slices"
	"sort"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// wrapped returns indices counted from the front, checked against n.
func wrapped(list []int, n int) []int {
	out := make([]int, len(list))
	for i, v := range list {
		if v < -n || v >= n {
			fail("index %d lies outside an axis of %d", v, n)
		}
		if v < 0 {
			v += n
		}
		out[i] = v
	}
	return out
}

// nonNegative adds n to negative indices in the graph.
func nonNegative(at *graph.Node, n int) *graph.Node {
	at = graph.StopGradient(graph.ConvertDType(at, indexType))
	return graph.Where(graph.LessThan(at, graph.ZerosLike(at)), graph.AddScalar(at, n), at)
}

// opGather is Gather.
func opGather(c *call) []*value {
	x := c.x(0)
	a := axis(c.intAttr("axis", 0), x.Rank())
	n := x.Shape().Dimensions[a]
	shape := dims(x)
	shape = slices.Concat(shape[:a], c.arg(1).shape, shape[a+1:])
	if _, ok := c.arg(1).known(); ok {
		return c.out(reshape(pickAxis(x, a, wrapped(c.ints(1, "the indices"), n)), shape...))
	}
	at := nonNegative(c.x(1), n)
	count := product(c.arg(1).shape)
	perm := append([]int{a}, without(x.Rank(), a)...)
	y := graph.Gather(permute(x, perm...), reshape(at, count, 1))
	back := make([]int, x.Rank())
	for i, p := range perm {
		back[p] = i
	}
	return c.out(reshape(permute(y, back...), shape...))
}

func foldGather(c *call) []*host {
	h := c.in[0].host
	a := axis(c.intAttr("axis", 0), len(h.shape))
	shape := slices.Concat(h.shape[:a], c.in[1].shape, h.shape[a+1:])
	return []*host{h.taken(a, wrapped(c.ints(1, "the indices"), h.shape[a])).reshaped(shape)}
}

// flatPositions turns the indices of GatherElements and ScatterElements into positions in the flat data.
func flatPositions(shape, indexShape []int, a int, list []int) []int {
	st := strides(shape)
	out := make([]int, len(list))
	list = wrapped(list, shape[a])
	walk(indexShape, func(flat int, index []int) {
		for i, v := range index {
			if i == a {
				v = list[flat]
			}
			out[flat] += v * st[i]
		}
	})
	return out
}

// flatNodes is flatPositions in the graph.
func flatNodes(shape, indexShape []int, a int, at *graph.Node) *graph.Node {
	st := strides(shape)
	rest := newHost(onnx.Int64, indexShape)
	walk(indexShape, func(flat int, index []int) {
		for i, v := range index {
			if i != a {
				rest.ints[flat] += int64(v * st[i])
			}
		}
	})
	at = graph.MulScalar(nonNegative(at, shape[a]), st[a])
	return graph.Add(at, constant(at.Graph(), rest, indexType))
}

// takeFlat takes elements of x by flat position.
func takeFlat(x, at *graph.Node, shape []int) *graph.Node {
	n := x.Shape().Size()
	y := graph.Gather(reshape(x, n), reshape(at, product(shape), 1))
	return reshape(y, shape...)
}

func opGatherElements(c *call) []*value {
	x := c.x(0)
	a := axis(c.intAttr("axis", 0), x.Rank())
	return c.out(takeFlat(x, flatNodes(dims(x), c.arg(1).shape, a, c.x(1)), c.arg(1).shape))
}

func foldGatherElements(c *call) []*host {
	h := c.in[0].host
	a := axis(c.intAttr("axis", 0), len(h.shape))
	return []*host{h.pick(c.in[1].shape, flatPositions(h.shape, c.in[1].shape, a, c.ints(1, "the indices")))}
}

// ndRows returns, for each index vector of GatherND and ScatterND, the number of the slice it names, and the
// shape of those slices.
func (c *call) ndRows(shape []int, at *value) (rows *graph.Node, slice []int) {
	b := c.intAttr("batch_dims", 0)
	k := at.shape[len(at.shape)-1]
	n := c.node(at)
	lead := shape[b : b+k]
	n = graph.StopGradient(graph.ConvertDType(n, indexType))
	st := strides(lead)
	count := product(at.shape[:len(at.shape)-1])
	n = reshape(n, count, k)
	var sum *graph.Node
	for i := range k {
		part := graph.MulScalar(nonNegative(cut(n, 1, i, i+1, 1), lead[i]), st[i])
		if sum == nil {
			sum = part
		} else {
			sum = graph.Add(sum, part)
		}
	}
	if b > 0 {
		batch := product(shape[:b])
		each := count / batch
		offset := newHost(onnx.Int64, []int{count, 1})
		for i := range count {
			offset.ints[i] = int64(i / each * product(lead))
		}
		sum = graph.Add(sum, constant(n.Graph(), offset, indexType))
	}
	return sum, shape[b+k:]
}

func opGatherND(c *call) []*value {
	x := c.x(0)
	at := c.arg(1)
	rows, slice := c.ndRows(dims(x), at)
	flat := reshape(x, product(dims(x))/product(slice), product(slice))
	y := graph.Gather(flat, rows)
	return c.out(reshape(y, slices.Concat(at.shape[:len(at.shape)-1], slice)...))
}

// scatter combines updates into rows of x by reduction.
func scatter(x, rows, updates *graph.Node, reduction string) *graph.Node {
	switch reduction {
	case "none", "":
		// Replacing is adding to a copy with zeros at the rows.
		hit := graph.ScatterSum(graph.ZerosLike(x), rows, graph.OnesLike(updates), false, false)
		x = graph.Where(graph.GreaterThan(graph.StopGradient(hit), graph.ZerosLike(hit)), graph.ZerosLike(x), x)
		return graph.ScatterSum(x, rows, updates, false, true)
	case "add":
		return graph.ScatterSum(x, rows, updates, false, false)
	case "max":
		return graph.ScatterMax(x, rows, updates, false, false)
	case "min":
		return graph.ScatterMin(x, rows, updates, false, false)
	}
	refuse("scattering with reduction %q is not supported", reduction)
	return nil
}

// scatterMul multiplies rows by updates. No engine scatters products, so the rows must be known: updates of
// the same row are applied in turn.
func (c *call) scatterMul(x, updates *graph.Node, list []int) *graph.Node {
	n := dims(x)[0]
	for _, round := range rounds(list) {
		// A matrix of zeros and ones brings the updates to their rows; other rows are multiplied by one.
		place := newHost(onnx.Float32, []int{n, dims(updates)[0]})
		rest := newHost(onnx.Float32, []int{n, 1})
		for i := range rest.floats {
			rest.floats[i] = 1
		}
		for _, i := range round {
			place.floats[list[i]*dims(updates)[0]+i] = 1
			rest.floats[list[i]] = 0
		}
		factor := graph.DotGeneral(constantLike(x, place), []int{1}, nil, updates, []int{0}, nil)
		x = graph.Mul(x, graph.Add(factor, constantLike(x, rest)))
	}
	return x
}

// scattered combines updates into rows of x by the node's reduction.
func (c *call) scattered(x, rows, updates *graph.Node, known func() []int) *graph.Node {
	reduction := c.stringAttr("reduction", "none")
	if reduction == "mul" {
		return c.scatterMul(x, updates, known())
	}
	return scatter(x, rows, updates, reduction)
}

func opScatterND(c *call) []*value {
	x := c.x(0)
	shape := dims(x)
	rows, slice := c.ndRows(shape, c.arg(1))
	flat := reshape(x, product(shape)/product(slice), product(slice))
	updates := reshape(c.x(2), rows.Shape().Dimensions[0], product(slice))
	y := c.scattered(flat, rows, updates, func() []int {
		k := len(shape) - len(slice)
		list := c.ints(1, "the indices of a product")
		st := strides(shape[:k])
		out := make([]int, len(list)/max(k, 1))
		for i, v := range list {
			out[i/k] += wrapped([]int{v}, shape[i%k])[0] * st[i%k]
		}
		return out
	})
	return c.out(reshape(y, shape...))
}

func opScatterElements(c *call) []*value {
	x := c.x(0)
	shape := dims(x)
	a := axis(c.intAttr("axis", 0), x.Rank())
	at := flatNodes(shape, c.arg(1).shape, a, c.x(1))
	n := product(c.arg(1).shape)
	y := c.scattered(reshape(x, product(shape), 1), reshape(at, n, 1), reshape(c.x(2), n, 1), func() []int {
		return flatPositions(shape, c.arg(1).shape, a, c.ints(1, "the indices of a product"))
	})
	return c.out(reshape(y, shape...))
}

func foldScatterElements(c *call) []*host {
	h := c.in[0].host
	if c.stringAttr("reduction", "none") != "none" {
		return nil
	}
	a := axis(c.intAttr("axis", 0), len(h.shape))
	out := h.pick(h.shape, rangeOf(0, h.len()))
	for i, at := range flatPositions(h.shape, c.in[1].shape, a, c.ints(1, "the indices")) {
		out.copyFrom(at, c.in[2].host, i)
	}
	return []*host{out}
}

// copyFrom copies one element of another array of the same type. It may only be used on arrays just made.
func (h *host) copyFrom(at int, from *host, i int) {
	if isReal(h.dtype) {
		h.floats[at] = from.floats[i]
	} else {
		h.ints[at] = from.ints[i]
	}
}

func foldScatterND(c *call) []*host {
	h := c.in[0].host
	if c.stringAttr("reduction", "none") != "none" {
		return nil
	}
	index := c.in[1]
	k := index.shape[len(index.shape)-1]
	size := product(h.shape[k:])
	st := strides(h.shape)
	list := c.ints(1, "the indices")
	out := h.pick(h.shape, rangeOf(0, h.len()))
	for row := range len(list) / max(k, 1) {
		at := 0
		for i := range k {
			at += wrapped(list[row*k+i:row*k+i+1], h.shape[i])[0] * st[i]
		}
		for j := range size {
			out.copyFrom(at+j, c.in[2].host, row*size+j)
		}
	}
	return []*host{out}
}

func foldGatherND(c *call) []*host {
	h := c.in[0].host
	if c.intAttr("batch_dims", 0) != 0 {
		return nil
	}
	index := c.in[1]
	k := index.shape[len(index.shape)-1]
	size := product(h.shape[k:])
	st := strides(h.shape)
	list := c.ints(1, "the indices")
	var at []int
	for row := range len(list) / max(k, 1) {
		p := 0
		for i := range k {
			p += wrapped(list[row*k+i:row*k+i+1], h.shape[i])[0] * st[i]
		}
		at = append(at, rangeOf(p, p+size)...)
	}
	return []*host{h.pick(slices.Concat(index.shape[:len(index.shape)-1], h.shape[k:]), at)}
}

// opOneHot is OneHot with the two values of its third input.
func opOneHot(c *call) []*value {
	depth := c.ints(1, "the depth")[0]
	values := c.x(2)
	at := nonNegative(c.x(0), depth)
	a := c.intAttr("axis", -1)
	rank := at.Rank() + 1
	hot := graph.OneHot(at, depth, values.DType())
	hot = lastTo(hot, axis(a, rank))
	off, on := reshape(cut(values, 0, 0, 1, 1)), reshape(cut(values, 0, 1, 2, 1))
	return c.outAs(c.arg(2).dtype, graph.Add(off, graph.Mul(hot, graph.Sub(on, off))))
}

func foldNonZero(c *call) []*host {
	h := c.in[0].host
	rank := len(h.shape)
	found := make([][]int64, rank)
	walk(h.shape, func(flat int, index []int) {
		if h.at(flat) != 0 {
			for i, v := range index {
				found[i] = append(found[i], int64(v))
			}
		}
	})
	n := 0
	if rank > 0 {
		n = len(found[0])
	}
	return []*host{{dtype: onnx.Int64, shape: []int{rank, n}, ints: append([]int64{}, slices.Concat(found...)...)}}
}

// foldTopK is TopK of constants.
func foldTopK(c *call) []*host {
	h := c.in[0].host
	a := axis(c.intAttr("axis", -1), len(h.shape))
	k := c.intAttr("k", 0)
	if c.has(1) {
		k = c.ints(1, "k")[0]
	}
	sign := 1.0
	if c.intAttr("largest", 1) == 0 {
		sign = -1
	}
	shape := slices.Clone(h.shape)
	shape[a] = k
	values, where := newHost(h.dtype, shape), newHost(onnx.Int64, shape)
	lines := slices.Clone(h.shape)
	lines[a] = 1
	st, so := strides(h.shape), strides(shape)
	walk(lines, func(_ int, index []int) {
		from, to := 0, 0
		for i, v := range index {
			from += v * st[i]
			to += v * so[i]
		}
		order := rangeOf(0, h.shape[a])
		sort.SliceStable(order, func(i, j int) bool {
			return sign*h.at(from+order[i]*st[a]) > sign*h.at(from+order[j]*st[a])
		})
		for i, o := range order[:k] {
			values.copyFrom(to+i*so[a], h, from+o*st[a])
			where.ints[to+i*so[a]] = int64(o)
		}
	})
	return []*host{values, where}
}

func foldCompress(c *call) []*host {
	h := c.in[0].host
	keep := c.in[1].host
	a := 0
	if at, ok := c.attr("axis"); ok {
		a = axis(int(at.I), len(h.shape))
	} else {
		h = h.reshaped([]int{h.len()})
	}
	picks := []int{}
	for i := range min(keep.len(), h.shape[a]) {
		if keep.at(i) != 0 {
			picks = append(picks, i)
		}
	}
	return []*host{h.taken(a, picks)}
}

func foldCumSum(c *call) []*host {
	h := c.in[0].host
	a := axis(c.ints(1, "the axis")[0], len(h.shape))
	reverse, exclusive := c.intAttr("reverse", 0) == 1, c.intAttr("exclusive", 0) == 1
	out := newHost(h.dtype, h.shape)
	st := strides(h.shape)
	lines := slices.Clone(h.shape)
	lines[a] = 1
	walk(lines, func(_ int, index []int) {
		base := 0
		for i, v := range index {
			base += v * st[i]
		}
		sum := 0.0
		for i := range h.shape[a] {
			if reverse {
				i = h.shape[a] - 1 - i
			}
			p := base + i*st[a]
			if exclusive {
				out.set(p, sum)
				sum += h.at(p)
			} else {
				sum += h.at(p)
				out.set(p, sum)
			}
		}
	})
	return []*host{out}
}
