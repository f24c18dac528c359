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
	for _, p := range g.params {
		if p.value == nil {
			continue
		}
		t, err := onnx.FromFloat32(p.Shape, p.value)
		if err != nil {
			return nil, err
		}
		if err := g.source.SetInitializer(p.Name, t); err != nil {
			return nil, fmt.Errorf("convert: export: %w", err)
		}
	}
	return g.source, nil
}
