package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Float32 returns a copy of the elements of a float16, bfloat16, float32 or float64 tensor; float64 is
// rounded. Any other type is an error.
func (t *Tensor) Float32() ([]float32, error) {
	raw, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	out := make([]float32, t.Len())
	switch t.dtype {
	case Float32:
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	case Float64:
		for i := range out {
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:])))
		}
	case Float16:
		for i := range out {
			out[i] = halfToFloat(binary.LittleEndian.Uint16(raw[2*i:]))
		}
	case BFloat16:
		for i := range out {
			out[i] = bfloatToFloat(binary.LittleEndian.Uint16(raw[2*i:]))
		}
	default:
		return nil, fmt.Errorf("onnx: tensor: want floating point, got %v", t.dtype)
	}
	return out, nil
}

// Int64 returns a copy of the elements of an integer or bool tensor. A uint64 above the range of int64 and
// any other type is an error.
func (t *Tensor) Int64() ([]int64, error) {
	raw, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	get := integerReader(t.dtype)
	if get == nil {
		return nil, fmt.Errorf("onnx: tensor: want integers, got %v", t.dtype)
	}
	out := make([]int64, t.Len())
	for i := range out {
		out[i] = get(raw, i)
		if t.dtype == Uint64 && out[i] < 0 {
			return nil, fmt.Errorf("onnx: tensor: element %d is above the range of int64", i)
		}
	}
	return out, nil
}

func integerReader(d DType) func([]byte, int) int64 {
	le := binary.LittleEndian
	switch d {
	case Int64, Uint64:
		return func(b []byte, i int) int64 { return int64(le.Uint64(b[8*i:])) }
	case Int32:
		return func(b []byte, i int) int64 { return int64(int32(le.Uint32(b[4*i:]))) }
	case Uint32:
		return func(b []byte, i int) int64 { return int64(le.Uint32(b[4*i:])) }
	case Int16:
		return func(b []byte, i int) int64 { return int64(int16(le.Uint16(b[2*i:]))) }
	case Uint16:
		return func(b []byte, i int) int64 { return int64(le.Uint16(b[2*i:])) }
	case Int8:
		return func(b []byte, i int) int64 { return int64(int8(b[i])) }
	case Uint8, Bool:
		return func(b []byte, i int) int64 { return int64(b[i]) }
	case Uint4:
		return func(b []byte, i int) int64 { return int64(b[i/2] >> (4 * (i % 2)) & 15) }
	case Int4:
		return func(b []byte, i int) int64 { return int64(int8(b[i/2]>>(4*(i%2))<<4) >> 4) }
	case Uint2:
		return func(b []byte, i int) int64 { return int64(b[i/4] >> (2 * (i % 4)) & 3) }
	case Int2:
		return func(b []byte, i int) int64 { return int64(int8(b[i/4]>>(2*(i%4))<<6) >> 6) }
	default:
		return nil
	}
}

// Loss counts what a conversion to a smaller type could not hold.
type Loss struct {
	Overflow  int // finite values that became infinite
	Underflow int // values that became zero or subnormal
}

// Convert returns the tensor with another floating point type, rounded to nearest even, and what was lost.
// Both types must be float16, bfloat16, float32 or float64; a tensor that has the type already is returned itself.
func (t *Tensor) Convert(to DType) (*Tensor, Loss, error) {
	if t.dtype == to {
		return t, Loss{}, nil
	}
	if !t.dtype.Float() || !to.Float() {
		return nil, Loss{}, fmt.Errorf("onnx: convert tensor: want floating point types, got %v to %v", t.dtype, to)
	}
	raw, err := t.Bytes()
	if err != nil {
		return nil, Loss{}, err
	}
	n := t.Len()
	out := make([]byte, to.bytesFor(n))
	loss := Loss{}
	for i := range n {
		v := floatAt(raw, t.dtype, i)
		got := putFloat(out, to, i, v)
		loss.count(v, got, smallestNormal(to))
	}
	res, err := NewTensor(to, t.shape, out)
	return res, loss, err
}

func (l *Loss) count(v, got, normal float64) {
	if math.IsInf(got, 0) && !math.IsInf(v, 0) {
		l.Overflow++
	}
	if v != 0 && math.Abs(got) < normal && math.Abs(v) != math.Abs(got) {
		l.Underflow++
	}
}

func smallestNormal(d DType) float64 {
	switch d {
	case Float16:
		return 0x1p-14
	case Float64:
		return 0x1p-1022
	default:
		return 0x1p-126
	}
}

func floatAt(b []byte, d DType, i int) float64 {
	le := binary.LittleEndian
	switch d {
	case Float64:
		return math.Float64frombits(le.Uint64(b[8*i:]))
	case Float16:
		return float64(halfToFloat(le.Uint16(b[2*i:])))
	case BFloat16:
		return float64(bfloatToFloat(le.Uint16(b[2*i:])))
	default:
		return float64(math.Float32frombits(le.Uint32(b[4*i:])))
	}
}

// putFloat stores v and returns what was stored. float64 to the 16-bit types rounds by way of float32.
func putFloat(b []byte, d DType, i int, v float64) float64 {
	le := binary.LittleEndian
	switch d {
	case Float64:
		le.PutUint64(b[8*i:], math.Float64bits(v))
		return v
	case Float16:
		h := floatToHalf(float32(v))
		le.PutUint16(b[2*i:], h)
		return float64(halfToFloat(h))
	case BFloat16:
		h := floatToBFloat(float32(v))
		le.PutUint16(b[2*i:], h)
		return float64(bfloatToFloat(h))
	default:
		le.PutUint32(b[4*i:], math.Float32bits(float32(v)))
		return float64(float32(v))
	}
}
