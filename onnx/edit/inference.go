package edit

import "github.com/nitrain/nitrain/onnx"

// Inference puts every BatchNormalization that is in training form into the inference form, which is the
// only one that onnxruntime runs: training_mode 0, one output. undo puts everything back.
func Inference(m *onnx.Model) (undo func()) {
	var steps []func()
	for _, n := range m.Graph().Nodes {
		if n.OpType != "BatchNormalization" || !n.StandardDomain() || n.Int("training_mode", 0) == 0 && len(n.Outputs) <= 1 {
			continue
		}
		attrs, outputs := n.Attrs, n.Outputs
		steps = append(steps, func() { n.Attrs, n.Outputs = attrs, outputs })
		n.Attrs = append([]onnx.Attr(nil), attrs...)
		n.RemoveAttr("training_mode")
		n.Outputs = outputs[:1:1]
	}
	return func() {
		for _, s := range steps {
			s()
		}
	}
}
