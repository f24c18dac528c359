package convert

import (
	"math"
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

func opTile(c *call) []*value {
	x := c.x(0)
	n := c.ints(1, "the repeats of a tile")
	if len(n) != x.Rank() {
		fail("repeats %v do not fit %d axes", n, x.Rank())
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
	for a, n := range c.ints(1, "the repeats of a tile") {
		var picks []int
		for range n {
			for i := range h.shape[a] {
				picks = append(picks, i)
			}
		}
		h = h.taken(a, picks)
	}
	return []*host{h}
}

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
				if isFloat(out.dtype) {
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
		each := ceilDiv(n, parts)
		for left := n; len(sizes) < parts; left -= each {
			sizes = append(sizes, max(0, min(each, left)))
		}
	}
	total := 0
	for _, s := range sizes {
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
			refuse("the slice is empty")
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

// opIdentity passes a value on; it stays the same parameter.
func opIdentity(c *call) []*value { return []*value{c.arg(0)} }

// opConstant is Constant. A parameter that a Constant node holds was put into scope before.
func opConstant(c *call) []*value {
	if v, ok := c.scope.values[c.n.Outputs[0]]; ok {
		return []*value{v}
	}
	n := *c.n
	n.Attrs = nil
	for _, a := range c.n.Attrs {
		if r, ok := c.attr(a.Name); ok {
			r.Name = a.Name
			n.Attrs = append(n.Attrs, r)
		}
	}
	t, ok := n.ConstantValue()
	if !ok {
		refuse("the constant has no dense value")
	}
	h, err := hostTensor(t)
	if err != nil {
		refuse("constants of type %v are not supported", t.DType())
	}
	return []*value{hostValue(h)}
}

func foldConstantOfShape(c *call) []*host {
	fill := &host{dtype: onnx.Float32, shape: []int{1}, floats: []float64{0}}
	if a, ok := c.attr("value"); ok && a.T != nil {
		h, err := hostTensor(a.T)
		if err != nil {
			failWith(err)
		}
		fill = h
	}
	shape := c.ints(0, "the shape")
	return []*host{fill.reshaped(nil).expand(shape)}
}

func foldRange(c *call) []*host {
	start, limit, step := c.in[0].host, c.in[1].host.at(0), c.in[2].host.at(0)
	n := max(0, int(math.Ceil((limit-start.at(0))/step)))
	out := newHost(start.dtype, []int{n})
	for i := range n {
		out.set(i, start.at(0)+float64(i)*step)
	}
	return []*host{out}
}

func foldEyeLike(c *call) []*host {
	shape := c.arg(0).shape
	dtype := onnx.DType(c.intAttr("dtype", int(c.arg(0).dtype)))
	out := newHost(dtype, shape)
	k := c.intAttr("k", 0)
	for i := range shape[0] {
		if j := i + k; j >= 0 && j < shape[1] {
			out.set(i*shape[1]+j, 1)
		}
	}
	return []*host{out}
}

func opEyeLike(c *call) []*value { return []*value{hostValue(foldEyeLike(c)[0])} }

// opTrilu keeps the upper or lower triangle of matrices.
func opTrilu(c *call) []*value {
	x := c.x(0)
	s := dims(x)
	rows, cols := s[len(s)-2], s[len(s)-1]
	k := 0
	if c.has(1) {
		k = c.ints(1, "the diagonal")[0]
	}
	mask := newHost(onnx.Bool, []int{rows, cols})
	upper := c.intAttr("upper", 1) == 1
	for i := range rows {
		for j := range cols {
			mask.ints[i*cols+j] = truth(upper && j-i >= k || !upper && j-i <= k)
		}
	}
	m := broadcast(constant(x.Graph(), mask, c.goType(onnx.Bool)), s)
	return c.out(graph.Where(m, x, zerosLike(x, s...)))
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
