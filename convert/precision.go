package convert

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// Precision is the type in which a step multiplies: convolutions and matrix products, forward and backward, take
// their operands in it. Weights, their updates, normalisations, losses and sums stay in float32.
type Precision string

// The precisions.
const (
	Float32  Precision = "float32"  // the default
	BFloat16 Precision = "bfloat16" // float32's range, 8 bits of precision
	Float16  Precision = "float16"  // 11 bits; losses are scaled so that small gradients do not vanish
)

// PrecisionError says that a precision cannot be had.
type PrecisionError struct {
	Precision Precision
	Device    string
}

func (e *PrecisionError) Error() string {
	if _, err := e.Precision.dtype(); err != nil {
		return fmt.Sprintf("convert: precision %q: want float32, bfloat16 or float16", e.Precision)
	}
	return fmt.Sprintf("convert: precision %s: want a device that multiplies in it, got %s", e.Precision, e.Device)
}

// Hint says which devices have one.
func (e *PrecisionError) Hint() string {
	return "train with --device xla (a GPU's plugin), or leave --precision at float32"
}

// dtype returns the type of the operands, none for float32.
func (p Precision) dtype() (dtypes.DType, error) {
	switch p {
	case "", Float32:
		return dtypes.InvalidDType, nil
	case BFloat16:
		return dtypes.BFloat16, nil
	case Float16:
		return dtypes.Float16, nil
	}
	return dtypes.InvalidDType, errors.New("unknown")
}

// on returns the type of the operands, if a backend multiplies in it. The CPU engine's kernels are made for float32,
// and onnxruntime's convolutions differ from one provider to the next.
func (p Precision) on(b *Backend) (dtypes.DType, error) {
	half, err := p.dtype()
	if err != nil || half != dtypes.InvalidDType && b.name != "xla" {
		return half, &PrecisionError{p, b.name}
	}
	return half, nil
}

// narrowed computes a product of float32 operands in a narrower type, if there is one, and returns float32. Gradients
// flow through the conversions, so that the products of the backward pass are narrow as well.
func narrowed(half dtypes.DType, x, w *graph.Node, product func(x, w *graph.Node) *graph.Node) *graph.Node {
	if half == dtypes.InvalidDType || x.DType() != dtypes.Float32 || w.DType() != dtypes.Float32 {
		return product(x, w)
	}
	return graph.ConvertDType(product(graph.ConvertDType(x, half), graph.ConvertDType(w, half)), dtypes.Float32)
}

// lossScale multiplies the loss before the backward pass, whose float16 would lose small gradients, and divides the
// gradients after it. It is PyTorch's GradScaler with its defaults, but that an overflow repeats the step with half the
// scale where GradScaler leaves the step out.
type lossScale struct {
	on    bool
	value float64
	good  int // steps since it changed
}

const (
	firstScale   = 1 << 16
	growSteps    = 2000
	largestScale = 1 << 24 // keeps the scale itself exact, and far from overflow
	scaleKey     = "scale"
)

// backOff halves the scale after an overflow in the gradients; false where that is no way out.
func (s *lossScale) backOff(err error) bool {
	var e *NonFiniteError
	if !s.on || s.value <= 1 || !errors.As(err, &e) || !finite(e.Loss) {
		return false
	}
	s.value, s.good = s.value/2, 0
	return true
}

// succeeded counts a step and raises the scale after many good ones.
func (s *lossScale) succeeded() {
	if s.good++; s.good >= growSteps {
		s.value, s.good = min(2*s.value, largestScale), 0
	}
}

// save adds the scale to a step's state.
func (s *lossScale) save(state map[string]*onnx.Tensor) error {
	if !s.on {
		return nil
	}
	t, err := onnx.FromFloat32([]int{2}, []float32{float32(s.value), float32(s.good)})
	state[scaleKey] = t
	return err
}

// load takes the scale from a step's state; a state of another precision has none and starts anew.
func (s *lossScale) load(state map[string]*onnx.Tensor) error {
	t := state[scaleKey]
	if !s.on || t == nil {
		return nil
	}
	v, err := t.Float32()
	if err != nil || len(v) != 2 || !(v[0] >= 1 && v[0] <= largestScale && v[1] >= 0 && v[1] < growSteps) {
		return fmt.Errorf("convert: step: %q is no scale of a loss", scaleKey)
	}
	s.value, s.good = float64(v[0]), int(v[1])
	return nil
}
