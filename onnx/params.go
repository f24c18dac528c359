package onnx

import (
	"cmp"
	"slices"
)

// Params returns every initializer of the main graph, and every Constant node with floating point numbers,
// with what it is used for: by the slots that its values reach, not by its name. Initializers come in the
// file's order, Constant nodes behind them. Values are read only where they decide: shared tensors,
// InstanceNormalization, and arrays that may be masks.
func Params(m *Model) []Param {
	w := newWiring(m.graph)
	var out []Param
	for _, i := range m.graph.Initializers {
		out = append(out, w.param(i.Name, i.Tensor, InInitializer))
	}
	for _, n := range m.graph.Nodes {
		if t, ok := n.ConstantValue(); ok && t.dtype.Float() && n.Output(0) != "" {
			out = append(out, w.param(n.Output(0), t, InConstant))
		}
	}
	w.nameBiases(out)
	fresh := untrained(out)
	for i := range out {
		out[i].Tie = tie(&out[i], fresh)
	}
	return out
}

// untrained reports whether a scale or bias that trains still has the value that frameworks start with.
func untrained(params []Param) bool {
	return slices.ContainsFunc(params, func(p Param) bool {
		if !p.Trainable || p.Tensor.Len() < 2 || p.Role != NormScale && p.Role != NormBias && p.Role != LinearBias {
			return false
		}
		v, equal := uniform(p.Tensor)
		return equal && (v == 0 || v == 1)
	})
}

// use is one input of a node.
type use struct {
	node  *Node
	input int
}

// wiring answers who makes and who uses a value of a graph.
type wiring struct {
	g       *Graph
	uses    map[string][]use
	maker   map[string]*Node
	stored  map[string]*Tensor // initializers and Constant nodes
	inputs  map[string]bool
	outputs map[string]bool
	inner   map[string]bool // values that subgraphs use
	place   map[*Node]int
	quiet   map[string]bool // values without activations: see stillness
}

func newWiring(g *Graph) *wiring {
	w := &wiring{
		g: g, uses: map[string][]use{}, maker: map[string]*Node{}, stored: map[string]*Tensor{},
		inputs: map[string]bool{}, outputs: map[string]bool{}, inner: map[string]bool{}, place: make(map[*Node]int, len(g.Nodes)),
		quiet: map[string]bool{},
	}
	for _, v := range g.Inputs {
		w.inputs[v.Name] = true
	}
	for _, v := range g.Outputs {
		w.outputs[v.Name] = true
	}
	for _, i := range g.Initializers {
		w.stored[i.Name] = i.Tensor
	}
	for i, n := range g.Nodes {
		w.place[n] = i
		for k, in := range n.Inputs {
			w.uses[in] = append(w.uses[in], use{n, k})
		}
		for _, o := range n.Outputs {
			w.maker[o] = n
		}
		if t, ok := n.ConstantValue(); ok {
			w.stored[n.Output(0)] = t
		}
		for _, s := range n.Subgraphs() {
			eachOuterUse(s, func(name string) { w.inner[name] = true })
		}
	}
	return w
}

// passes reports whether a node hands on the values of its first input, in another shape, order or type.
func passes(n *Node) bool {
	if !n.StandardDomain() {
		return false
	}
	switch n.OpType {
	case "Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "DequantizeLinear":
		return true
	}
	return false
}

// origin follows a value back through nodes that pass values on. It returns the name of the stored tensor
// and the nodes from it to the value; ok is false when the value is computed.
func (w *wiring) origin(value string) (name string, chain []*Node, ok bool) {
	for range longChain {
		if _, ok := w.stored[value]; ok {
			slices.Reverse(chain)
			return value, chain, true
		}
		n := w.maker[value]
		if n == nil || !passes(n) {
			return "", nil, false
		}
		chain = append(chain, n)
		value = n.Input(0)
	}
	return "", nil, false
}

// constant reports whether a value comes from stored tensors through nodes that pass values on.
func (w *wiring) constant(value string) bool {
	_, _, ok := w.origin(value)
	return ok
}

// longChain is more nodes between a stored tensor and its use than any exporter writes.
const longChain = 64

// slots returns the uses that a stored tensor reaches, in the order of the graph.
func (w *wiring) slots(name string, t *Tensor) []Slot {
	var out []Slot
	seen := map[string]bool{}
	var walk func(value string, chain []*Node)
	walk = func(value string, chain []*Node) {
		if seen[value] || len(chain) > longChain {
			return
		}
		seen[value] = true
		for _, u := range w.uses[value] {
			if passes(u.node) && u.input == 0 {
				for _, o := range u.node.Outputs {
					walk(o, append(slices.Clone(chain), u.node))
				}
				continue
			}
			role, reason := w.roleOf(u, name, t)
			out = append(out, Slot{
				Node: u.node, Input: u.input, Role: role, Chain: chain, Reason: reason,
				Alias: slotAlias(u.node, role, chain),
			})
		}
	}
	walk(name, nil)
	slices.SortStableFunc(out, func(a, b Slot) int { return cmp.Compare(w.place[a.Node], w.place[b.Node]) })
	return out
}

func (w *wiring) param(name string, t *Tensor, where Storage) Param {
	p := Param{Name: name, Alias: name, Role: Constant, Storage: where, Tensor: t}
	p.External = t.from != nil && t.from.external
	p.Slots = w.slots(name, t)
	carryName(name, p.Slots)
	w.judge(&p)
	p.Alias = alias(&p)
	p.Named = sourceName(name) && where == InInitializer
	return p
}

// judge sets the role, whether it trains, and the tie.
func (w *wiring) judge(p *Param) {
	first := -1
	for i, s := range p.Slots {
		if s.Role != Constant && (first < 0 || p.Slots[first].Reason != "" && s.Reason == "") {
			first = i
		}
	}
	if first < 0 {
		for i := range p.Slots {
			first = min(max(first, 0), i)
		}
	}
	if first >= 0 {
		p.Role, p.Reason = p.Slots[first].Role, p.Slots[first].Reason
	}
	p.Trainable = p.Reason == ""
	switch {
	case w.inner[p.Name]:
		p.stop("used inside a subgraph")
	case len(p.Slots) == 0 && w.outputs[p.Name]:
		p.stop("it is an output itself")
	case len(p.Slots) == 0:
		p.stop("nothing uses it")
	}
	if quantized(p) {
		p.stop("quantized: fine-tune the float model and quantize again")
	} else if !p.Tensor.dtype.Float() {
		p.Role = Constant
		p.stop(p.Tensor.dtype.String() + " never trains")
	}
}

func (p *Param) stop(reason string) { p.Trainable, p.Reason = false, reason }

func quantized(p *Param) bool {
	for _, s := range p.Slots {
		for _, n := range s.Chain {
			if n.OpType == "DequantizeLinear" {
				return true
			}
		}
	}
	return false
}

// uniform returns the value that all elements have, false when they differ or cannot be read.
func uniform(t *Tensor) (float32, bool) {
	v, err := t.Float32()
	if err != nil || len(v) == 0 {
		return 0, false
	}
	for _, x := range v[1:] {
		if x != v[0] {
			return 0, false
		}
	}
	return v[0], true
}
