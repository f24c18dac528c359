//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"unsafe"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/nitrain/nitrain/onnx"
)

// toValue wraps a tensor for onnxruntime. The value shares the tensor's bytes, which must stay alive until it
// is destroyed; onnxruntime only reads them.
func toValue(t *onnx.Tensor) (onnxruntime.Value, error) {
	raw, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	raw = aligned(raw, t.DType().Size())
	shape := t.Shape()
	if len(shape) == 0 {
		return scalarValue(t.DType(), raw)
	}
	dims := make(onnxruntime.Shape, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	if len(raw) == 0 {
		raw = make([]byte, 8) // the binding wants a byte, though a tensor without elements has none
	}
	return onnxruntime.NewCustomDataTensor(dims, raw, onnxruntime.TensorElementDataType(t.DType()))
}

// aligned returns raw, or a copy of it where raw does not start at a multiple of size, as elements must.
func aligned(raw []byte, size int) []byte {
	if len(raw) == 0 || uintptr(unsafe.Pointer(&raw[0]))%uintptr(size) == 0 {
		return raw
	}
	moved := make([]uint64, (len(raw)+7)/8)
	out := unsafe.Slice((*byte)(unsafe.Pointer(&moved[0])), len(raw))
	copy(out, raw)
	return out
}

// scalarValue wraps the one element in raw as a tensor without axes.
func scalarValue(dtype onnx.DType, raw []byte) (onnxruntime.Value, error) {
	p := unsafe.Pointer(&raw[0])
	switch dtype {
	case onnx.Float32:
		return onnxruntime.NewScalar(*(*float32)(p))
	case onnx.Float64:
		return onnxruntime.NewScalar(*(*float64)(p))
	case onnx.Int8:
		return onnxruntime.NewScalar(*(*int8)(p))
	case onnx.Int16:
		return onnxruntime.NewScalar(*(*int16)(p))
	case onnx.Int32:
		return onnxruntime.NewScalar(*(*int32)(p))
	case onnx.Int64:
		return onnxruntime.NewScalar(*(*int64)(p))
	case onnx.Uint8:
		return onnxruntime.NewScalar(*(*uint8)(p))
	case onnx.Uint16:
		return onnxruntime.NewScalar(*(*uint16)(p))
	case onnx.Uint32:
		return onnxruntime.NewScalar(*(*uint32)(p))
	case onnx.Uint64:
		return onnxruntime.NewScalar(*(*uint64)(p))
	case onnx.Bool:
		return onnxruntime.NewScalar(raw[0] != 0)
	default:
		return nil, fmt.Errorf("the onnxruntime binding has no %v scalars", dtype)
	}
}

// fromValue returns what onnxruntime computed. The tensor takes over the value's memory.
func fromValue(v onnxruntime.Value) (*onnx.Tensor, error) {
	dtype, raw := elements(v)
	if dtype == onnx.Undefined {
		return nil, errors.New("its type is not supported")
	}
	dims := v.GetShape()
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = int(d)
	}
	return onnx.NewTensor(dtype, shape, raw)
}

// elements returns the type and the bytes of a value, Undefined for one that is not a numeric tensor.
func elements(v onnxruntime.Value) (onnx.DType, []byte) {
	switch t := v.(type) {
	case *onnxruntime.Tensor[float32]:
		return onnx.Float32, bytesOf(t.GetData())
	case *onnxruntime.Tensor[float64]:
		return onnx.Float64, bytesOf(t.GetData())
	case *onnxruntime.Tensor[int8]:
		return onnx.Int8, bytesOf(t.GetData())
	case *onnxruntime.Tensor[int16]:
		return onnx.Int16, bytesOf(t.GetData())
	case *onnxruntime.Tensor[int32]:
		return onnx.Int32, bytesOf(t.GetData())
	case *onnxruntime.Tensor[int64]:
		return onnx.Int64, bytesOf(t.GetData())
	case *onnxruntime.Tensor[uint8]:
		return onnx.Uint8, bytesOf(t.GetData())
	case *onnxruntime.Tensor[uint16]:
		return onnx.Uint16, bytesOf(t.GetData())
	case *onnxruntime.Tensor[uint32]:
		return onnx.Uint32, bytesOf(t.GetData())
	case *onnxruntime.Tensor[uint64]:
		return onnx.Uint64, bytesOf(t.GetData())
	case *onnxruntime.Tensor[bool]:
		return onnx.Bool, bytesOf(t.GetData())
	default:
		return onnx.Undefined, nil
	}
}

// bytesOf returns the memory of a slice; onnxruntime's machines are little endian, as tensors are.
func bytesOf[T any](s []T) []byte {
	if len(s) == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}
