package convert

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// direct returns a call without a node of its own, for operators that are made of others.
func (c *call) direct(in ...*value) *call {
	return &call{builder: c.builder, n: c.n, scope: c.scope, opset: 13, in: in}
}

// element takes one position of an axis and drops the axis.
func (c *call) element(v *value, a, at int) *value {
	shape := slices.Delete(slices.Clone(v.shape), a, a+1)
	if v.host != nil {
		return hostValue(v.host.taken(a, []int{at}).reshaped(shape))
	}
	return c.wrap(v.dtype, reshape(cut(c.node(v), a, at, at+1, 1), shape...))
}

// listAttr returns entry i of a list attribute, 0 where there is none.
func (c *call) listAttr(name string, i int) int {
	if list := c.intsAttr(name); i < len(list) {
		return list[i]
	}
	return 0
}

// opScan is Scan, unrolled. Opset 8 has a batch in front of everything, and lengths as first input.
func opScan(c *call) []*value {
	in, lead := c.in, 0
	if c.opset < 9 {
		if c.has(0) {
			refuse("a Scan over sequences of different lengths is not supported")
		}
		in, lead = in[1:], 1
	}
	a, ok := c.attr("body")
	if !ok || a.G == nil {
		fail("the node has no graph %q", "body")
	}
	n := c.intAttr("num_scan_inputs", 0)
	if n < 1 || n > len(in) || len(a.G.Inputs) != len(in) {
		fail("a Scan over %d of %d inputs", n, len(in))
	}
	if lead == 0 {
		return c.scan(a.G, in[:len(in)-n], in[len(in)-n:])
	}
	// Each element of the batch is a scan of its own.
	var rows [][]*value
	for b := range in[0].shape[0] {
		var one []*value
		for _, v := range in {
			one = append(one, c.element(v, 0, b))
		}
		rows = append(rows, c.scan(a.G, one[:len(in)-n], one[len(in)-n:]))
	}
	out := make([]*value, len(rows[0]))
	for i := range out {
		var list []*value
		for _, r := range rows {
			list = append(list, r[i])
		}
		out[i] = c.stackAt(list, 0)
	}
	return out
}

// scan runs the body over the positions of the scanned inputs.
func (c *call) scan(body *onnx.Graph, states, scanned []*value) []*value {
	steps := -1
	along := make([]int, len(scanned))
	for i, v := range scanned {
		along[i] = axis(c.listAttr("scan_input_axes", i), v.rank())
		if n := v.shape[along[i]]; steps < 0 || n == steps {
			steps = n
		} else {
			fail("the inputs of a Scan have %d and %d steps", steps, n)
		}
	}
	if steps > maxTurns || steps < 1 {
		refuse("a Scan of %d steps is not unrolled (1 to %d are)", steps, maxTurns)
	}
	inputs := "directions"
	if c.opset >= 9 {
		inputs = "scan_input_directions"
	}
	states = slices.Clone(states)
	outs := make([][]*value, len(body.Outputs)-len(states))
	for t := range steps {
		bind := map[string]*value{}
		for i, v := range states {
			bind[body.Inputs[i].Name] = v
		}
		for i, v := range scanned {
			at := t
			if c.listAttr(inputs, i) == 1 {
				at = steps - 1 - t
			}
			bind[body.Inputs[len(states)+i].Name] = c.element(v, along[i], at)
		}
		got := c.subgraph("body", bind)
		copy(states, got)
		for i := range outs {
			outs[i] = append(outs[i], got[len(states)+i])
		}
	}
	for i, list := range outs {
		if c.listAttr("scan_output_directions", i) == 1 {
			slices.Reverse(list)
		}
		states = append(states, c.stackAt(list, axis(c.listAttr("scan_output_axes", i), list[0].rank()+1)))
	}
	return states
}

// stackAt joins values along a new axis.
func (c *call) stackAt(list []*value, a int) *value {
	sub := &call{builder: c.builder, n: concatNode(a), scope: c.scope, opset: 13}
	for _, v := range list {
		sub.in = append(sub.in, c.direct(v).moved(slices.Insert(slices.Clone(v.shape), a, 1))[0])
	}
	return sub.concat()
}

// opSequenceMap runs a graph on every element of a sequence.
func opSequenceMap(c *call) []*value {
	a, ok := c.attr("body")
	if !ok || a.G == nil {
		fail("the node has no graph %q", "body")
	}
	out := make([]*value, len(a.G.Outputs))
	for i := range out {
		out[i] = &value{isList: true}
	}
	for t := range c.listArg() {
		bind := map[string]*value{}
		for i, v := range c.in {
			if v.isList {
				if t >= len(v.list) {
					fail("the sequences of a SequenceMap differ in length")
				}
				v = v.list[t]
			}
			bind[a.G.Inputs[i].Name] = v
		}
		for i, v := range c.subgraph("body", bind) {
			out[i].list = append(out[i].list, v)
		}
	}
	return out
}

// opOptional wraps a value, or nothing.
func opOptional(c *call) []*value {
	if c.has(0) {
		return []*value{c.arg(0)}
	}
	return []*value{{none: true}}
}

func opOptionalHasElement(c *call) []*value {
	h := newHost(onnx.Bool, nil)
	h.ints[0] = truth(c.has(0) && !c.arg(0).none)
	return []*value{hostValue(h)}
}

func opOptionalGetElement(c *call) []*value {
	if c.arg(0).none {
		fail("the optional holds nothing")
	}
	return []*value{c.arg(0)}
}

// gatherRows takes rows of a matrix [n, size] at positions in the graph, of any shape.
func gatherRows(x, at *graph.Node) *graph.Node {
	y := graph.Gather(x, reshape(at, product(dims(at)), 1))
	return reshape(y, append(dims(at), dims(x)[1])...)
}
