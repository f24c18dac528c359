package convert

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// transposed reorders axes on the host.
func (h *host) transposed(perm []int) *host {
	shape := make([]int, len(perm))
	st := strides(h.shape)
	for i, p := range perm {
		shape[i] = h.shape[p]
	}
	at := make([]int, h.len())
	walk(shape, func(flat int, index []int) {
		for i, p := range perm {
			at[flat] += index[i] * st[p]
		}
	})
	return h.pick(shape, at)
}

// taken picks positions of one axis on the host.
func (h *host) taken(a int, picks []int) *host {
	shape := slices.Clone(h.shape)
	shape[a] = len(picks)
	st := strides(h.shape)
	at := make([]int, product(shape))
	walk(shape, func(flat int, index []int) {
		for i, p := range index {
			if i == a {
				p = picks[p]
			}
			at[flat] += p * st[i]
		}
	})
	return h.pick(shape, at)
}

// opShape is Shape; start and end take a part.
func opShape(c *call) []*value {
	s := c.arg(0).shape
	start, end := c.intAttr("start", 0), c.intAttr("end", len(s))
	clamp := func(i int) int {
		if i < 0 {
			i += len(s)
		}
		return clampInt(i, 0, len(s))
	}
	start, end = clamp(start), clamp(end)
	h := &host{dtype: onnx.Int64, ints: []int64{}}
	for i := start; i < end; i++ {
		h.ints = append(h.ints, int64(s[i]))
	}
	h.shape = []int{len(h.ints)}
	return []*value{hostValue(h)}
}

func opSize(c *call) []*value {
	return []*value{hostValue(&host{dtype: onnx.Int64, ints: []int64{int64(product(c.arg(0).shape))}})}
}

// moved changes the shape of a value and leaves its elements where they are.
func (c *call) moved(shape []int) []*value {
	v := c.arg(0)
	if product(shape) != product(v.shape) {
		fail("an array of shape %v has no shape %v", v.shape, shape)
	}
	if v.host != nil {
		return []*value{hostValue(v.host.reshaped(shape))}
	}
	out := c.out(reshape(c.x(0), shape...))
	if v.hint != nil {
		out[0].hint = v.hint.reshaped(shape)
	}
	return out
}

// opReshape is Reshape: 0 keeps a size (unless allowzero), -1 is what remains.
func opReshape(c *call) []*value {
	var want []int
	if c.has(1) {
		want = c.ints(1, "the new shape")
	} else {
		want = c.intsAttr("shape")
	}
	in := c.arg(0).shape
	shape := slices.Clone(want)
	open := -1
	for i, d := range shape {
		if d == 0 && c.intAttr("allowzero", 0) == 0 {
			if i >= len(in) {
				fail("shape %v copies axis %d of %v", want, i, in)
			}
			shape[i] = in[i]
		}
		if d == -1 {
			open = i
		}
	}
	if open >= 0 {
		shape[open] = 1
		rest := product(shape)
		if rest == 0 || product(in)%rest != 0 {
			fail("an array of shape %v has no shape %v", in, want)
		}
		shape[open] = product(in) / rest
	}
	return c.moved(shape)
}

func opFlatten(c *call) []*value {
	in := c.arg(0).shape
	a := c.intAttr("axis", 1)
	if a < 0 {
		a += len(in)
	}
	if a < 0 || a > len(in) {
		fail("axis %d does not exist in %d axes", a, len(in))
	}
	return c.moved([]int{product(in[:a]), product(in[a:])})
}

func opSqueeze(c *call) []*value {
	in := c.arg(0).shape
	list, given := c.axesArg(1)
	if given {
		list = axes(list, len(in))
	}
	var shape []int
	for a, d := range in {
		drop := d == 1
		if given {
			drop = slices.Contains(list, a)
		}
		if !drop {
			shape = append(shape, d)
		} else if d != 1 {
			fail("axis %d of size %d cannot be squeezed", a, d)
		}
	}
	return c.moved(shape)
}

func opUnsqueeze(c *call) []*value {
	in := c.arg(0).shape
	list, _ := c.axesArg(1)
	list = axes(list, len(in)+len(list))
	shape := slices.Clone(in)
	for _, a := range list {
		shape = slices.Insert(shape, a, 1)
	}
	return c.moved(shape)
}

func (c *call) perm() []int {
	perm := c.intsAttr("perm")
	rank := c.arg(0).rank()
	if len(perm) == 0 {
		for a := rank - 1; a >= 0; a-- {
			perm = append(perm, a)
		}
	}
	if len(perm) != rank || len(axes(perm, rank)) != rank {
		fail("perm %v does not order %d axes", perm, rank)
	}
	return axesInOrder(perm, rank)
}

