package onnx

import "context"

// Runner is anything that computes a model's outputs from its inputs: an onnxruntime session or an
// imported graph. A Runner may be shared by goroutines unless its own documentation says otherwise.
type Runner interface {
	// Inputs and Outputs list names, types and shapes in the model's order.
	Inputs() []ValueInfo
	Outputs() []ValueInfo
	// Run computes every output. It returns ctx's error when it is cancelled.
	Run(ctx context.Context, inputs map[string]*Tensor) (map[string]*Tensor, error)
}

// ValueInfo is the name, type and shape of a graph's input or output.
type ValueInfo struct {
	Name  string
	DType DType
	// Kind is "" for tensors, else "sequence", "map", "optional", "sparse" or "opaque": then DType and
	// Shape are those of the elements, where they have one.
	Kind string
	// Shape has -1 where a size is free; nil means that even the rank is unknown.
	Shape []int
	// Dims has the symbolic name of each free axis, "" for fixed and for nameless ones.
	Dims []string
}
