package onnx

// eachGraph calls f for the main graph and for every subgraph in it and in the functions, outer ones first.
func (m *Model) eachGraph(f func(*Graph)) {
	var nodes func([]*Node)
	graph := func(g *Graph) {
		f(g)
		nodes(g.Nodes)
	}
	nodes = func(list []*Node) {
		for _, n := range list {
			for _, g := range n.Subgraphs() {
				graph(g)
			}
		}
	}
	graph(m.graph)
	for _, fn := range m.Functions {
		nodes(fn.Nodes)
	}
}
