package convert

import (
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// attention is one Attention node: queries [B, H, Q, D], keys [B, G, K, D] and values [B, G, K, E], where
// each of the G heads of keys serves H/G heads of queries.
type attention struct {
	*call
	q, k, v *graph.Node
	past    int // keys of the cache, in front of the node's own
}

// opAttention is Attention of opsets 23 and later: https://onnx.ai/onnx/operators/onnx__Attention.html.
func opAttention(c *call) []*value {
	flat := c.arg(0).rank() == 3
	a := &attention{call: c, q: c.heads(0, "q_num_heads"), k: c.heads(1, "kv_num_heads"), v: c.heads(2, "kv_num_heads")}
	if c.has(4) != c.has(5) {
		fail("past_key and past_value belong together")
	}
	if c.has(4) {
		a.past = c.arg(4).shape[2]
		a.k, a.v = joined(c.x(4), a.k, 2), joined(c.x(5), a.v, 2)
	}
	keys, values := a.k, a.v
	if reps := dims(a.q)[1] / dims(a.k)[1]; reps > 1 {
		a.k, a.v = repeatEach(a.k, 1, reps), repeatEach(a.v, 1, reps)
	}
	scale := c.floatAttr("scale", 1/math.Sqrt(float64(dims(a.q)[3])))
	raw := c.matmul(graph.MulScalar(a.q, scale), permute(a.k, 0, 1, 3, 2))
	capped := raw
	if s := c.floatAttr("softcap", 0); s > 0 {
		capped = graph.MulScalar(graph.Tanh(graph.MulScalar(raw, 1/s)), s)
	}
	bias := a.bias(dims(raw))
	biased, p := capped, (*graph.Node)(nil)
	if bias == nil {
		p = softmax(capped, []int{3})
	} else {
		bias = sameRank(bias, capped)[0]
		biased = graph.Add(capped, bias)
		p = maskedSoftmax(biased, bias)
	}
	y := c.matmul(p, a.v)
	if flat {
		s := dims(y)
		y = reshape(permute(y, 0, 2, 1, 3), s[0], s[2], s[1]*s[3])
	}
	scores := raw
	switch c.intAttr("qk_matmul_output_mode", 0) {
	case 1:
		scores = capped
	case 2:
		scores = biased
	case 3:
		scores = p
	}
	t := c.arg(0).dtype
	return []*value{c.wrap(t, y), c.wrap(c.arg(1).dtype, keys), c.wrap(c.arg(2).dtype, values), c.wrap(t, scores)}
}

// heads returns input i as [B, heads, length, size], unpacked from [B, length, heads*size] where it has
// three axes.
func (c *call) heads(i int, attr string) *graph.Node {
	x := c.x(i)
	s := dims(x)
	if len(s) == 4 {
		return x
	}
	n := c.intAttr(attr, 0)
	if len(s) != 3 || n < 1 || s[2]%n != 0 {
		fail("input %d of shape %v does not divide into %d heads", i, s, n)
	}
	return permute(reshape(x, s[0], s[1], n, s[2]/n), 0, 2, 1, 3)
}

// joined concatenates, unless one part is empty.
func joined(x, y *graph.Node, axis int) *graph.Node {
	switch {
	case dims(x)[axis] == 0:
		return y
	case dims(y)[axis] == 0:
		return x
	}
	return graph.Concatenate([]*graph.Node{x, y}, axis)
}

// maskedSoftmax is softmax over the last axis; rows whose bias forbids everything are zero.
func maskedSoftmax(x, bias *graph.Node) *graph.Node {
	shape := dims(x)
	last := []int{bias.Rank() - 1}
	top := keep(graph.StopGradient(bias), graph.ReduceMax, last)
	none := graph.Equal(top, scalar(top, math.Inf(-1)))
	none = broadcast(none, append(slices.Clone(shape[:len(shape)-1]), 1))
	none = broadcast(none, shape)
	zero := zerosLike(x, shape...)
	return graph.Where(none, zero, softmax(graph.Where(none, zero, x), []int{len(shape) - 1}))
}

// bias returns what is added to scores of the given shape [B, H, Q, K]: 0 or the mask's number where a query
// may look, minus infinity where not; nil where nothing limits it.
func (a *attention) bias(shape []int) *graph.Node {
	var bias *graph.Node
	add := func(n *graph.Node) {
		if bias == nil {
			bias = n
			return
		}
		both := sameRank(bias, n)
		bias = graph.Add(both[0], both[1])
	}
	if a.has(3) {
		add(a.mask(shape[3]))
	}
	causal := a.intAttr("is_causal", 0) == 1
	left, right := a.intAttr("left_window_size", -1), a.intAttr("right_window_size", -1)
	if causal || left >= 0 || right >= 0 {
		add(a.window(shape, causal, left, right))
	}
	if a.has(6) {
		n := reshape(a.lengths(), shape[0], 1, 1, 1)
		key := graph.Iota(n.Graph(), indexShape(shape[0], 1, 1, shape[3]), 3)
		add(a.allowed(graph.LessThan(key, broadcast(n, dims(key)))))
	}
	return bias
}

// lengths returns how many keys each element of the batch has (input 6).
func (a *attention) lengths() *graph.Node {
	return graph.StopGradient(graph.ConvertDType(a.x(6), indexType))
}

// allowed turns truth values into 0 and minus infinity.
func (a *attention) allowed(mask *graph.Node) *graph.Node {
	shape := dims(mask)
	return graph.Where(mask, zerosLike(a.q, shape...), broadcast(scalar(a.q, math.Inf(-1)), shape))
}

// mask returns the mask, with keys that it does not reach forbidden.
func (a *attention) mask(keys int) *graph.Node {
	m := a.x(3)
	rank := m.Rank()
	amounts := make([][2]int, rank)
	amounts[rank-1] = [2]int{0, keys - dims(m)[rank-1]}
	if a.arg(3).dtype == onnx.Bool {
		if amounts[rank-1][1] == 0 {
			return a.allowed(m)
		}
		number := graph.ConvertDType(m, indexType)
		number = pad(number, 0, amounts)
		return a.allowed(graph.GreaterThan(number, graph.ZerosLike(number)))
	}
	return pad(m, math.Inf(-1), amounts)
}

// window limits each query to keys around its own position, which counts the keys in front of the block.
func (a *attention) window(shape []int, causal bool, left, right int) *graph.Node {
	if !causal && left < 0 && right < 0 {
		return nil
	}
	queries, keys := shape[2], shape[3]
	at := func(offset int) *host {
		h := newHost(onnx.Int64, []int{1, 1, queries, keys})
		for q := range queries {
			for k := range keys {
				h.ints[q*keys+k] = int64(q + offset - k)
			}
		}
		return h
	}
	g := a.q.Graph()
	var ahead *graph.Node // how far the query's position lies ahead of the key's
	if a.has(6) && !a.has(4) {
		offset := reshape(graph.AddScalar(a.lengths(), -queries), shape[0], 1, 1, 1)
		ahead = graph.Add(constant(g, at(0), indexType), offset)
	} else {
		ahead = constant(g, at(a.past), indexType)
	}
	var ok *graph.Node
	limit := func(m *graph.Node) {
		if ok == nil {
			ok = m
		} else {
			ok = graph.LogicalAnd(ok, m)
		}
	}
	if causal {
		limit(graph.GreaterOrEqual(ahead, scalar(ahead, 0)))
	}
	if left >= 0 {
		limit(graph.LessOrEqual(ahead, scalar(ahead, float64(left))))
	}
	if right >= 0 {
		limit(graph.GreaterOrEqual(ahead, scalar(ahead, float64(-right))))
	}
	return a.allowed(ok)
}

// opFlexAttention is FlexAttention of the preview domain: graphs of the node change scores and probabilities.
func opFlexAttention(c *call) []*value {
	q, k, v := c.x(0), c.x(1), c.x(2)
	if reps := dims(q)[1] / dims(k)[1]; reps > 1 {
		k, v = repeatEach(k, 1, reps), repeatEach(v, 1, reps)
	}
	scale := c.floatAttr("scale", 1/math.Sqrt(float64(dims(q)[3])))
	s := c.matmul(graph.MulScalar(q, scale), permute(k, 0, 1, 3, 2))
	t := c.arg(0).dtype
	precision := onnx.DType(c.intAttr("softmax_precision", int(t)))
	if half(t) && !c.hasAttr("softmax_precision") {
		precision = onnx.Float32
	}
	through := func(name string, x *graph.Node) *graph.Node {
		a, ok := c.attr(name)
		if !ok || a.G == nil {
			return x
		}
		return c.node(c.subgraph(name, map[string]*value{a.G.Inputs[0].Name: c.wrap(precision, x)})[0])
	}
	p := through("prob_mod", softmax(through("score_mod", s), []int{3}))
	return c.outAs(c.arg(2).dtype, c.matmul(p, v))
}

// opRotaryEmbedding is RotaryEmbedding: pairs of features turn by angles that depend on the position.
func opRotaryEmbedding(c *call) []*value {
	shape := c.arg(0).shape
	x := c.x(0) // [B, heads, length, size]
	if len(shape) == 3 {
		x = c.heads(0, "num_heads")
	}
	s := dims(x)
	size := c.intAttr("rotary_embedding_dim", 0)
	if size == 0 {
		size = s[3]
	}
	half := size / 2
	table := func(i int) *graph.Node {
		t := c.x(i)
		if c.has(3) {
			at := nonNegative(c.x(3), dims(t)[0])
			t = reshape(graph.Gather(t, reshape(at, product(dims(at)), 1)), s[0], s[2], half)
		}
		return reshape(t, s[0], 1, s[2], half)
	}
	cos, sin := table(1), table(2)
	turned, rest := cut(x, 3, 0, size, 1), []*graph.Node{}
	if size < s[3] {
		rest = append(rest, cut(x, 3, size, s[3], 1))
	}
	interleaved := c.intAttr("interleaved", 0) == 1
	var first, second *graph.Node
	if interleaved {
		pairs := reshape(turned, s[0], s[1], s[2], half, 2)
		first, second = reshape(cut(pairs, 4, 0, 1, 1), s[0], s[1], s[2], half), reshape(cut(pairs, 4, 1, 2, 1), s[0], s[1], s[2], half)
	} else {
		first, second = cut(turned, 3, 0, half, 1), cut(turned, 3, half, size, 1)
	}
	re := graph.Sub(graph.Mul(cos, first), graph.Mul(sin, second))
	im := graph.Add(graph.Mul(sin, first), graph.Mul(cos, second))
	if interleaved {
		wide := []int{s[0], s[1], s[2], half, 1}
		turned = reshape(graph.Concatenate([]*graph.Node{reshape(re, wide...), reshape(im, wide...)}, 4), s[0], s[1], s[2], size)
	} else {
		turned = graph.Concatenate([]*graph.Node{re, im}, 3)
	}
	if len(rest) > 0 {
		turned = graph.Concatenate([]*graph.Node{turned, rest[0]}, 3)
	}
	if len(shape) == 3 {
		turned = reshape(permute(turned, 0, 2, 1, 3), shape...)
	}
	return c.out(turned)
}

// opSwiGLU is SwiGLU: the swish of the first input times the second.
func opSwiGLU(c *call) []*value {
	x := c.x(0)
	gate := graph.Mul(x, graph.Sigmoid(graph.MulScalar(x, c.floatAttr("alpha", 1))))
	return c.out(graph.Mul(gate, c.x(1)))
}
