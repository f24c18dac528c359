package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Tensor is a typed array. It is immutable; its bytes may still be in a file until they are asked for.
// A Tensor may be shared by goroutines.
type Tensor struct {
	dtype   DType
	shape   []int
	bytes   []byte // little endian, C order; nil when the elements are still in from
	strings []string
	from    *stored // where the tensor was read from, nil for a tensor made in memory
}

// NewTensor returns a tensor over raw, which is little endian in C order (last axis fastest) and is not
// copied: the caller must not change it afterwards. A length that does not fit the shape is an error.
func NewTensor(dtype DType, shape []int, raw []byte) (*Tensor, error) {
	if dtype.Bits() == 0 {
		return nil, fmt.Errorf("onnx: tensor of %v: elements of this type have no fixed size", dtype)
	}
	n, err := Elements(shape)
	if err != nil {
		return nil, err
	}
	if want := dtype.bytesFor(n); want != len(raw) {
		return nil, fmt.Errorf("onnx: %v tensor of shape %v: want %d bytes, got %d", dtype, shape, want, len(raw))
	}
	return &Tensor{dtype: dtype, shape: slices.Clone(shape), bytes: raw}, nil
}

// FromFloat32 returns a float32 tensor with a copy of data, which is in C order (last axis fastest).
func FromFloat32(shape []int, data []float32) (*Tensor, error) {
	raw := make([]byte, 4*len(data))
	for i, v := range data {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(v))
	}
	return NewTensor(Float32, shape, raw)
}

// FromInt64 returns an int64 tensor with a copy of data, which is in C order.
func FromInt64(shape []int, data []int64) (*Tensor, error) {
	raw := make([]byte, 8*len(data))
	for i, v := range data {
		binary.LittleEndian.PutUint64(raw[8*i:], uint64(v))
	}
	return NewTensor(Int64, shape, raw)
}

// DType returns the type of the elements.
func (t *Tensor) DType() DType { return t.dtype }

// Shape returns the sizes of the axes; a scalar has none.
func (t *Tensor) Shape() []int { return slices.Clone(t.shape) }

// Len returns the number of elements, 0 when the file gives the tensor an impossible shape.
func (t *Tensor) Len() int {
	n, err := Elements(t.shape)
	if err != nil {
		return 0
	}
	return n
}

// Bytes returns the elements, little endian in C order, shared with the tensor: the caller must not
// change them. Bytes that are still in the model's file are read at each call and not kept.
// A tensor of strings has none: see Strings.
func (t *Tensor) Bytes() ([]byte, error) {
	if t.bytes != nil || t.from == nil {
		return t.bytes, nil
	}
	return t.from.load(t)
}

// Strings returns the elements of a tensor of strings.
func (t *Tensor) Strings() ([]string, error) {
	if t.dtype != String {
		return nil, fmt.Errorf("onnx: tensor: want strings, got %v", t.dtype)
	}
	if t.from == nil {
		return t.strings, nil
	}
	return t.from.loadStrings(t)
}

// FromStrings returns a tensor of strings with a copy of data, which is in C order.
func FromStrings(shape []int, data []string) (*Tensor, error) {
	n, err := Elements(shape)
	if err != nil {
		return nil, err
	}
	if n != len(data) {
		return nil, fmt.Errorf("onnx: string tensor of shape %v: want %d elements, got %d", shape, n, len(data))
	}
	return &Tensor{dtype: String, shape: slices.Clone(shape), strings: slices.Clone(data)}, nil
}

// Elements returns the product of the sizes, or an error when one is negative or the product overflows.
func Elements(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("onnx: shape %v has a negative size", shape)
		}
		if d > 0 && n > math.MaxInt/16/d {
			return 0, fmt.Errorf("onnx: shape %v has too many elements", shape)
		}
		n *= d
	}
	return n, nil
}
