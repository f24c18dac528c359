package onnx

import "slices"

// Graph is nodes, the tensors that they start from, and the values that go in and out. The lists may be
// changed in place (by one goroutine that is alone); WriteFile writes what changed and keeps the other bytes.
type Graph struct {
	Name string
	Doc  string
	// Nodes in the order of the file, which should be topological: see Sort.
	Nodes []*Node
	// Inputs without those that are also initializers, which models of IR 3 list here too.
	Inputs  []ValueInfo
	Outputs []ValueInfo
	// Values are the types of inner values as far as the file gives them.
	Values       []ValueInfo
	Initializers []*Initializer
	Sparse       []*SparseInitializer
	Metadata     map[string]string

	// DefaultInputs are the inputs whose default is the initializer of the same name.
	DefaultInputs []ValueInfo

	from origin
	ir3  []bool // for each input of the file, in its order: whether it is a default input
}

// Initializer is a named tensor of a graph.
type Initializer struct {
	Name   string
	Tensor *Tensor

	from origin
}

// SparseInitializer is a tensor given by its nonzero values; it is kept as it is.
type SparseInitializer struct {
	Name    string
	Values  *Tensor
	Indices *Tensor
	Shape   []int

	from origin
}

// Initializer returns the tensor of that name in this graph.
func (g *Graph) Initializer(name string) (*Tensor, bool) {
	if i := g.initializer(name); i != nil {
		return i.Tensor, true
	}
	return nil, false
}

func (g *Graph) initializer(name string) *Initializer {
	for _, i := range g.Initializers {
		if i.Name == name {
			return i
		}
	}
	return nil
}

// Input returns the graph input of that name.
func (g *Graph) Input(name string) (ValueInfo, bool) { return find(g.Inputs, name) }

// Output returns the graph output of that name.
func (g *Graph) Output(name string) (ValueInfo, bool) { return find(g.Outputs, name) }

func find(list []ValueInfo, name string) (ValueInfo, bool) {
	for _, v := range list {
		if v.Name == name {
			return v, true
		}
	}
	return ValueInfo{}, false
}

// Producer returns the node that makes the value, nil for inputs, initializers and unknown names.
func (g *Graph) Producer(value string) *Node {
	if value == "" {
		return nil
	}
	for _, n := range g.Nodes {
		if slices.Contains(n.Outputs, value) {
			return n
		}
	}
	return nil
}

// Function is a model-local function: an operator that is defined by nodes.
type Function struct {
	Name, Domain, Overload, Doc string
	Inputs, Outputs             []string
	// Attributes without a default by name, Defaults those with one.
	Attributes []string
	Defaults   []Attr
	Nodes      []*Node
	Values     []ValueInfo
	Opsets     []Opset
	Metadata   map[string]string

	from origin
}
