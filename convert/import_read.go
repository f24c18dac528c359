package convert

import (
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// read takes from the model what building needs: the nodes that matter in order, functions, parameters.
func (g *Graph) read() error {
	gr := g.source.Graph()
	if len(gr.Sparse) > 0 {
		return fmt.Errorf("convert: initializer %q is sparse, which is not supported", gr.Sparse[0].Name)
	}
	g.functions = map[functionID]*onnx.Function{}
	for _, f := range g.source.Functions {
		g.functions[functionID{f.Domain, f.Name}] = f
	}
	g.stored = map[string]*onnx.Tensor{}
	for _, i := range gr.Initializers {
		g.stored[i.Name] = i.Tensor
	}
	nodes, moved, err := sorted(gr)
	if err != nil {
		return err
	}
	if moved {
		g.warnings = append(g.warnings, "the nodes are not in topological order; they were sorted for training and keep their order in the file")
	}
	g.nodes = live(nodes, gr)
	g.training = map[*onnx.Node]bool{}
	for _, n := range g.nodes {
		if n.OpType == "BatchNormalization" && batchNormTrains(n, g.source.Opset("")) {
			g.training[n] = true
		}
	}
	return g.findParams()
}

// sorted returns the nodes in topological order, and whether the file's order was another. Among nodes
// that are ready the file's order stays.
func sorted(gr *onnx.Graph) (nodes []*onnx.Node, moved bool, err error) {
	producer := map[string]int{}
	for i, n := range gr.Nodes {
		for _, o := range n.Outputs {
			if o != "" {
				producer[o] = i
			}
		}
	}
	const (
		fresh = iota
		open
		done
	)
	mark := make([]int, len(gr.Nodes))
	var visit func(i int) error
	visit = func(i int) error {
		switch mark[i] {
		case done:
			return nil
		case open:
			return fmt.Errorf("convert: node %q depends on itself", gr.Nodes[i].Name)
		}
		mark[i] = open
		for _, name := range reads(gr.Nodes[i]) {
			if j, ok := producer[name]; ok && name != "" {
				if j > i {
					moved = true
				}
				if err := visit(j); err != nil {
					return err
				}
			}
		}
		mark[i] = done
		nodes = append(nodes, gr.Nodes[i])
		return nil
	}
	for i := range gr.Nodes {
		if err := visit(i); err != nil {
			return nil, false, err
		}
	}
	return nodes, moved, nil
}

// reads lists the names that a node needs, those inside its subgraphs included unless they are made there.
func reads(n *onnx.Node) []string {
	names := slices.Clip(n.Inputs)
	for _, sub := range n.Subgraphs() {
		own := map[string]bool{}
		for _, in := range sub.Inputs {
			own[in.Name] = true
		}
		for _, in := range sub.Initializers {
			own[in.Name] = true
		}
		for _, m := range sub.Nodes {
			for _, o := range m.Outputs {
				own[o] = true
			}
		}
		var inner []string
		for _, m := range sub.Nodes {
			inner = append(inner, reads(m)...)
		}
		for _, o := range sub.Outputs {
			inner = append(inner, o.Name)
		}
		names = append(names, slices.DeleteFunc(inner, func(name string) bool { return own[name] })...)
	}
	return names
}

// live drops the nodes that no output needs.
func live(nodes []*onnx.Node, gr *onnx.Graph) []*onnx.Node {
	needed := map[string]bool{}
	for _, o := range gr.Outputs {
		needed[o.Name] = true
	}
	keep := make([]bool, len(nodes))
	for i := len(nodes) - 1; i >= 0; i-- {
		for _, o := range nodes[i].Outputs {
			keep[i] = keep[i] || o != "" && needed[o]
		}
		if keep[i] {
			for _, name := range reads(nodes[i]) {
				needed[name] = true
			}
		}
	}
	var out []*onnx.Node
	for i, n := range nodes {
		if keep[i] {
			out = append(out, n)
		}
	}
	return out
}
