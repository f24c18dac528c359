package engine

import (
	"slices"

	"github.com/gomlx/compute"
)

// Pad supports what ONNX's Pad lacks: padding between elements. Negative amounts, which crop, it has.
func (f *function) Pad(x, fill compute.Value, axes ...compute.PadAxis) (compute.Value, error) {
	ends := make([]compute.PadAxis, len(axes))
	for axis, a := range axes {
		var err error
		if x, err = f.stuff(x, fill, axis, a.Interior); err != nil {
			return nil, err
		}
		ends[axis] = compute.PadAxis{Start: a.Start, End: a.End}
	}
	return f.Function.Pad(x, fill, ends...)
}

// stuff puts n copies of fill between neighbours along axis: [.. size ..] becomes [.. size, n+1 ..] with the fill
// behind each element, is flattened, and loses the last n.
func (f *function) stuff(x, fill compute.Value, axis, n int) (compute.Value, error) {
	shape, err := f.Shape(x)
	if err != nil || n == 0 || shape.Dimensions[axis] <= 1 {
		return x, err
	}
	size, step := shape.Dimensions[axis], n+1
	split := slices.Insert(slices.Clone(shape.Dimensions), axis+1, 1)
	if x, err = f.Reshape(x, split...); err != nil {
		return nil, err
	}
	behind := make([]compute.PadAxis, len(split))
	behind[axis+1].End = n
	if x, err = f.Function.Pad(x, fill, behind...); err != nil {
		return nil, err
	}
	joined := slices.Clone(shape.Dimensions)
	joined[axis] = size * step
	if x, err = f.Reshape(x, joined...); err != nil {
		return nil, err
	}
	return f.crop(x, axis, 0, n)
}

// crop removes elements from the two ends of an axis.
func (f *function) crop(x compute.Value, axis, start, end int) (compute.Value, error) {
	if start == 0 && end == 0 {
		return x, nil
	}
	shape, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	starts := make([]int, shape.Rank())
	limits := slices.Clone(shape.Dimensions)
	starts[axis] = start
	limits[axis] -= end
	return f.Slice(x, starts, limits, nil)
}

// Slice fills in the strides that callers may leave out.
func (f *function) Slice(x compute.Value, starts, limits, strides []int) (compute.Value, error) {
	return f.Function.Slice(x, starts, limits, orOnes(strides, len(starts)))
}
