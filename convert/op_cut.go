package convert

import (
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

func (c *call) concatAxis() int {
	return axis(c.intAttr("axis", 1), c.arg(0).rank())
}

func opConcat(c *call) []*value {
	a := c.concatAxis()
	var parts []*graph.Node
	for i := range c.in {
		if c.arg(i).shape[a] > 0 {
			parts = append(parts, c.x(i))
		}
	}
	if len(parts) == 1 {
		return c.out(parts[0])
	}
	return c.out(graph.Concatenate(parts, a))
}

func foldConcat(c *call) []*host {
	a := c.concatAxis()
	shape := slices.Clone(c.in[0].shape)
	shape[a] = 0
	for _, v := range c.in {
		if len(v.shape) != len(shape) {
			fail("arrays of shapes %v and %v cannot be joined", c.in[0].shape, v.shape)
		}
		shape[a] += v.shape[a]
	}
	out := newHost(c.in[0].dtype, shape)
	outer := product(shape[:a])
	at := 0
	for o := range outer {
		for _, v := range c.in {
			n := product(v.shape[a:])
			for i := range n {
				if isReal(out.dtype) {
					out.floats[at] = v.host.floats[o*n+i]
				} else {
					out.ints[at] = v.host.ints[o*n+i]
				}
				at++
			}
		}
	}
	return []*host{out}
}

// splitSizes returns the axis and the sizes of the parts of a Split.
func (c *call) splitSizes() (int, []int) {
	a := axis(c.intAttr("axis", 0), c.arg(0).rank())
	n := c.arg(0).shape[a]
	sizes := c.intsAttr("split")
	if c.has(1) {
		sizes = c.ints(1, "the sizes of a split")
	}
	if len(sizes) == 0 {
		parts := c.intAttr("num_outputs", len(c.n.Outputs))
		if parts < 1 || parts > len(c.n.Outputs) {
			fail("%d parts for %d outputs", parts, len(c.n.Outputs))
		}
		each := ceilDiv(n, parts)
		for left := n; len(sizes) < parts; left -= each {
			sizes = append(sizes, max(0, min(each, left)))
		}
	}
	total := 0
	for _, s := range sizes {
		if s < 0 || s > n {
			fail("parts of sizes %v do not make up %d", sizes, n)
		}
		total += s
	}
	if total != n {
		fail("parts of sizes %v do not make up %d", sizes, n)
	}
	return a, sizes
}

func opSplit(c *call) []*value {
	a, sizes := c.splitSizes()
	x := c.x(0)
	var out []*value
	from := 0
	for _, s := range sizes {
		out = append(out, c.out(cut(x, a, from, from+s, 1))...)
		from += s
	}
	return out
}

func foldSplit(c *call) []*host {
	a, sizes := c.splitSizes()
	var out []*host
	from := 0
	for _, s := range sizes {
		out = append(out, c.in[0].host.taken(a, rangeOf(from, from+s)))
		from += s
	}
	return out
}

// rangeOf lists from..to-1.
func rangeOf(from, to int) []int {
	countable(to - from)
	out := []int{}
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

// cutRange is a part of an axis: count positions from start, step apart.
type cutRange struct{ axis, start, step, count int }

// cuts reads Slice: attributes before opset 10, inputs later; ends far away mean the end of the axis.
func (c *call) cuts() []cutRange {
	shape := c.arg(0).shape
	var starts, ends, list, steps []int
	if c.opset < 10 {
		starts, ends, list = c.intsAttr("starts"), c.intsAttr("ends"), c.intsAttr("axes")
	} else {
		starts, ends = c.ints(1, "the starts of a slice"), c.ints(2, "the ends of a slice")
		if c.has(3) {
			list = c.ints(3, "the axes of a slice")
		}
		if c.has(4) {
			steps = c.ints(4, "the steps of a slice")
		}
	}
	if list == nil {
		list = rangeOf(0, len(starts))
	}
	if len(ends) != len(starts) || len(list) != len(starts) || steps != nil && len(steps) != len(starts) {
		fail("starts, ends, axes and steps of a slice differ in number")
	}
	var out []cutRange
	for i := range starts {
		a, step := axis(list[i], len(shape)), 1
		if steps != nil {
			step = steps[i]
		}
		out = append(out, cutOf(a, starts[i], ends[i], step, shape[a]))
	}
	return out
}

// cutOf resolves negative and far positions as ONNX's Slice does.
func cutOf(a, start, end, step, n int) cutRange {
	if step == 0 {
		fail("the step of a slice is 0")
	}
	if start < 0 {
		start += n
	}
	if end < 0 {
		end = max(end, math.MinInt+n) + n
	}
	if step > 0 {
		start, end = clampInt(start, 0, n), clampInt(end, 0, n)
		return cutRange{a, start, step, max(0, ceilDiv(end-start, step))}
	}
	start, end = clampInt(start, 0, n-1), clampInt(end, -1, n-1)
	return cutRange{a, start, step, max(0, ceilDiv(start-end, -step))}
}

func opSlice(c *call) []*value {
	x := c.x(0)
	for _, r := range c.cuts() {
		if r.count == 0 {
			shape := dims(c.x(0))
			for _, r := range c.cuts() {
				shape[r.axis] = r.count
			}
			return []*value{hostValue(newHost(c.arg(0).dtype, shape))}
		}
		last := r.start + (r.count-1)*r.step
		if r.step > 0 {
			x = cut(x, r.axis, r.start, last+1, r.step)
		} else {
			x = graph.Reverse(cut(x, r.axis, last, r.start+1, -r.step), r.axis)
		}
	}
	return c.out(x)
}

func foldSlice(c *call) []*host {
	h := c.in[0].host
	for _, r := range c.cuts() {
		picks := make([]int, r.count)
		for i := range picks {
			picks[i] = r.start + i*r.step
		}
		h = h.taken(r.axis, picks)
	}
	return []*host{h}
}
