package convert

import (
	"context"

	"github.com/nitrain/nitrain/onnx"
)

// Gradients are the derivatives of sum(output * cotangent) over all outputs.
type Gradients struct {
	Loss    float64                 // the sum itself
	Outputs map[string]*onnx.Tensor // the outputs
	Inputs  map[string]*onnx.Tensor // by float input
	Params  map[string]*onnx.Tensor // by parameter, float32 in the file's layout
}

// Gradient computes the model on inputs and the derivatives of sum(output * cotangent). Outputs without a
// cotangent do not count. training says whether BatchNormalization and the like run in training mode; the
// running statistics stay as they are.
func (g *Graph) Gradient(ctx context.Context, b *Backend, inputs, cotangents map[string]*onnx.Tensor, training bool) (*Gradients, error) {
	return g.gradient(ctx, b, inputs, cotangents, training)
}
