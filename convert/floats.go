package convert

import (
	"encoding/binary"
	"math"

	"github.com/nitrain/nitrain/onnx"
)

// tensorFloats returns the elements of a float tensor as float64, without rounding.
func tensorFloats(t *onnx.Tensor) ([]float64, error) {
	if t.DType() == onnx.Float64 {
		raw, err := t.Bytes()
		if err != nil {
			return nil, err
		}
		out := make([]float64, t.Len())
		for i := range out {
			out[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
		}
		return out, nil
	}
	v, err := t.Float32()
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out, nil
}
