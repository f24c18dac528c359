package onnx

import (
	"fmt"
	"slices"
)

// SetConstant gives the Constant node of the main graph that makes the value output a new value of the same
// shape. The type and the attribute that holds it stay, as for SetInitializer.
func (m *Model) SetConstant(output string, t *Tensor) error {
	n := m.graph.Producer(output)
	if n == nil {
		return fmt.Errorf("onnx: constant %q: no node makes this value", output)
	}
	was, ok := n.ConstantValue()
	if !ok {
		return fmt.Errorf("onnx: constant %q: want a Constant node, got %s %q", output, n.OpType, n.Name)
	}
	v, err := m.fit("constant", output, was, t)
	if err != nil {
		return err
	}
	for i := range n.Attrs {
		if n.Attrs[i].constant() != nil {
			return n.Attrs[i].setConstant(v)
		}
	}
	return nil
}

func (a *Attr) setConstant(t *Tensor) (err error) {
	switch a.Kind {
	case KindTensor:
		a.T = t
	case KindFloat, KindFloats:
		var v []float32
		if v, err = t.Float32(); err != nil {
			return err
		}
		if a.Kind == KindFloats {
			a.Floats = v
		} else {
			a.F = v[0]
		}
	case KindInt, KindInts:
		var v []int64
		if v, err = t.Int64(); err != nil {
			return err
		}
		if a.Kind == KindInts {
			a.Ints = v
		} else {
			a.I = v[0]
		}
	case KindString, KindStrings:
		var v []string
		if v, err = t.Strings(); err != nil {
			return err
		}
		if a.Kind == KindStrings {
			a.Strings = v
		} else {
			a.S = v[0]
		}
	}
	return err
}

// ReplaceInitializer gives an initializer of the main graph another tensor, of any shape and type. Its
// encoding stays where the type is the same; external data stays external.
func (m *Model) ReplaceInitializer(name string, t *Tensor) error {
	i := m.graph.initializer(name)
	if i == nil {
		return fmt.Errorf("onnx: initializer %q: the graph has none of that name", name)
	}
	i.Tensor = t
	for k, v := range m.graph.DefaultInputs {
		if v.Name == name {
			m.graph.DefaultInputs[k] = ValueInfo{Name: name, DType: t.dtype, Shape: t.Shape(), Dims: make([]string, len(t.shape))}
		}
	}
	return nil
}

// AddInitializer adds a tensor to the main graph. The name must be new among its values.
func (m *Model) AddInitializer(name string, t *Tensor) error {
	if err := m.graph.unused(name); err != nil {
		return err
	}
	m.graph.Initializers = append(m.graph.Initializers, &Initializer{Name: name, Tensor: t})
	return nil
}

// RemoveInitializer removes a tensor from the main graph, and the input of that name in a model of IR 3.
func (m *Model) RemoveInitializer(name string) error {
	i := m.graph.initializer(name)
	if i == nil {
		return fmt.Errorf("onnx: initializer %q: the graph has none of that name", name)
	}
	g := m.graph
	g.Initializers = slices.DeleteFunc(g.Initializers, func(o *Initializer) bool { return o == i })
	g.DefaultInputs = slices.DeleteFunc(g.DefaultInputs, func(v ValueInfo) bool { return v.Name == name })
	return nil
}

// AddInput adds an input to the main graph. The name must be new among its values.
func (m *Model) AddInput(v ValueInfo) error {
	if err := m.graph.unused(v.Name); err != nil {
		return err
	}
	m.graph.Inputs = append(m.graph.Inputs, v)
	return nil
}

// AddOutput makes a value of the main graph an output.
func (m *Model) AddOutput(v ValueInfo) error {
	if _, ok := m.graph.Output(v.Name); ok {
		return fmt.Errorf("onnx: output %q: it is an output already", v.Name)
	}
	if m.graph.unused(v.Name) == nil {
		return fmt.Errorf("onnx: output %q: nothing makes this value", v.Name)
	}
	m.graph.Outputs = append(m.graph.Outputs, v)
	return nil
}

// SetInput changes name, type or shape of an input; SetOutput does so for an output. Nodes keep the names
// that they use: see RenameValue.
func (m *Model) SetInput(name string, v ValueInfo) error {
	return set("input", m.graph.Inputs, name, v)
}

// SetOutput changes name, type or shape of an output.
func (m *Model) SetOutput(name string, v ValueInfo) error {
	return set("output", m.graph.Outputs, name, v)
}

