package engine

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// SelectAndScatterMax, the gradient of max pooling, is right in compute-onnx only where windows do not overlap: its
// scatter overwrites where it should add. Overlapping windows are done here, offset by offset.
func (f *function) SelectAndScatterMax(x, grad compute.Value, window, strides []int, pads [][2]int) (compute.Value, error) {
	if len(strides) == 0 {
		strides = window
	}
	overlap := false
	for axis, size := range window {
		overlap = overlap || strides[axis] < size
	}
	if !overlap {
		return f.Function.SelectAndScatterMax(x, grad, window, strides, pads)
	}
	return f.scatterMax(x, grad, windows{window, strides, orOnes(nil, len(window)), orPads(pads, len(window))})
}

// scatterMax sends each window's gradient to the first maximum of the window in row-major order.
func (f *function) scatterMax(x, grad compute.Value, w windows) (compute.Value, error) {
	shape, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	low, err := f.neutral(compute.ReduceOpMax, shape.DType)
	if err != nil {
		return nil, err
	}
	best, err := f.ReduceWindow(x, compute.ReduceOpMax, w.sizes, w.strides, nil, nil, w.pads)
	if err != nil {
		return nil, err
	}
	around := make([]compute.PadAxis, shape.Rank())
	back := make([]compute.PadAxis, shape.Rank())
	for axis, p := range w.pads {
		around[axis] = compute.PadAxis{Start: p[0], End: p[1]}
		back[axis] = compute.PadAxis{Start: -p[0], End: -p[1]}
	}
	if x, err = f.Pad(x, low, around...); err != nil {
		return nil, err
	}
	sum, err := f.scatterOffsets(x, best, grad, w)
	if err != nil {
		return nil, err
	}
	zero, err := f.scalar(shape.DType, 0)
	if err != nil {
		return nil, err
	}
	return f.Pad(sum, zero, back...)
}

// scatterOffsets adds up, over the offsets in a window, the gradients of the windows whose maximum is at that offset.
// x is padded; best holds each window's maximum.
func (f *function) scatterOffsets(x, best, grad compute.Value, w windows) (compute.Value, error) {
	padded, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	out, err := f.Shape(best)
	if err != nil {
		return nil, err
	}
	zero, err := f.scalar(padded.DType, 0)
	if err != nil {
		return nil, err
	}
	zeros, err := f.fill(zero, out)
	if err != nil {
		return nil, err
	}
	no, err := f.scalar(dtypes.Bool, false)
	if err != nil {
		return nil, err
	}
	taken, err := f.fill(no, shapes.Make(dtypes.Bool, out.Dimensions...))
	if err != nil {
		return nil, err
	}
	var sum compute.Value
	for k := range volume(w.sizes) {
		var hit, part compute.Value
		start := offset(k, w.sizes)
		if hit, taken, err = f.claim(x, best, taken, start, out.Dimensions, w.strides); err != nil {
			return nil, err
		}
		if part, err = f.Where(hit, grad, zeros); err != nil {
			return nil, err
		}
		if part, err = f.Pad(part, zero, spread(start, out.Dimensions, padded.Dimensions, w.strides)...); err != nil {
			return nil, err
		}
		if sum, err = f.combine(compute.ReduceOpSum, sum, part); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// claim tells which windows have their maximum at the offset start and have not found it before.
func (f *function) claim(x, best, taken compute.Value, start, out, strides []int) (hit, nowTaken compute.Value, err error) {
	limits := slices.Clone(start)
	for axis := range limits {
		limits[axis] += (out[axis]-1)*strides[axis] + 1
	}
	view, err := f.Slice(x, start, limits, strides)
	if err != nil {
		return nil, nil, err
	}
	equal, err := f.Equal(view, best)
	if err != nil {
		return nil, nil, err
	}
	free, err := f.LogicalNot(taken)
	if err != nil {
		return nil, nil, err
	}
	if hit, err = f.LogicalAnd(equal, free); err != nil {
		return nil, nil, err
	}
	nowTaken, err = f.LogicalOr(taken, hit)
	return hit, nowTaken, err
}

// fill records an array of one value.
func (f *function) fill(value compute.Value, shape shapes.Shape) (compute.Value, error) {
	return f.BroadcastInDim(value, shape, nil)
}

// offset returns the k-th position of a box in row-major order.
func offset(k int, box []int) []int {
	at := make([]int, len(box))
	for axis := len(box) - 1; axis >= 0; axis-- {
		at[axis] = k % box[axis]
		k /= box[axis]
	}
	return at
}

// spread returns the padding that puts each element of an array of shape out at start + index·stride of shape padded.
func spread(start, out, padded, strides []int) []compute.PadAxis {
	axes := make([]compute.PadAxis, len(out))
	for i := range axes {
		used := start[i] + (out[i]-1)*strides[i] + 1
		axes[i] = compute.PadAxis{Start: start[i], End: padded[i] - used, Interior: strides[i] - 1}
	}
	return axes
}
