package convert

import (
	"github.com/nitrain/nitrain/onnx"
)

// findParams lists the tensors that training may change.
func (g *Graph) findParams() error {
	for _, n := range g.nodes {
		for i, name := range n.Inputs {
			t, ok := g.stored[name]
			if !ok || !isFloat(t.DType()) {
				continue
			}
			p := g.byName[name]
			if p == nil {
				p = &Param{Name: name, Role: n.OpType, Shape: t.Shape(), DType: t.DType(), Trainable: true, stored: t}
				g.params = append(g.params, p)
				g.byName[name] = p
			}
			if n.OpType == "BatchNormalization" && i >= 3 {
				p.Trainable, p.State, p.Reason = false, true, "running statistics"
			}
			p.slots = append(p.slots, slot{n, i})
		}
	}
	return nil
}

// constantTensor returns the value of a Constant node.
func constantTensor(n *onnx.Node) (*onnx.Tensor, bool) { return n.ConstantValue() }
