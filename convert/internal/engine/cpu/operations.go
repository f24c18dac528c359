package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

func (f *function) ArgMinMax(x compute.Value, axis int, dtype dtypes.DType, isMin bool) (compute.Value, error) {
	return f.one(&ir.Node{Op: ir.Op(compute.OpTypeArgMinMax), Attrs: ir.ArgMinMax{Axis: axis, Min: isMin}, Shape: shapes.Shape{DType: dtype}}, x)
}

func (f *function) Bitcast(x compute.Value, dtype dtypes.DType) (compute.Value, error) {
	return f.with(compute.OpTypeBitcast, dtype, x)
}

func (f *function) ConvertDType(x compute.Value, dtype dtypes.DType) (compute.Value, error) {
	return f.with(compute.OpTypeConvertDType, dtype, x)
}

func (f *function) BroadcastInDim(x compute.Value, shape shapes.Shape, axes []int) (compute.Value, error) {
	return f.one(&ir.Node{Op: ir.Op(compute.OpTypeBroadcastInDim), Attrs: list(axes), Shape: shape.Clone()}, x)
}

func (f *function) Clamp(low, x, high compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeClamp, low, x, high)
}

func (f *function) Where(condition, onTrue, onFalse compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeWhere, condition, onTrue, onFalse)
}

func (f *function) Concatenate(axis int, operands ...compute.Value) (compute.Value, error) {
	return f.with(compute.OpTypeConcatenate, axis, operands...)
}

func (f *function) ConvGeneral(input, kernel compute.Value, axes compute.ConvolveAxesConfig, strides []int, pads [][2]int,
	inputDilations, kernelDilations []int, channelGroups, batchGroups int,
) (compute.Value, error) {
	spatial := len(axes.InputSpatial)
	a := ir.Convolution{
		Axes: axes.Clone(), Strides: orOnes(strides, spatial), Pads: orZeros(pads, spatial),
		InputDilations: orOnes(inputDilations, spatial), KernelDilations: orOnes(kernelDilations, spatial),
		ChannelGroups: max(channelGroups, 1), BatchGroups: max(batchGroups, 1),
	}
	return f.with(compute.OpTypeConvGeneral, a, input, kernel)
}

func (f *function) CumSum(x compute.Value, axis int, options compute.CumSumOptions) (compute.Value, error) {
	return f.with(compute.OpTypeCumSum, ir.CumSum{Axis: axis, Options: options}, x)
}

func (f *function) DotGeneral(lhs compute.Value, lhsContracting, lhsBatch []int, rhs compute.Value, rhsContracting, rhsBatch []int,
	config compute.DotGeneralConfig,
) (compute.Value, error) {
	a := ir.Dot{
		LHSContracting: list(lhsContracting), LHSBatch: list(lhsBatch),
		RHSContracting: list(rhsContracting), RHSBatch: list(rhsBatch), Config: config,
	}
	return f.with(compute.OpTypeDotGeneral, a, lhs, rhs)
}

func (f *function) Gather(operand, indices compute.Value, indexVectorAxis int, offsetOutputAxes, collapsedSliceAxes, startIndexMap, sliceSizes []int,
	sorted bool,
) (compute.Value, error) {
	a := ir.Gather{
		IndexVectorAxis: indexVectorAxis, OffsetOutputAxes: list(offsetOutputAxes), CollapsedSliceAxes: list(collapsedSliceAxes),
		StartIndexMap: list(startIndexMap), SliceSizes: list(sliceSizes), Sorted: sorted,
	}
	return f.with(compute.OpTypeGather, a, operand, indices)
}

func (f *function) ScatterSum(operand, indices, updates compute.Value, indexVectorAxis int, window, inserted, toOperand []int, sorted, unique bool) (compute.Value, error) {
	return f.with(compute.OpTypeScatterSum, scatter(indexVectorAxis, window, inserted, toOperand, sorted, unique), operand, indices, updates)
}

func (f *function) ScatterMax(operand, indices, updates compute.Value, indexVectorAxis int, window, inserted, toOperand []int, sorted, unique bool) (compute.Value, error) {
	return f.with(compute.OpTypeScatterMax, scatter(indexVectorAxis, window, inserted, toOperand, sorted, unique), operand, indices, updates)
}

func (f *function) ScatterMin(operand, indices, updates compute.Value, indexVectorAxis int, window, inserted, toOperand []int, sorted, unique bool) (compute.Value, error) {
	return f.with(compute.OpTypeScatterMin, scatter(indexVectorAxis, window, inserted, toOperand, sorted, unique), operand, indices, updates)
}

func scatter(indexVectorAxis int, window, inserted, toOperand []int, sorted, unique bool) ir.Scatter {
	return ir.Scatter{
		IndexVectorAxis: indexVectorAxis, UpdateWindowAxes: list(window), InsertedWindowAxes: list(inserted),
		ScatterAxesToOperandAxes: list(toOperand), Sorted: sorted, Unique: unique,
	}
}

func (f *function) Iota(shape shapes.Shape, axis int) (compute.Value, error) {
	return f.one(&ir.Node{Op: ir.Op(compute.OpTypeIota), Attrs: axis, Shape: shape.Clone()})
}

