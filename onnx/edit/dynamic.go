package edit

import (
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// Dynamic frees axes of all inputs and of the outputs that have them: the first axis, and the spatial ones
// (all but the first and the channels). Declared types of inner values go. Constant targets of Reshape that
// hold the old batch are changed where one number can stand for any; a Reshape that moves a single channel
// becomes a Transpose. Whether the model then really works
// at other sizes only a run can tell.
type Dynamic struct{ Batch, Spatial bool }

// Apply changes the model.
func (d Dynamic) Apply(m *onnx.Model) error {
	if len(m.Inputs()) == 0 {
		return failure("dynamic", "the model has no input")
	}
	s := &surgery{links: newLinks(m), report: &Changes{}}
	batch, rank := -1, 0
	for i, v := range s.g.Inputs {
		if len(v.Shape) == 0 {
			continue
		}
		channel := s.inputAxis(v)
		if channel < 0 {
			channel = 1
		}
		if i == 0 {
			batch, rank = v.Shape[0], len(v.Shape)
		}
		s.g.Inputs[i] = d.free(v, channel, "")
	}
	for i, v := range s.g.Outputs {
		if len(v.Shape) == 0 {
			continue
		}
		channel := s.classAxis(v)
		if len(v.Shape) != rank { // no image: free only the batch
			s.g.Outputs[i] = Dynamic{Batch: d.Batch}.free(v, channel, v.Name)
			continue
		}
		s.g.Outputs[i] = d.free(v, channel, v.Name)
	}
	if d.Spatial {
		s.turnAll()
	}
	s.g.Values = nil
	if err := s.commit(); err != nil || !d.Batch || batch < 1 {
		return err
	}
	for _, n := range s.g.Nodes {
		if n.OpType == "Reshape" && n.StandardDomain() {
			if err := s.freeBatch(n, int64(batch)); err != nil {
				return fmt.Errorf("edit: dynamic: node %q: %w", nodeName(n), err)
			}
		}
	}
	return prune(m, s.orphans)
}

// turnAll makes every Reshape that only moves a single channel a Transpose, which fixes no size.
func (s *surgery) turnAll() {
	for _, n := range s.g.Nodes {
		if n.OpType != "Reshape" || !n.StandardDomain() {
			continue
		}
		if _, _, stored := s.origin(n.Input(0)); stored {
			continue
		}
		if perm := s.turned(n); perm != nil {
			s.turn(n, perm)
		}
	}
}

// free returns a type with free axes.
func (d Dynamic) free(v onnx.ValueInfo, channel int, prefix string) onnx.ValueInfo {
	v.Shape, v.Dims = slices.Clone(v.Shape), slices.Clone(v.Dims)
	for len(v.Dims) < len(v.Shape) {
		v.Dims = append(v.Dims, "")
	}
	for i, size := range v.Shape {
		switch {
		case size < 0:
		case i == 0 && d.Batch:
			v.Shape[i], v.Dims[i] = -1, "batch"
		case i > 0 && i != channel && d.Spatial:
			v.Shape[i], v.Dims[i] = -1, fmt.Sprintf("%sdim_%d", prefix, i)
		}
	}
	return v
}

// freeBatch lets a Reshape with a stored target that starts with the old batch take any.
func (s *surgery) freeBatch(n *onnx.Node, batch int64) error {
	name, _, ok := s.origin(n.Input(1))
	if !ok {
		return nil
	}
	if _, _, stored := s.origin(n.Input(0)); stored { // of weights
		return nil
	}
	to, err := s.stored[name].Int64()
	if err != nil {
		return err
	}
	if len(to) == 0 || to[0] != batch {
		return nil
	}
	free := int64(-1)
	if slices.Contains(to, -1) {
		free = 0
		if n.Int("allowzero", 0) != 0 {
			return nil
		}
	}
	to[0] = free
	t, err := fromInts(s.stored[name].DType(), s.stored[name].Shape(), to)
	if err != nil {
		return err
	}
	return s.store(slot{n, 1}, name, t)
}
