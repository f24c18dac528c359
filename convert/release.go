package convert

import "github.com/nitrain/nitrain/onnx"

// largeHost is the number of elements from which a constant's array is let go after its last use. Smaller ones
// stay: a tensor's way from its storage to a node may need them again.
const largeHost = 1 << 12

// lastUses returns, for each node, the values made by nodes that no later node and no output uses.
func lastUses(nodes []*onnx.Node, outputs []onnx.ValueInfo) map[*onnx.Node][]string {
	last := map[string]*onnx.Node{}
	for _, n := range nodes {
		for _, name := range n.Outputs {
			last[name] = n
		}
		uses(n, func(name string) {
			if last[name] != nil { // else a stored tensor
				last[name] = n
			}
		})
	}
	for _, o := range outputs {
		delete(last, o.Name)
	}
	at := map[*onnx.Node][]string{}
	for name, n := range last {
		if name != "" {
			at[n] = append(at[n], name)
		}
	}
	return at
}

// uses calls fn with every name that a node reads, those in its subgraphs included.
func uses(n *onnx.Node, fn func(name string)) {
	for _, name := range n.Inputs {
		fn(name)
	}
	for _, g := range n.Subgraphs() {
		for _, inner := range g.Nodes {
			uses(inner, fn)
		}
		for _, o := range g.Outputs {
			fn(o.Name)
		}
	}
}

// emptied returns the value without its array, if that is large: arithmetic on attention masks, computed on the
// host, would otherwise hold gigabytes until the graph is built.
func (v *value) emptied() *value {
	if v.host == nil || v.host.len() < largeHost {
		return v
	}
	w := *v
	w.host = nil
	return &w
}
