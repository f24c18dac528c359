//go:build cgo

package engine

import (
	"github.com/gomlx/compute"
	onnxbackend "github.com/gomlx/compute-onnx"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// conv records a convolution by kernel.c: its operator, the two arrays, and the plan as a constant.
func (s settings) conv(f compute.Function, c convolution) (compute.Value, error) {
	inner, ok := f.(*onnxbackend.Function)
	if !ok || !s.kernels {
		return nil, nil
	}
	code := c.encode()
	plan, err := inner.Constant(code, len(code))
	if err != nil {
		return nil, err
	}
	operator := "NitrainConv"
	if c.gradient {
		operator = "NitrainConvGrad"
	}
	var nodes []*onnxbackend.Node
	for _, v := range []compute.Value{c.a, c.b, plan} {
		node, ok := v.(*onnxbackend.Node)
		if !ok {
			return nil, nil
		}
		nodes = append(nodes, node)
	}
	return inner.AddCustomNode(operator, nodes, shapes.Make(dtypes.Float32, c.result()...)), nil
}
