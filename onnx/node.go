package onnx

// Node is one operation of a graph. Its fields may be read by any number of goroutines; whoever changes
// them must be alone, and WriteFile then writes what changed and keeps the other bytes.
type Node struct {
	Name     string
	OpType   string
	Domain   string // "" and "ai.onnx" are the standard domain
	Overload string
	Doc      string
	Inputs   []string // "" where an optional input is left out
	Outputs  []string
	Attrs    []Attr
	Metadata map[string]string

	from origin
}

// StandardDomain reports whether the operator belongs to ai.onnx.
func (n *Node) StandardDomain() bool { return n.Domain == "" || n.Domain == "ai.onnx" }

// Attr returns the attribute of that name, nil when the node has none.
func (n *Node) Attr(name string) *Attr {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name {
			return &n.Attrs[i]
		}
	}
	return nil
}

// Int returns an integer attribute, or otherwise when the node has no such attribute of that kind.
func (n *Node) Int(name string, otherwise int64) int64 {
	if a := n.Attr(name); a != nil && a.Kind == KindInt {
		return a.I
	}
	return otherwise
}

// Ints returns a list of integers, or otherwise when the node has no such attribute of that kind.
func (n *Node) Ints(name string, otherwise []int64) []int64 {
	if a := n.Attr(name); a != nil && a.Kind == KindInts {
		return a.Ints
	}
	return otherwise
}

// Float returns a number, or otherwise when the node has no such attribute of that kind.
func (n *Node) Float(name string, otherwise float32) float32 {
	if a := n.Attr(name); a != nil && a.Kind == KindFloat {
		return a.F
	}
	return otherwise
}

// Floats returns a list of numbers, or otherwise when the node has no such attribute of that kind.
func (n *Node) Floats(name string, otherwise []float32) []float32 {
	if a := n.Attr(name); a != nil && a.Kind == KindFloats {
		return a.Floats
	}
	return otherwise
}

// String returns a string attribute, or otherwise when the node has no such attribute of that kind.
func (n *Node) String(name, otherwise string) string {
	if a := n.Attr(name); a != nil && a.Kind == KindString {
		return a.S
	}
	return otherwise
}

// Strings returns a list of strings, or otherwise when the node has no such attribute of that kind.
func (n *Node) Strings(name string, otherwise []string) []string {
	if a := n.Attr(name); a != nil && a.Kind == KindStrings {
		return a.Strings
	}
	return otherwise
}

// Tensor returns a tensor attribute, nil when the node has none of that kind.
func (n *Node) Tensor(name string) *Tensor {
	if a := n.Attr(name); a != nil && a.Kind == KindTensor {
		return a.T
	}
	return nil
}

// Graph returns a subgraph, nil when the node has none of that name.
func (n *Node) Graph(name string) *Graph {
	if a := n.Attr(name); a != nil && a.Kind == KindGraph {
		return a.G
	}
	return nil
}

// Input returns the name of an input, "" when it is left out.
func (n *Node) Input(i int) string {
	if i < 0 || i >= len(n.Inputs) {
		return ""
	}
	return n.Inputs[i]
}

// Output returns the name of an output, "" when it is left out.
func (n *Node) Output(i int) string {
	if i < 0 || i >= len(n.Outputs) {
		return ""
	}
	return n.Outputs[i]
}

// Subgraphs returns the graphs among the attributes (the branches of If, the body of Loop and Scan).
func (n *Node) Subgraphs() []*Graph {
	var out []*Graph
	for _, a := range n.Attrs {
		if a.G != nil {
			out = append(out, a.G)
		}
		out = append(out, a.Graphs...)
	}
	return out
}

// ConstantValue returns the tensor that a Constant node holds in whichever of its attributes; false for other
// nodes and for sparse constants.
func (n *Node) ConstantValue() (*Tensor, bool) {
	if n.OpType != "Constant" || !n.StandardDomain() {
		return nil, false
	}
	for _, a := range n.Attrs {
		if t := a.constant(); t != nil {
			return t, true
		}
	}
	return nil, false
}

// constant returns the value of a Constant node's attribute as a tensor, nil when it is none.
func (a Attr) constant() *Tensor {
	var t *Tensor
	var err error
	switch {
	case a.Ref != "":
		return nil
	case a.Name == "value" && a.Kind == KindTensor:
		t = a.T
	case a.Name == "value_float" && a.Kind == KindFloat:
		t, err = FromFloat32(nil, []float32{a.F})
	case a.Name == "value_floats" && a.Kind == KindFloats:
		t, err = FromFloat32([]int{len(a.Floats)}, a.Floats)
	case a.Name == "value_int" && a.Kind == KindInt:
		t, err = FromInt64(nil, []int64{a.I})
	case a.Name == "value_ints" && a.Kind == KindInts:
		t, err = FromInt64([]int{len(a.Ints)}, a.Ints)
	case a.Name == "value_string" && a.Kind == KindString:
		t, err = FromStrings(nil, []string{a.S})
	case a.Name == "value_strings" && a.Kind == KindStrings:
		t, err = FromStrings([]int{len(a.Strings)}, a.Strings)
	}
	if err != nil {
		return nil
	}
	return t
}
