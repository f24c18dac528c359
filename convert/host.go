package convert

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// host is a constant that is known while a graph is built: shape arithmetic, scales, axes, bounds. It
// is immutable. One of the two slices holds the elements in C order.
type host struct {
	dtype  onnx.DType
	shape  []int
	ints   []int64   // integers and booleans (0, 1)
	floats []float64 // all float types
}

// newHost returns an array of zeros.
func newHost(dtype onnx.DType, shape []int) *host {
	n, err := onnx.Elements(shape)
	if err != nil {
		failWith(err)
	}
	if n > maxHost {
		fail("a constant of shape %v is too large to compute while the graph is built", shape)
	}
	h := &host{dtype: dtype, shape: slices.Clone(shape)}
	if isReal(dtype) {
		h.floats = make([]float64, n)
	} else {
		h.ints = make([]int64, n)
	}
	return h
}

// maxHost bounds the elements of a constant that the host computes: 16 Mi.
const maxHost = 1 << 24

// hostTensor reads a stored tensor. Strings and complex numbers have no host form.
func hostTensor(t *onnx.Tensor) (*host, error) {
	h := &host{dtype: t.DType(), shape: t.Shape()}
	if f, ok := smallFloat(t.DType()); ok {
		v, err := unpacked(t, f)
		h.floats = v
		return h, err
	}
	if t.DType().Float() {
		v, err := tensorFloats(t)
		h.floats = v
		return h, err
	}
	v, err := t.Int64()
	h.ints = v
	return h, err
}

// len returns the number of elements.
func (h *host) len() int { return len(h.ints) + len(h.floats) }

// at returns an element as a real number.
func (h *host) at(i int) float64 {
	if isReal(h.dtype) {
		return h.floats[i]
	}
	return float64(h.ints[i])
}

// set stores a real number, rounded towards zero in an integer array, as 0 or 1 in a boolean one.
func (h *host) set(i int, v float64) {
	switch {
	case isReal(h.dtype):
		h.floats[i] = v
	case h.dtype == onnx.Bool:
		h.ints[i] = truth(v != 0)
	default:
		h.ints[i] = toInt(v)
	}
}

// countable fails for a number of things that is too large to go through one by one while a graph is built.
func countable(n int) {
	if n > maxHost {
		fail("%d elements are too many to go through while the graph is built", n)
	}
}

// toInt rounds towards zero; what int64 cannot hold saturates.
func toInt(v float64) int64 {
	switch {
	case v != v:
		return 0
	case v >= math.MaxInt64:
		return math.MaxInt64
	case v <= math.MinInt64:
		return math.MinInt64
	}
	return int64(v)
}

// truth is 1 for true.
func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// reshaped returns the same elements in another shape of the same size.
func (h *host) reshaped(shape []int) *host {
	c := *h
	c.shape = slices.Clone(shape)
	return &c
}

// cast converts to another type as ONNX's Cast does.
func (h *host) cast(to onnx.DType) *host {
	if h.dtype == to {
		return h
	}
	if isReal(to) {
		return h.castReal(to, true, "up")
	}
	out := newHost(to, h.shape)
	for i := range h.len() {
		switch {
		case !isReal(h.dtype):
			out.ints[i] = wrap(h.ints[i], to)
		case to == onnx.Bool:
			out.ints[i] = truth(h.floats[i] != 0)
		case to.Bits() < 8:
			out.ints[i] = wrap(toInt(h.floats[i]), to)
		default:
			out.set(i, h.floats[i])
		}
	}
	return out
}

// wrap truncates an integer to the bits of its type.
func wrap(v int64, t onnx.DType) int64 {
	switch t {
	case onnx.Bool:
		return truth(v != 0)
	case onnx.Int8:
		return int64(int8(v))
	case onnx.Uint8:
		return int64(uint8(v))
	case onnx.Uint4:
		return v & 15
	case onnx.Int4:
		return int64(int8(v<<4) >> 4)
	case onnx.Uint2:
		return v & 3
	case onnx.Int2:
		return int64(int8(v<<6) >> 6)
	case onnx.Int16:
		return int64(int16(v))
	case onnx.Uint16:
		return int64(uint16(v))
	case onnx.Int32:
		return int64(int32(v))
	case onnx.Uint32:
		return int64(uint32(v))
	}
	return v
}

// pick returns the elements at the given flat positions, in the given shape.
func (h *host) pick(shape []int, at []int) *host {
	out := newHost(h.dtype, shape)
	for i, j := range at {
		if isReal(h.dtype) {
			out.floats[i] = h.floats[j]
		} else {
			out.ints[i] = h.ints[j]
		}
	}
	return out
}

// strides returns the distance between neighbours along each axis in C order.
func strides(shape []int) []int {
	s := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = step
		step *= shape[i]
	}
	return s
}

// walk calls fn with the flat position and the index of every element of the shape, in C order. The
// index is reused between calls.
func walk(shape []int, fn func(flat int, index []int)) {
	n := product(shape)
	index := make([]int, len(shape))
	for flat := range n {
		fn(flat, index)
		for a := len(shape) - 1; a >= 0; a-- {
			index[a]++
			if index[a] < shape[a] {
				break
			}
			index[a] = 0
		}
	}
}

// product multiplies sizes.
func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// broadcastShape returns the common shape of numpy's broadcasting.
func broadcastShape(shapes ...[]int) []int {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := make([]int, rank)
	for i := range out {
		out[i] = 1
	}
	for _, s := range shapes {
		for i, d := range s {
			o := &out[rank-len(s)+i]
			switch {
			case d == *o || d == 1:
			case *o == 1:
				*o = d
			default:
				fail("shapes %v do not broadcast together", shapes)
			}
		}
	}
	return out
}