func set(what string, list []ValueInfo, name string, v ValueInfo) error {
	for i := range list {
		if list[i].Name == name {
			list[i] = v
			return nil
		}
	}
	return fmt.Errorf("onnx: %s %q: the graph has none of that name", what, name)
}

// RemoveInput removes an input of the main graph.
func (m *Model) RemoveInput(name string) error { return remove("input", &m.graph.Inputs, name) }

// RemoveOutput removes an output of the main graph; the node that makes it stays.
func (m *Model) RemoveOutput(name string) error { return remove("output", &m.graph.Outputs, name) }

func remove(what string, list *[]ValueInfo, name string) error {
	if _, ok := find(*list, name); !ok {
		return fmt.Errorf("onnx: %s %q: the graph has none of that name", what, name)
	}
	*list = slices.DeleteFunc(*list, func(v ValueInfo) bool { return v.Name == name })
	return nil
}

// InsertNode puts a node before the one at index at of the main graph; at the end where at is their number.
// Its outputs must be new values.
func (m *Model) InsertNode(at int, n *Node) error {
	if at < 0 || at > len(m.graph.Nodes) {
		return fmt.Errorf("onnx: insert node %q: want a place from 0 to %d, got %d", n.Name, len(m.graph.Nodes), at)
	}
	for _, o := range n.Outputs {
		if o == "" {
			continue
		}
		if err := m.graph.unused(o); err != nil {
			return fmt.Errorf("onnx: insert node %q: %w", n.Name, err)
		}
	}
	m.graph.Nodes = slices.Insert(m.graph.Nodes, at, n)
	return nil
}

// RemoveNode removes a node from the main graph. What used its outputs must be changed too: Check reports it.
func (m *Model) RemoveNode(n *Node) error {
	i := slices.Index(m.graph.Nodes, n)
	if i < 0 {
		return fmt.Errorf("onnx: remove node %q: it is not in the graph", n.Name)
	}
	m.graph.Nodes = slices.Delete(m.graph.Nodes, i, i+1)
	return nil
}

// SetAttr adds an attribute to the node or replaces the one of that name.
func (n *Node) SetAttr(a Attr) {
	if old := n.Attr(a.Name); old != nil {
		*old = a
		return
	}
	n.Attrs = append(n.Attrs, a)
}

// RemoveAttr removes an attribute, if it is there.
func (n *Node) RemoveAttr(name string) {
	n.Attrs = slices.DeleteFunc(n.Attrs, func(a Attr) bool { return a.Name == name })
}

// RenameValue gives a value of the main graph another name wherever it is made, used or declared, in
// subgraphs too. The new name must be new.
func (m *Model) RenameValue(name, to string) error {
	if m.graph.unused(name) == nil {
		return fmt.Errorf("onnx: rename %q: the graph has no such value", name)
	}
	if err := m.graph.unused(to); err != nil {
		return err
	}
	m.graph.rename(name, to)
	return nil
}

func (g *Graph) rename(name, to string) {
	for _, list := range [...][]ValueInfo{g.Inputs, g.DefaultInputs, g.Outputs, g.Values} {
		for i := range list {
			if list[i].Name == name {
				list[i].Name = to
			}
		}
	}
	for _, i := range g.Initializers {
		if i.Name == name {
			i.Name = to
		}
	}
	for _, n := range g.Nodes {
		replaceName(n.Inputs, name, to)
		replaceName(n.Outputs, name, to)
		for _, sub := range n.Subgraphs() {
			sub.renameOuter(name, to)
		}
	}
}

// renameOuter renames a value of an outer graph, unless this graph has its own of that name.
func (g *Graph) renameOuter(name, to string) {
	if g.declares(name) {
		return
	}
	g.rename(name, to)
}

func replaceName(list []string, name, to string) {
	for i := range list {
		if list[i] == name {
			list[i] = to
		}
	}
}

// unused returns an error when the graph has a value of that name.
func (g *Graph) unused(name string) error {
	if g.declares(name) {
		return fmt.Errorf("onnx: value %q: the graph has one of that name", name)
	}
	return nil
}

// declares reports whether a value of that name comes from this graph itself.
func (g *Graph) declares(name string) bool {
	_, in := g.Input(name)
	return in || g.initializer(name) != nil || g.Producer(name) != nil ||
		slices.ContainsFunc(g.Sparse, func(s *SparseInitializer) bool { return s.Name == name })
}
