package edit

import (
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// links answers who makes and who uses the values of a graph.
type links struct {
	m      *onnx.Model
	g      *onnx.Graph
	maker  map[string]*onnx.Node
	uses   map[string][]slot
	stored map[string]*onnx.Tensor // initializers and the values of Constant nodes
	inner  map[string]bool         // values that subgraphs use
	shapes map[string][]int        // declared shapes
}

// slot is one input of a node.
type slot struct {
	node  *onnx.Node
	input int
}

func newLinks(m *onnx.Model) *links {
	g := m.Graph()
	l := &links{
		m: m, g: g, maker: map[string]*onnx.Node{}, uses: map[string][]slot{},
		stored: map[string]*onnx.Tensor{}, inner: map[string]bool{}, shapes: map[string][]int{},
	}
	for _, list := range [][]onnx.ValueInfo{g.Values, g.Inputs, g.Outputs} {
		for _, v := range list {
			if v.Shape != nil {
				l.shapes[v.Name] = v.Shape
			}
		}
	}
	for _, i := range g.Initializers {
		l.stored[i.Name] = i.Tensor
	}
	for _, n := range g.Nodes {
		for k, v := range n.Inputs {
			l.uses[v] = append(l.uses[v], slot{n, k})
		}
		for _, o := range n.Outputs {
			l.maker[o] = n
		}
		if t, ok := n.ConstantValue(); ok {
			l.stored[n.Output(0)] = t
		}
		for _, s := range n.Subgraphs() {
			l.eachInner(s)
		}
	}
	return l
}

func (l *links) eachInner(g *onnx.Graph) {
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			l.inner[v] = true
		}
		for _, s := range n.Subgraphs() {
			l.eachInner(s)
		}
	}
	for _, o := range g.Outputs {
		l.inner[o.Name] = true
	}
}

// longChain is more nodes between a stored tensor and its use than any exporter writes.
const longChain = 64

// origin follows a value back to a stored tensor through nodes that hand values on. The chain is in the order
// of the graph.
func (l *links) origin(value string) (name string, chain []*onnx.Node, ok bool) {
	for range longChain {
		if _, ok := l.stored[value]; ok {
			slices.Reverse(chain)
			return value, chain, true
		}
		n := l.maker[value]
		if n == nil || !handsOn(n) {
			return "", nil, false
		}
		chain = append(chain, n)
		value = n.Input(0)
	}
	return "", nil, false
}

func handsOn(n *onnx.Node) bool {
	if !n.StandardDomain() {
		return false
	}
	switch n.OpType {
	case "Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "CastLike", "DequantizeLinear":
		return true
	}
	return false
}

// shape returns what is known of a value's shape, -1 for an unknown size; nil when not even the rank is known.
func (l *links) shape(value string) []int { return l.shapeWithin(value, longChain) }

func (l *links) shapeWithin(value string, steps int) []int {
	if s, ok := l.shapes[value]; ok {
		return s
	}
	if t, ok := l.stored[value]; ok {
		return t.Shape()
	}
	n := l.maker[value]
	if n == nil || steps == 0 {
		return nil
	}
	in := l.shapeWithin(n.Input(0), steps-1)
	switch {
	case unary(n.OpType) && value == n.Output(0):
		return in
	case n.OpType == "Transpose":
		return permuted(in, n.Ints("perm", nil))
	case n.OpType == "Reshape":
		return l.reshaped(n, in)
	case elementwise(n.OpType):
		return l.broadcast(n, steps)
	case n.OpType == "InstanceNormalization", n.OpType == "BatchNormalization" && value == n.Output(0):
		return in
	}
	return l.layerShape(n, steps)
}

// broadcast returns what is known of the shape of an elementwise operator's result.
func (l *links) broadcast(n *onnx.Node, steps int) []int {
	var out []int
	for k, v := range n.Inputs {
		shape := l.shapeWithin(v, steps/2)
		if name, chain, ok := l.origin(v); ok {
			shape = l.chained(l.stored[name].Shape(), chain)
		}
		if shape == nil {
			return nil
		}
		if len(shape) > len(out) {
			shape, out = out, slices.Clone(shape)
		}
		for i, d := range shape {
			at := len(out) - len(shape) + i
			switch {
			case out[at] == 1:
				out[at] = d
			case d != 1 && d != out[at] && k > 0:
				out[at] = -1
			}
		}
	}
	return out
}

// layerShape returns what the weights of a layer tell of its result's shape.
func (l *links) layerShape(n *onnx.Node, steps int) []int {
	weights := func(k int) []int {
		name, chain, ok := l.origin(n.Input(k))
		if !ok {
			return nil
		}
		return l.chained(l.stored[name].Shape(), chain)
	}
	w := weights(1)
	switch {
	case n.OpType == "MatMul":
		if left := weights(0); len(left) >= 2 {
			return replaced(l.shapeWithin(n.Input(1), steps-1), 2, left[len(left)-2])
		}
		if len(w) >= 2 {
			return replaced(l.shapeWithin(n.Input(0), steps-1), 1, w[len(w)-1])
		}
	case len(w) < 2:
	case n.OpType == "Gemm":
		return []int{-1, w[1-n.Int("transB", 0)&1]}
	case n.OpType == "Conv", n.OpType == "ConvTranspose":
		out := slices.Repeat([]int{-1}, len(w))
		out[1] = w[0]
		if n.OpType == "ConvTranspose" {
			out[1] = w[1] * int(max(n.Int("group", 1), 1))
		}
		return out
	}
	return nil
}

