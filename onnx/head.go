package onnx

import (
	"fmt"
	"slices"
)

// Head is a layer that decides how many channels an output has: the last one with weights on a path to it.
type Head struct {
	Node *Node
	// Weight is the name of the stored tensor with the weights, WeightAxis the axis of it that counts classes.
	Weight     string
	WeightAxis int
	// Bias is the name of the stored bias, "" without one; its only long axis counts classes.
	Bias string
	// Classes is the number of channels that the layer makes: the size of WeightAxis times Groups.
	Classes int
	// Groups is the number of groups of a ConvTranspose, by which the axis is to be multiplied; else 1.
	Groups int
	// After are the nodes between the layer and the output, in the graph's order.
	After []*Node
}

// Heads returns the heads of an output of the main graph, in the graph's order: from the output backwards
// the first nodes with weights on each path (Conv, ConvTranspose, Gemm, LSTM, GRU, RNN, and MatMul or Einsum
// with a stored weight of rank 2 or more). Shapes and constants are not followed.
func Heads(m *Model, output string) ([]Head, error) {
	if _, ok := m.graph.Output(output); !ok {
		return nil, fmt.Errorf("onnx: heads of %q: the graph has no such output", output)
	}
	w := newWiring(m.graph)
	f := frontier{w: w, stops: map[*Node]bool{}, seen: map[*Node]bool{}}
	f.walk(output)
	var out []Head
	for _, n := range m.graph.Nodes {
		if f.stops[n] {
			h := w.head(n)
			h.After = f.after(n, m.graph.Nodes)
			out = append(out, h)
		}
	}
	return out, nil
}

// frontier is a walk from an output back to the first nodes with weights.
type frontier struct {
	w     *wiring
	stops map[*Node]bool
	seen  map[*Node]bool // nodes that were passed
}

func (f *frontier) walk(value string) {
	todo := []string{value}
	for len(todo) > 0 {
		value := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n := f.w.maker[value]
		if n == nil || f.seen[n] || f.stops[n] || n.OpType == "Shape" || n.OpType == "Size" || n.OpType == "Constant" {
			continue
		}
		if f.w.parametric(n) {
			f.stops[n] = true
			continue
		}
		f.seen[n] = true
		for k, in := range n.Inputs {
			if dataInput(n, k) {
				todo = append(todo, in)
			}
		}
	}
}

// dataInput reports whether an input carries activations, not a shape, an index or a limit.
func dataInput(n *Node, k int) bool {
	switch n.OpType {
	case "Reshape", "Resize", "Upsample", "Expand", "Slice", "Pad", "Tile", "Squeeze", "Unsqueeze", "Split", "Clip",
		"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "TopK", "Gather", "Dropout", "CumSum",
		"InstanceNormalization", "BatchNormalization", "GroupNormalization", "LayerNormalization", "PRelu":
		return k == 0
	}
	return true
}

// parametric reports whether a node has weights of its own.
func (w *wiring) parametric(n *Node) bool {
	if !n.StandardDomain() {
		return false
	}
	switch n.OpType {
	case "Conv", "ConvTranspose", "Gemm", "LSTM", "GRU", "RNN":
		return true
	case "MatMul", "Einsum":
		return w.weightInput(n) >= 0
	}
	return false
}

// weightInput returns the input of a MatMul or Einsum that is a stored weight of rank 2 or more, -1 for none.
func (w *wiring) weightInput(n *Node) int {
	for k, v := range slices.Backward(n.Inputs) {
		if name, _, ok := w.origin(v); ok && len(w.stored[name].shape) >= 2 {
			return k
		}
	}
	return -1
}

// after returns the nodes that were passed and that the output of n reaches.
func (f *frontier) after(n *Node, order []*Node) []*Node {
	reached := map[*Node]bool{}
	todo := []*Node{n}
	for len(todo) > 0 {
		last := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, o := range last.Outputs {
			for _, u := range f.w.uses[o] {
				if f.seen[u.node] && !reached[u.node] && dataInput(u.node, u.input) {
					reached[u.node] = true
					todo = append(todo, u.node)
				}
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(order), func(n *Node) bool { return !reached[n] })
}

// head describes a node with weights.
func (w *wiring) head(n *Node) Head {
	h := Head{Node: n, Groups: 1}
	weight, axis := 1, 0
	switch n.OpType {
	case "ConvTranspose":
		axis, h.Groups = 1, int(max(n.Int("group", 1), 1))
	case "Gemm":
		axis = 1 - int(n.Int("transB", 0)&1)
	case "MatMul", "Einsum":
		weight, axis = w.weightInput(n), -1
	case "LSTM", "GRU", "RNN":
		axis = 1
	}
	h.Bias = w.biasOf(n)
	name, chain, ok := w.origin(n.Input(weight))
	if !ok {
		return h
	}
	shape := w.stored[name].shape
	if axis < 0 {
		axis = len(shape) - 1
	}
	h.Weight, h.WeightAxis = name, through(chain, axis, len(shape))
	if h.WeightAxis >= 0 && h.WeightAxis < len(shape) {
		h.Classes = shape[h.WeightAxis] * h.Groups
	}
	return h
}

// through follows an axis of a slot back to the stored tensor: only Transpose moves it. It returns -1 where
// the chain reshapes.
func through(chain []*Node, axis, rank int) int {
	for _, n := range slices.Backward(chain) {
		switch n.OpType {
		case "Transpose":
			perm := n.Ints("perm", nil)
			switch {
			case perm == nil:
				axis = rank - 1 - axis
			case axis < len(perm):
				axis = int(perm[axis])
			}
		case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
			return -1
		}
	}
	return axis
}

// biasOf returns the stored bias of a node: its third input, or what is added to a product.
func (w *wiring) biasOf(n *Node) string {
	if n.OpType != "MatMul" && n.OpType != "Einsum" {
		name, _, ok := w.origin(n.Input(2))
		if n.OpType == "LSTM" || n.OpType == "GRU" || n.OpType == "RNN" {
			name, _, ok = w.origin(n.Input(3))
		}
		if !ok {
			return ""
		}
		return name
	}
	for _, u := range w.uses[n.Output(0)] {
		if u.node.OpType != "Add" {
			continue
		}
		if name, _, ok := w.origin(u.node.Input(1 - u.input)); ok {
			return name
		}
	}
	return ""
}