func opTranspose(c *call) []*value {
	if c.arg(0).rank() == 0 {
		return c.out(c.x(0))
	}
	return c.out(permute(c.x(0), c.perm()...))
}

func foldTranspose(c *call) []*host { return []*host{c.in[0].host.transposed(c.perm())} }

// expandShape is the shape of Expand: the input's and the wanted one broadcast together.
func (c *call) expandShape() []int {
	return broadcastShape(c.arg(0).shape, c.ints(1, "the new shape"))
}

func opExpand(c *call) []*value { return c.out(broadcast(c.x(0), c.expandShape())) }

func foldExpand(c *call) []*host {
	shape := c.expandShape()
	if product(shape) > maxFold {
		return nil
	}
	return []*host{c.in[0].host.expand(shape)}
}

// maxFold bounds the constants that grow by folding; larger ones are made in the graph.
const maxFold = 1 << 20

// positive fails for a number below zero.
func positive(n int, what string) {
	if n < 0 {
		fail("%s: want no negative number, got %d", what, n)
	}
}

func opTile(c *call) []*value {
	x := c.x(0)
	n := c.ints(1, "the repeats of a tile")
	if len(n) != x.Rank() {
		fail("repeats %v do not fit %d axes", n, x.Rank())
	}
	for _, r := range n {
		positive(r, "a repeat of a tile")
	}
	shape := dims(x)
	var wide, once []int
	for a, d := range shape {
		once = append(once, 1, d)
		wide = append(wide, n[a], d)
		shape[a] *= n[a]
	}
	return c.out(reshape(graph.BroadcastToDims(reshape(x, once...), wide...), shape...))
}

func foldTile(c *call) []*host {
	h := c.in[0].host
	list := c.ints(1, "the repeats of a tile")
	if len(list) != len(h.shape) {
		fail("repeats %v do not fit %d axes", list, len(h.shape))
	}
	for a, n := range list {
		var picks []int
		positive(n, "a repeat of a tile")
		countable(n)
		countable(n * h.shape[a])
		for range n {
			for i := range h.shape[a] {
				picks = append(picks, i)
			}
		}
		h = h.taken(a, picks)
	}
	return []*host{h}
}

// opDepthToSpace is DepthToSpace in both orders of the channels (DCR, CRD).
func opDepthToSpace(c *call) []*value {
	x := c.x(0)
	b := c.intAttr("blocksize", 1)
	s := dims(x)
	if len(s) != 4 || s[1]%(b*b) != 0 {
		fail("an array of shape %v has no blocks of %d", s, b)
	}
	depth := s[1] / (b * b)
	if c.stringAttr("mode", "DCR") == "CRD" {
		x = permute(reshape(x, s[0], depth, b, b, s[2], s[3]), 0, 1, 4, 2, 5, 3)
	} else {
		x = permute(reshape(x, s[0], b, b, depth, s[2], s[3]), 0, 3, 4, 1, 5, 2)
	}
	return c.out(reshape(x, s[0], depth, s[2]*b, s[3]*b))
}

func opSpaceToDepth(c *call) []*value {
	x := c.x(0)
	b := c.intAttr("blocksize", 1)
	s := dims(x)
	if len(s) != 4 || s[2]%b != 0 || s[3]%b != 0 {
		fail("an array of shape %v has no blocks of %d", s, b)
	}
	x = permute(reshape(x, s[0], s[1], s[2]/b, b, s[3]/b, b), 0, 3, 5, 1, 2, 4)
	return c.out(reshape(x, s[0], s[1]*b*b, s[2]/b, s[3]/b))
}

// opCenterCropPad crops or pads axes around their centre.
func opCenterCropPad(c *call) []*value {
	x := c.x(0)
	want := c.ints(1, "the new shape")
	list := c.intsAttr("axes")
	if list == nil {
		list = rangeOf(0, x.Rank())
	}
	for i, a := range axesInOrder(list, x.Rank()) {
		n := x.Shape().Dimensions[a]
		if want[i] < n {
			from := (n - want[i]) / 2
			x = cut(x, a, from, from+want[i], 1)
			continue
		}
		amounts := make([][2]int, x.Rank())
		before := (want[i] - n) / 2
		amounts[a] = [2]int{before, want[i] - n - before}
		x = pad(x, 0, amounts)
	}
	return c.out(x)
}
