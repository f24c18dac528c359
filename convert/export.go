package convert

import (
	"fmt"

	"github.com/nitrain/nitrain/onnx"
)

// Export writes the changed values back into the source model and returns it: same nodes, names and
// bytes, new weights in their old types. Values that SetParam (or Step.Sync) never changed stay
// bit-identical. BatchNormalization in training form leaves in inference form: one output, training_mode 0.
func (g *Graph) Export() (*onnx.Model, error) {
	g.values.Lock()
	defer g.values.Unlock()
	changed := false
	for _, p := range g.params {
		if p.value == nil {
			continue
		}
		changed = true
		if err := g.write(p); err != nil {
			return nil, fmt.Errorf("convert: export: %w", err)
		}
	}
	if changed {
		inferenceForm(g.source)
	}
	return g.source, nil
}

// write puts a parameter's value into the source model. One that shared a tensor with others gets one of
// its own: in place of the Identity that led to it or, without one, as a new input of its nodes.
func (g *Graph) write(p *Param) error {
	t, err := onnx.FromFloat32(p.Shape, p.value)
	if err != nil {
		return err
	}
	for _, o := range p.twins {
		if err := o.write(g.source, p); err != nil {
			return err
		}
	}
	if p.Name == p.Stored {
		return p.source.Set(g.source, t)
	}
	if _, ok := g.source.Initializer(p.Name); ok {
		return g.source.SetInitializer(p.Name, t)
	}
	if t, _, err = t.Convert(p.DType); err != nil {
		return err
	}
	return g.untie(p, t)
}

// write puts the parameter's value into the second tensor.
func (t twin) write(m *onnx.Model, p *Param) error {
	v := p.value
	if t.transposed {
		v = make([]float32, 0, len(p.value))
		for c := range p.Shape[1] {
			for r := range p.Shape[0] {
				v = append(v, p.value[r*p.Shape[1]+c])
			}
		}
	}
	values, err := onnx.FromFloat32(t.source.Tensor.Shape(), v)
	if err != nil {
		return err
	}
	return t.source.Set(m, values)
}

// untie gives a parameter an initializer of its own.
func (g *Graph) untie(p *Param, t *onnx.Tensor) error {
	name := p.Name
	if n := g.source.Graph().Producer(name); n != nil {
		if n.OpType != "Identity" {
			name = p.Name + "/own"
		} else if err := g.source.RemoveNode(n); err != nil {
			return err
		}
	}
	if err := g.source.AddInitializer(name, t); err != nil {
		return err
	}
	for _, s := range p.slots {
		at := s.Node
		input := s.Input
		if len(s.Chain) > 0 {
			// The first node of the chain reads the tensor; the nodes between it and the slot stay.
			at, input = s.Chain[0], 0
			if at.OpType == "Identity" && len(s.Chain) == 1 {
				at, input = s.Node, s.Input
			}
		}
		at.Inputs[input] = name
	}
	return nil
}
