package convert

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// opLinearAttention is LinearAttention: a state [B, G, D, E] moves along the sequence and is read by the
// queries. The steps are unrolled.
func opLinearAttention(c *call) []*value {
	q, k, v := c.heads(0, "q_num_heads"), c.heads(1, "kv_num_heads"), c.heads(2, "kv_num_heads")
	groups, steps, size, width := dims(k)[1], dims(k)[2], dims(k)[3], dims(v)[3]
	batch := dims(q)[0]
	if steps > maxTurns {
		refuse("a sequence of more than %d steps is not unrolled", maxTurns)
	}
	state := zerosLike(q, batch, groups, size, width)
	stateType := c.arg(0).dtype
	if c.has(3) {
		state, stateType = c.x(3), c.arg(3).dtype
	}
	rule := c.stringAttr("update_rule", "gated_delta")
	gated, delta := rule == "gated" || rule == "gated_delta", rule == "delta" || rule == "gated_delta"
	var decay, beta *graph.Node
	if gated {
		decay = c.perHead(4, groups) // [B, G, T, 1 or D]
	}
	if delta {
		beta = c.perHead(5, 1)
		if c.arg(5).shape[2] == groups {
			beta = c.perHead(5, groups)
		}
	}
	scale := c.floatAttr("scale", 0)
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(size))
	}
	step := func(x *graph.Node, t int) *graph.Node {
		s := dims(x)
		return reshape(cut(x, 2, t, t+1, 1), s[0], s[1], s[3])
	}
	column := func(x *graph.Node) *graph.Node { return reshape(x, append(dims(x), 1)...) }
	row := func(x *graph.Node) *graph.Node {
		s := dims(x)
		return reshape(x, s[0], s[1], 1, s[2])
	}
	reps := dims(q)[1] / groups
	var outs []*graph.Node
	for t := range steps {
		kt, vt := step(k, t), step(v, t)
		if gated {
			state = graph.Mul(state, column(graph.Exp(step(decay, t))))
		}
		if delta {
			found := graph.ReduceSum(graph.Mul(state, column(kt)), 2)
			vt = graph.Mul(step(beta, t), graph.Sub(vt, found))
		}
		state = graph.Add(state, graph.Mul(column(kt), row(vt)))
		read := state
		if reps > 1 {
			read = repeatEach(state, 1, reps)
		}
		y := graph.ReduceSum(graph.Mul(read, column(step(q, t))), 2) // [B, H, E]
		s := dims(y)
		outs = append(outs, reshape(y, s[0], 1, s[1]*s[2]))
	}
	y := outs[0]
	if len(outs) > 1 {
		y = graph.Concatenate(outs, 1)
	}
	return []*value{c.wrap(c.arg(0).dtype, graph.MulScalar(y, scale)), c.wrap(stateType, state)}
}

// perHead returns input i [B, T, heads*size] as [B, heads, T, size].
func (c *call) perHead(i, heads int) *graph.Node {
	s := c.arg(i).shape
	if len(s) != 3 || s[2]%heads != 0 {
		fail("input %d of shape %v does not divide into %d heads", i, s, heads)
	}
	return permute(reshape(c.x(i), s[0], s[1], heads, s[2]/heads), 0, 2, 1, 3)
}

// opCausalConv is CausalConvWithState: a depthwise convolution along the last axis that sees the past alone.
func opCausalConv(c *call) []*value {
	x, w := c.x(0), c.x(1)
	s, k := dims(x), dims(w)[2]
	past := zerosLike(x, s[0], s[1], k-1)
	if c.has(3) {
		past = c.x(3)
	}
	padded := joined(past, x, 2)
	n := dims(padded)[2]
	v := &convolution{window: window{kernel: []int{k}, stride: []int{1}, dilation: []int{1}, pads: make([][2]int, 1)}, groups: s[1], in: []int{n}}
	y := c.addBias(v.apply(padded, w), 2)
	switch a := c.stringAttr("activation", "none"); a {
	case "none":
	case "silu", "swish":
		y = graph.Mul(y, graph.Sigmoid(y))
	default:
		refuse("activation %q is unknown", a)
	}
	t := c.arg(0).dtype
	return []*value{c.wrap(t, y), c.wrap(t, cut(padded, 2, n-k+1, n, 1))}
}

// opTensorScatter is TensorScatter: a block of updates is written into a cache at a position of its own for
// each element of the batch.
func opTensorScatter(c *call) []*value {
	x, update := c.x(0), c.x(1)
	s := dims(x)
	a := axis(c.intAttr("axis", -2), len(s))
	count := dims(update)[a]
	// at[b, i]: which update stands at position i of the cache, if it is one.
	pos := graph.Iota(x.Graph(), indexShape(s[0], s[a]), 1)
	at := pos
	if c.has(2) {
		from := reshape(graph.StopGradient(graph.ConvertDType(c.x(2), indexType)), s[0], 1)
		at = graph.Sub(pos, from)
	}
	if c.stringAttr("mode", "linear") == "circular" {
		at = graph.Where(graph.LessThan(at, graph.ZerosLike(at)), graph.AddScalar(at, s[a]), at)
	}
	inside := graph.LogicalAnd(graph.GreaterOrEqual(at, scalar(at, 0)), graph.LessThan(at, scalar(at, float64(count))))
	// A matrix of zeros and ones [B, cache, updates] puts the updates in place.
	hot := graph.OneHot(graph.Where(inside, at, graph.ZerosLike(at)), count, x.DType())
	hot = graph.Mul(hot, graph.ConvertDType(reshape(inside, s[0], s[a], 1), x.DType()))
	perm := append([]int{0, a}, without(len(s), a)[1:]...)
	u := permute(update, perm...)
	flat := reshape(u, s[0], count, product(dims(u)[2:]))
	placed := reshape(graph.DotGeneral(hot, []int{2}, []int{0}, flat, []int{1}, []int{0}), append([]int{s[0], s[a]}, dims(u)[2:]...)...)
	placed = permute(placed, inverse(perm)...)
	mask := ones(len(s))
	mask[0], mask[a] = s[0], s[a]
	return c.out(graph.Where(broadcast(reshape(inside, mask...), s), placed, x))
}

// inverse returns the permutation that undoes perm.
func inverse(perm []int) []int {
	back := make([]int, len(perm))
	for i, p := range perm {
		back[p] = i
	}
	return back
}
