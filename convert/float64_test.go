package convert

import (
	"github.com/gomlx/compute/dtypes"

	"github.com/nitrain/nitrain/convert/internal/engine"
	"github.com/nitrain/nitrain/onnx"
)

// Double makes a backend compute in float64.
func Double(b *Backend) *Backend {
	b.float = dtypes.Float64
	return b
}

// Numbers returns the elements of a tensor of any type but strings.
func Numbers(t *onnx.Tensor) ([]float64, error) {
	h, err := hostTensor(t)
	if err != nil {
		return nil, err
	}
	out := make([]float64, h.len())
	for i := range out {
		out[i] = h.at(i)
	}
	return out, nil
}

// Training makes a Runner compute in training form, without random numbers.
func Training(r *Runner) *Runner {
	r.mode.Training = true
	return r
}

// OnRuntime starts the engine on onnxruntime, which computes on CUDA, on the CPU.
func OnRuntime() (*Backend, error) {
	path, err := library()
	if err != nil {
		return nil, err
	}
	inner, err := engine.New(engine.Options{Kind: engine.ONNX, Device: engine.CPU, Library: path})
	if err != nil {
		return nil, err
	}
	return &Backend{compute: inner, name: "cpu", float: dtypes.Float32}, nil
}
