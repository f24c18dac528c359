package onnx

import "slices"

// decomposed counts the layers that the exporter wrote as several operators. They train as they stand; the report
// says so because a reader of the graph looks for them in vain.
func (q *quirkList) decomposed(w *wiring) {
	count := map[string]int{}
	for _, n := range w.g.Nodes {
		for _, layer := range []struct {
			name string
			is   func(*wiring, *Node) bool
		}{
			{"GroupNormalization", groupNorm},
			{"LayerNormalization", layerNorm},
			{"Gelu", gelu},
			{"Swish", swish},
			{"Attention", attention},
		} {
			if layer.is(w, n) {
				count[layer.name]++
			}
		}
	}
	q.add("decomposed", count["GroupNormalization"], "%d GroupNormalizations are written as InstanceNormalizations of reshaped values")
	q.add("decomposed", count["LayerNormalization"], "%d LayerNormalizations are written as means, differences and roots")
	q.add("decomposed", count["Gelu"], "%d Gelus are written with Erf or Tanh")
	q.add("decomposed", count["Swish"], "%d Swishes (SiLU) are written as products with Sigmoid")
	q.add("decomposed", count["Attention"], "%d attentions are written as product, Softmax, product")
}

// from returns the node that makes input i of n, nil where it is stored or the graph's.
func (w *wiring) from(n *Node, i int) *Node { return w.maker[n.Input(i)] }

// is says whether n is there and one of the operators.
func is(n *Node, ops ...string) bool { return n != nil && slices.Contains(ops, n.OpType) }

// groupNorm: Reshape, InstanceNormalization, Reshape.
func groupNorm(w *wiring, n *Node) bool {
	if !is(n, "InstanceNormalization") || !is(w.from(n, 0), "Reshape") {
		return false
	}
	for _, u := range w.uses[n.Output(0)] {
		if is(u.node, "Reshape") {
			return true
		}
	}
	return false
}

// layerNorm: a difference to a mean, divided by the root of the mean of its squares.
func layerNorm(w *wiring, n *Node) bool {
	if !is(n, "Div") || !is(w.from(n, 0), "Sub") {
		return false
	}
	root := w.from(n, 1)
	if !is(root, "Sqrt") || !is(w.from(root, 0), "Add") {
		return false
	}
	sum := w.from(root, 0)
	for i := range sum.Inputs {
		mean := w.from(sum, i)
		if is(mean, "ReduceMean") && is(w.from(mean, 0), "Pow", "Mul") {
			return true
		}
	}
	return false
}

// gelu: an Erf, or the Tanh of its approximation, which a cube goes into.
func gelu(w *wiring, n *Node) bool {
	if is(n, "Erf") {
		return is(w.from(n, 0), "Div", "Mul")
	}
	if !is(n, "Tanh") || !is(w.from(n, 0), "Mul") {
		return false
	}
	scaled := w.from(n, 0)
	for i := range scaled.Inputs {
		sum := w.from(scaled, i)
		if !is(sum, "Add") {
			continue
		}
		for j := range sum.Inputs {
			cubic := w.from(sum, j)
			if is(cubic, "Mul") && (is(w.from(cubic, 0), "Pow") || is(w.from(cubic, 1), "Pow")) {
				return true
			}
		}
	}
	return false
}

// swish: x times the Sigmoid of x.
func swish(w *wiring, n *Node) bool {
	if !is(n, "Mul") {
		return false
	}
	for i := range 2 {
		if s := w.from(n, i); is(s, "Sigmoid") && s.Input(0) == n.Input(1-i) {
			return true
		}
	}
	return false
}

// attention: a product of two computed matrices, its Softmax (scaled, masked), and a product of that.
func attention(w *wiring, n *Node) bool {
	if !is(n, "MatMul", "Einsum") {
		return false
	}
	p := w.from(n, 0)
	for range 3 { // casts and dropouts between
		if is(p, "Cast", "Dropout", "Where") {
			p = w.from(p, 0)
		}
	}
	if !is(p, "Softmax") {
		return false
	}
	scores := w.from(p, 0)
	for range 8 { // scales, masks and biases
		switch {
		case is(scores, "MatMul", "Einsum"):
			return true
		case is(scores, "Add", "Div", "Mul", "Where", "Reshape", "Cast", "Sub"):
			next := w.from(scores, 0)
			if is(scores, "Where") || next == nil {
				next = w.from(scores, len(scores.Inputs)-1)
			}
			scores = next
		default:
			return false
		}
	}
	return false
}
