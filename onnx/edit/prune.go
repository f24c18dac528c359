package edit

import (
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// prune removes values that nothing uses any more, and what only they used.
func prune(m *onnx.Model, values []string) error {
	for len(values) > 0 {
		l := newLinks(m)
		var next []string
		for _, v := range values {
			if _, out := l.g.Output(v); v == "" || out || len(l.uses[v]) > 0 || l.inner[v] {
				continue
			}
			n := l.maker[v]
			switch {
			case n != nil && dead(l, n):
				if !slices.Contains(l.g.Nodes, n) {
					continue
				}
				if err := m.RemoveNode(n); err != nil {
					return err
				}
				next = append(next, n.Inputs...)
				for _, s := range n.Subgraphs() {
					next = append(next, innerNames(s)...)
				}
				forgetValues(l.g, n.Outputs)
			case n == nil && l.stored[v] != nil:
				if _, there := m.Initializer(v); there {
					if err := m.RemoveInitializer(v); err != nil {
						return err
					}
				}
				forgetValues(l.g, []string{v})
			}
		}
		values = next
	}
	return nil
}

func innerNames(g *onnx.Graph) []string {
	var out []string
	for _, n := range g.Nodes {
		out = append(out, n.Inputs...)
		for _, s := range n.Subgraphs() {
			out = append(out, innerNames(s)...)
		}
	}
	for _, o := range g.Outputs {
		out = append(out, o.Name)
	}
	return out
}

func forgetValues(g *onnx.Graph, names []string) {
	g.Values = slices.DeleteFunc(g.Values, func(v onnx.ValueInfo) bool { return slices.Contains(names, v.Name) })
}