func (f *function) Pad(x, fill compute.Value, axes ...compute.PadAxis) (compute.Value, error) {
	rank, err := f.rank(x)
	if err != nil || len(axes) > rank {
		return nil, fmt.Errorf("cpu: Pad: want at most %d axes, got %d: %w", rank, len(axes), err)
	}
	return f.with(compute.OpTypePad, append(slices.Clone(axes), make([]compute.PadAxis, rank-len(axes))...), x, fill)
}

func (f *function) Reshape(x compute.Value, dims ...int) (compute.Value, error) {
	return f.one(&ir.Node{Op: ir.Op(compute.OpTypeReshape), Shape: shapes.Shape{Dimensions: list(dims)}}, x)
}

func (f *function) Reverse(x compute.Value, axes ...int) (compute.Value, error) {
	return f.with(compute.OpTypeReverse, list(axes), x)
}

func (f *function) Transpose(x compute.Value, permutation ...int) (compute.Value, error) {
	return f.with(compute.OpTypeTranspose, list(permutation), x)
}

func (f *function) Slice(x compute.Value, starts, limits, strides []int) (compute.Value, error) {
	return f.with(compute.OpTypeSlice, ir.Slice{Starts: list(starts), Limits: list(limits), Strides: orOnes(strides, len(starts))}, x)
}

func (f *function) RNGBitGenerator(state compute.Value, shape shapes.Shape) (newState, values compute.Value, err error) {
	n := &ir.Node{Op: ir.Op(compute.OpTypeRNGBitGenerator), Shapes: []shapes.Shape{compute.RNGStateShape, shape.Clone()}}
	out, err := f.record(n, state)
	if err != nil {
		return nil, nil, err
	}
	return out[0], out[1], nil
}

func (f *function) ReduceWindow(x compute.Value, reduction compute.ReduceOpType, window, strides, inputDilations, windowDilations []int, pads [][2]int) (compute.Value, error) {
	rank, err := f.rank(x)
	if err != nil {
		return nil, err
	}
	return f.with(compute.OpTypeReduceWindow, windows(rank, reduction, window, strides, inputDilations, windowDilations, pads), x)
}

func (f *function) SelectAndScatterMax(x, source compute.Value, window, strides []int, pads [][2]int) (compute.Value, error) {
	return f.selectAndScatter(compute.OpTypeSelectAndScatterMax, compute.ReduceOpMax, x, source, window, strides, pads)
}

func (f *function) SelectAndScatterMin(x, source compute.Value, window, strides []int, pads [][2]int) (compute.Value, error) {
	return f.selectAndScatter(compute.OpTypeSelectAndScatterMin, compute.ReduceOpMin, x, source, window, strides, pads)
}

func (f *function) selectAndScatter(op compute.OpType, reduction compute.ReduceOpType, x, source compute.Value, window, strides []int, pads [][2]int) (compute.Value, error) {
	rank, err := f.rank(x)
	if err != nil {
		return nil, err
	}
	return f.with(op, windows(rank, reduction, window, strides, nil, nil, pads), x, source)
}

// windows fills in the defaults: windows of one element, strides as long as the window, nothing dilated or padded.
func windows(rank int, reduction compute.ReduceOpType, window, strides, inputDilations, windowDilations []int, pads [][2]int) ir.Window {
	window = orOnes(window, rank)
	if len(strides) == 0 {
		strides = window
	}
	return ir.Window{
		Reduction: reduction, Window: window, Strides: slices.Clone(strides),
		InputDilations: orOnes(inputDilations, rank), WindowDilations: orOnes(windowDilations, rank), Pads: orZeros(pads, rank),
	}
}

// OptimizationBarrier keeps the values as they are.
func (f *function) OptimizationBarrier(operands ...compute.Value) ([]compute.Value, error) {
	out := make([]compute.Value, len(operands))
	for i, x := range operands {
		var err error
		if out[i], err = f.Identity(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *function) SchedulingBarrier(x compute.Value, dependencies ...compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeSchedulingBarrier, append([]compute.Value{x}, dependencies...)...)
}

// reduce fills in the default: all axes.
func (f *function) reduce(op compute.OpType, x compute.Value, axes []int) (compute.Value, error) {
	rank, err := f.rank(x)
	if err != nil {
		return nil, err
	}
	axes = list(axes)
	if len(axes) == 0 {
		for axis := range rank {
			axes = append(axes, axis)
		}
	}
	return f.with(op, axes, x)
}

func (f *function) rank(x compute.Value) (int, error) {
	shape, err := f.Shape(x)
	return shape.Rank(), err
}

// list is a copy that is not nil.
func list(a []int) []int { return append([]int{}, a...) }

func ones(n int) []int { return slices.Repeat([]int{1}, n) }

func orOnes(a []int, n int) []int {
	if len(a) == 0 {
		return ones(n)
	}
	return slices.Clone(a)
}

func orZeros(a [][2]int, n int) [][2]int {
	if len(a) == 0 {
		return make([][2]int, n)
	}
	return slices.Clone(a)
}
