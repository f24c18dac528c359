package convert

import (
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// subgraph builds a graph attribute in a scope inside the node's.
func (c *call) subgraph(name string, bind map[string]*value) []*value {
	a, ok := c.attr(name)
	if !ok || a.G == nil {
		fail("the node has no graph %q", name)
	}
	s := c.scope.inner(c.n, bind)
	s.outer = c.scope
	for _, i := range a.G.Initializers {
		h, err := hostTensor(i.Tensor)
		if err != nil {
			refuse("initializer %q of type %v is not supported", i.Name, i.Tensor.DType())
		}
		s.values[i.Name] = hostValue(h)
	}
	nodes, _, err := sorted(a.G)
	if err != nil {
		failWith(err)
	}
	c.run(nodes, s)
	out := make([]*value, len(a.G.Outputs))
	for i, o := range a.G.Outputs {
		v, ok := s.lookup(o.Name)
		if !ok {
			fail("the graph %q has no value for its output %q", name, o.Name)
		}
		if v.missing {
			failWith(errMissing)
		}
		out[i] = v
	}
	return out
}

// opIf is If with a condition that is known for the given input shapes.
func opIf(c *call) []*value {
	branch := "else_branch"
	if c.number(0, "the condition of an If") != 0 {
		branch = "then_branch"
	}
	return c.subgraph(branch, map[string]*value{})
}

// opLoop is Loop, unrolled: the number of turns and the conditions must be known for the given input shapes.
func opLoop(c *call) []*value {
	turns := maxTurns
	if c.has(0) {
		turns = c.ints(0, "the number of turns of a Loop")[0]
	}
	going := true
	if c.has(1) {
		going = c.number(1, "the condition of a Loop") != 0
	}
	a, ok := c.attr("body")
	if !ok || a.G == nil {
		fail("the loop has no body")
	}
	body := a.G
	carried := slices.Clone(c.in[2:])
	scans := make([][]*value, len(body.Outputs)-1-len(carried))
	for turn := 0; turn < turns && going; turn++ {
		if turn >= maxTurns {
			refuse("the loop runs more than %d times", maxTurns)
		}
		bind := map[string]*value{}
		number := newHost(onnx.Int64, nil)
		number.ints[0] = int64(turn)
		bind[body.Inputs[0].Name] = hostValue(number)
		yes := newHost(onnx.Bool, nil)
		yes.ints[0] = 1
		bind[body.Inputs[1].Name] = hostValue(yes)
		for i, v := range carried {
			bind[body.Inputs[2+i].Name] = v
		}
		out := c.subgraph("body", bind)
		cond, ok := out[0].known()
		if !ok {
			refuse("the condition of a Loop must be a constant for the given input shapes")
		}
		going = cond.at(0) != 0
		copy(carried, out[1:])
		for i := range scans {
			scans[i] = append(scans[i], out[1+len(carried)+i])
		}
	}
	for _, s := range scans {
		carried = append(carried, c.stack(s))
	}
	return carried
}

// maxTurns bounds the unrolling of a loop.
const maxTurns = 1024

// stack joins values along a new first axis.
func (c *call) stack(list []*value) *value {
	if len(list) == 0 {
		refuse("the loop collects nothing")
	}
	return c.stackAt(list, 0)
}

// concatNode is a Concat along an axis.
func concatNode(axis int) *onnx.Node {
	return &onnx.Node{OpType: "Concat", Attrs: []onnx.Attr{onnx.IntAttr("axis", int64(axis))}}
}

// concat joins the inputs on the host if they are constants, in the graph otherwise.
func (c *call) concat() *value {
	if c.constant() {
		return hostValue(foldConcat(c)[0])
	}
	return opConcat(c)[0]
}

func opSequenceEmpty(*call) []*value { return []*value{{isList: true}} }

func opSequenceConstruct(c *call) []*value { return []*value{{isList: true, list: slices.Clone(c.in)}} }

// listArg is the first input, which must be a sequence.
func (c *call) listArg() []*value {
	v := c.arg(0)
	if !v.isList {
		fail("input 0 is not a sequence")
	}
	return v.list
}

// position reads an index into a list; absent means the end.
func (c *call) position(i, n, absent int) int {
	if !c.has(i) {
		return absent
	}
	p := c.ints(i, "the position in a sequence")[0]
	if p < 0 {
		p += n
	}
	if p < 0 || p > n {
		fail("position %d lies outside a sequence of %d", p, n)
	}
	return p
}

func opSequenceAt(c *call) []*value {
	list := c.listArg()
	p := c.position(1, len(list), 0)
	if p >= len(list) {
		fail("position %d lies outside a sequence of %d", p, len(list))
	}
	return []*value{list[p]}
}

func opSequenceInsert(c *call) []*value {
	list := c.listArg()
	return []*value{{isList: true, list: slices.Insert(slices.Clone(list), c.position(2, len(list), len(list)), c.arg(1))}}
}

func opSequenceErase(c *call) []*value {
	list := c.listArg()
	p := c.position(1, len(list), len(list)-1)
	return []*value{{isList: true, list: slices.Delete(slices.Clone(list), p, p+1)}}
}

func opSequenceLength(c *call) []*value {
	h := newHost(onnx.Int64, nil)
	h.ints[0] = int64(len(c.listArg()))
	return []*value{hostValue(h)}
}

// opConcatFromSequence joins the elements along an axis, a new one with new_axis=1.
func opConcatFromSequence(c *call) []*value {
	list := c.listArg()
	if len(list) == 0 {
		fail("an empty sequence cannot be joined")
	}
	a := c.intAttr("axis", 0)
	sub := &call{builder: c.builder, scope: c.scope, opset: 13}
	fresh := c.intAttr("new_axis", 0) == 1
	for _, v := range list {
		if fresh {
			one := &call{builder: c.builder, n: c.n, scope: c.scope, opset: 13, in: []*value{v}}
			v = one.moved(slices.Insert(slices.Clone(v.shape), axis(a, v.rank()+1), 1))[0]
		}
		sub.in = append(sub.in, v)
	}
	sub.n = concatNode(axis(a, sub.in[0].rank()))
	return []*value{sub.concat()}
}

// opSplitToSequence cuts an array into a sequence.
func opSplitToSequence(c *call) []*value {
	a := axis(c.intAttr("axis", 0), c.arg(0).rank())
	n := c.arg(0).shape[a]
	var sizes []int
	squeeze := false
	switch {
	case !c.has(1):
		sizes = ones(n)
		squeeze = c.intAttr("keepdims", 1) == 0
	case c.arg(1).rank() == 0:
		each := c.ints(1, "the sizes of a split")[0]
		if each < 1 {
			fail("parts of size %d do not make up %d", each, n)
		}
		for left := n; left > 0; left -= each {
			sizes = append(sizes, min(each, left))
		}
	default:
		sizes = c.ints(1, "the sizes of a split")
	}
	out := &value{isList: true}
	if len(sizes) > maxTurns {
		refuse("a sequence of %d parts is too long", len(sizes))
	}
	from := 0
	for _, s := range sizes {
		var v *value
		if h := c.arg(0).host; h != nil {
			v = hostValue(h.taken(a, rangeOf(from, from+s)))
		} else {
			v = c.out(cut(c.x(0), a, from, from+s, 1))[0]
		}
		if squeeze {
			one := &call{builder: c.builder, n: c.n, scope: c.scope, opset: 13, in: []*value{v}}
			v = one.moved(slices.Delete(slices.Clone(v.shape), a, a+1))[0]
		}
		out.list = append(out.list, v)
		from += s
	}
	return []*value{out}
}
