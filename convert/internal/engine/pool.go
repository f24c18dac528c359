package engine

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// ReduceWindow supports what ONNX's pools lack: minima and products, dilated sums, dilated inputs, windows over batch
// or channels. Maxima and plain sums over space stay native.
func (f *function) ReduceWindow(x compute.Value, op compute.ReduceOpType, window, strides, inputDilations, windowDilations []int,
	pads [][2]int,
) (compute.Value, error) {
	shape, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	rank := shape.Rank()
	w := windows{window, strides, orOnes(windowDilations, rank), orPads(pads, rank)}
	if len(strides) == 0 {
		w.strides = window
	}
	if w.native(op, shape.DType) && !anyAbove(inputDilations, 1) {
		return f.Function.ReduceWindow(x, op, w.sizes, w.strides, nil, w.dilations, w.pads)
	}
	neutral, err := f.neutral(op, shape.DType)
	if err != nil {
		return nil, err
	}
	for axis, d := range inputDilations {
		if x, err = f.stuff(x, neutral, axis, d-1); err != nil {
			return nil, err
		}
	}
	return f.separable(x, op, neutral, w)
}

// windows says how a pool moves over an array: one entry an axis.
type windows struct {
	sizes, strides, dilations []int
	pads                      [][2]int
}

// native tells whether an ONNX pool does it: windows over space alone, padding smaller than the window.
func (w windows) native(op compute.ReduceOpType, dtype dtypes.DType) bool {
	if op != compute.ReduceOpMax && (op != compute.ReduceOpSum || anyAbove(w.dilations, 1) || !dtype.IsFloat()) {
		return false
	}
	rank := len(w.sizes)
	if rank >= 3 && (w.sizes[0] != 1 || w.sizes[1] != 1 && w.sizes[rank-1] != 1) {
		return false
	}
	for axis, p := range w.pads {
		if size := w.sizes[axis]; p[0] < 0 || p[1] < 0 || size > 1 && (p[0] >= size || p[1] >= size) || size == 1 && p != [2]int{} {
			return false
		}
	}
	return true
}

// neutral records the value that does not change what op reduces.
func (f *function) neutral(op compute.ReduceOpType, dtype dtypes.DType) (compute.Value, error) {
	switch op {
	case compute.ReduceOpSum:
		return f.scalar(dtype, 0)
	case compute.ReduceOpProduct:
		return f.scalar(dtype, 1)
	case compute.ReduceOpMax, compute.ReduceOpMin:
		low, err := lowest(dtype)
		if err != nil {
			return nil, err
		}
		if op == compute.ReduceOpMin {
			low = dtype.HighestValue()
		}
		return f.scalar(dtype, low)
	}
	return nil, fmt.Errorf("%w: window reduction %s", compute.ErrNotImplemented, op)
}

// separable reduces axis by axis: windows are boxes and op is associative, so k·d slices do instead of k^d.
func (f *function) separable(x compute.Value, op compute.ReduceOpType, neutral compute.Value, w windows) (compute.Value, error) {
	padding := make([]compute.PadAxis, len(w.pads))
	padded := false
	for axis, p := range w.pads {
		padding[axis] = compute.PadAxis{Start: p[0], End: p[1]}
		padded = padded || p != [2]int{}
	}
	var err error
	if padded {
		if x, err = f.Pad(x, neutral, padding...); err != nil {
			return nil, err
		}
	}
	for axis := range w.sizes {
		if w.sizes[axis] == 1 && w.strides[axis] == 1 {
			continue
		}
		if x, err = f.reduceAxis(x, op, axis, w); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// reduceAxis combines the strided views of x that start at each offset of the window along one axis.
func (f *function) reduceAxis(x compute.Value, op compute.ReduceOpType, axis int, w windows) (compute.Value, error) {
	shape, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	reach := (w.sizes[axis]-1)*w.dilations[axis] + 1
	span := (shape.Dimensions[axis]-reach)/w.strides[axis]*w.strides[axis] + 1
	strides := orOnes(nil, shape.Rank())
	strides[axis] = w.strides[axis]
	var sum compute.Value
	for k := range w.sizes[axis] {
		starts := make([]int, shape.Rank())
		limits := slices.Clone(shape.Dimensions)
		starts[axis] = k * w.dilations[axis]
		limits[axis] = starts[axis] + span
		view, err := f.Slice(x, starts, limits, strides)
		if err != nil {
			return nil, err
		}
		if sum, err = f.combine(op, sum, view); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// combine applies op to a and b; a may be nil.
func (f *function) combine(op compute.ReduceOpType, a, b compute.Value) (compute.Value, error) {
	if a == nil {
		return b, nil
	}
	switch op {
	case compute.ReduceOpMax:
		return f.Max(a, b)
	case compute.ReduceOpMin:
		return f.Min(a, b)
	case compute.ReduceOpProduct:
		return f.Mul(a, b)
	}
	return f.Add(a, b)
}