// replaced returns a shape with another size, counted from its end.
func replaced(shape []int, fromEnd, size int) []int {
	if len(shape) < fromEnd {
		return nil
	}
	shape = slices.Clone(shape)
	shape[len(shape)-fromEnd] = size
	return shape
}

func permuted(in []int, perm []int64) []int {
	if perm == nil {
		in = slices.Clone(in)
		slices.Reverse(in)
		return in
	}
	out := make([]int, len(perm))
	for i, p := range perm {
		out[i] = -1
		if p >= 0 && int(p) < len(in) {
			out[i] = in[p]
		}
	}
	return out
}

func (l *links) reshaped(n *onnx.Node, in []int) []int {
	list := l.elements(reshapeTarget(n))
	if list == nil {
		return nil
	}
	out := make([]int, len(list))
	for i, e := range list {
		out[i] = -1
		switch {
		case e.known && e.value > 0:
			out[i] = int(e.value)
		case e.known && e.value == 0 && n.Int("allowzero", 0) == 0 && i < len(in):
			out[i] = in[i]
		}
	}
	return out
}

// reshapeTarget is the value with a Reshape's target shape.
func reshapeTarget(n *onnx.Node) string { return n.Input(1) }

// element is one number of a list that a graph computes, and where it is stored.
type element struct {
	value int64
	known bool
	name  string // of the stored tensor
	chain []*onnx.Node
	index int // in it
	user  slot
}

// elements returns the numbers of a one-dimensional list of integers; nil when not even their count is known.
func (l *links) elements(value string) []element { return l.elementsWithin(value, slot{}, longChain) }

func (l *links) elementsWithin(value string, user slot, steps int) []element {
	if name, chain, ok := l.origin(value); ok {
		v, err := l.stored[name].Int64()
		if err != nil {
			return nil
		}
		out := make([]element, len(v))
		for i := range v {
			out[i] = element{value: v[i], known: true, name: name, chain: chain, index: i, user: user}
		}
		return out
	}
	n := l.maker[value]
	if n == nil || steps == 0 {
		return nil
	}
	switch n.OpType {
	case "Concat":
		var out []element
		for k, in := range n.Inputs {
			part := l.elementsWithin(in, slot{n, k}, steps-1)
			if part == nil {
				return nil
			}
			out = append(out, part...)
		}
		return out
	case "Cast", "Identity":
		return l.elementsWithin(n.Input(0), slot{n, 0}, steps-1)
	case "Unsqueeze": // of a computed number
		return []element{{}}
	case "Shape":
		if s := l.shape(n.Input(0)); s != nil && n.Attr("start") == nil && n.Attr("end") == nil {
			return make([]element, len(s))
		}
	case "Gather":
		if t, ok := l.stored[n.Input(1)]; ok && len(t.Shape()) == 1 {
			return make([]element, t.Len())
		}
	case "Slice":
		return l.sliced(n, steps)
	}
	if s := l.shape(value); len(s) == 1 && s[0] >= 0 && s[0] < longChain {
		return make([]element, s[0])
	}
	return nil
}

func (l *links) sliced(n *onnx.Node, steps int) []element {
	list := l.elementsWithin(n.Input(0), slot{n, 0}, steps-1)
	start, okStart := l.numbers(n, "starts", 1)
	end, okEnd := l.numbers(n, "ends", 2)
	if !okStart || !okEnd || len(start) != 1 || len(end) != 1 {
		return nil
	}
	if step, ok := l.numbers(n, "", 4); n.Input(4) != "" && (!ok || len(step) != 1 || step[0] != 1) {
		return nil
	}
	if list == nil { // of a shape whose rank is unknown
		if start[0] >= 0 && end[0] >= start[0] && end[0] < longChain {
			return make([]element, end[0]-start[0])
		}
		return nil
	}
	bound := func(v int64) int {
		if v < 0 {
			v += int64(len(list))
		}
		return int(min(max(v, 0), int64(len(list))))
	}
	from, to := bound(start[0]), bound(end[0])
	if from > to {
		return nil
	}
	return make([]element, to-from)
}

// numbers returns a list of integers that older opsets have as an attribute, newer ones as a stored input;
// false when it is absent or computed.
func (l *links) numbers(n *onnx.Node, attr string, input int) ([]int64, bool) {
	if v := n.Ints(attr, nil); v != nil {
		return v, true
	}
	if name, _, ok := l.origin(n.Input(input)); ok && input < len(n.Inputs) && input > 0 {
		v, err := l.stored[name].Int64()
		return v, err == nil
	}
	return nil, false
}

// unused returns a name like the given one that no value of the graph has.
func (l *links) unused(like string) string {
	taken := func(name string) bool {
		_, in := l.g.Input(name)
		return in || l.stored[name] != nil || l.maker[name] != nil || l.uses[name] != nil || l.inner[name]
	}
	name := like
	for i := 2; taken(name); i++ {
		name = fmt.Sprintf("%s_%d", like, i)
	}
	return name
}
