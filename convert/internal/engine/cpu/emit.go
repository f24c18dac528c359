package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

// emit adds the operation of a node to another backend's function, and returns its outputs. The recorder checks every
// operation so; the fallback and the tests' oracle replay graphs with it. Parameters and the operations of package ir
// itself are not emitted.
func emit(f compute.Function, n *ir.Node, in []compute.Value) ([]compute.Value, error) {
	op := n.Op.Of()
	if fn := unary(op); fn != nil {
		return single(fn(f, in[0]))
	}
	if fn := binary(op); fn != nil {
		return single(fn(f, in[0], in[1]))
	}
	if fn := reduction(op); fn != nil {
		return single(fn(f, in[0], n.Attrs.([]int)...))
	}
	switch a := n.Attrs.(type) {
	case ir.Convolution:
		return single(f.ConvGeneral(in[0], in[1], a.Axes, a.Strides, a.Pads, a.InputDilations, a.KernelDilations, a.ChannelGroups, a.BatchGroups))
	case ir.Dot:
		return single(f.DotGeneral(in[0], a.LHSContracting, a.LHSBatch, in[1], a.RHSContracting, a.RHSBatch, a.Config))
	case ir.Slice:
		return single(f.Slice(in[0], a.Starts, a.Limits, a.Strides))
	case ir.Window:
		return emitWindow(f, op, a, in)
	case ir.Gather:
		return single(f.Gather(in[0], in[1], a.IndexVectorAxis, a.OffsetOutputAxes, a.CollapsedSliceAxes, a.StartIndexMap, a.SliceSizes, a.Sorted))
	case ir.Scatter:
		return emitScatter(f, op, a, in)
	case ir.ArgMinMax:
		return single(f.ArgMinMax(in[0], a.Axis, n.Shape.DType, a.Min))
	case ir.CumSum:
		return single(f.CumSum(in[0], a.Axis, a.Options))
	case []compute.PadAxis:
		return emitPad(f, a, in)
	case dtypes.DType:
		if op == compute.OpTypeBitcast {
			return single(f.Bitcast(in[0], a))
		}
		return single(f.ConvertDType(in[0], a))
	}
	return emitShaped(f, n, in)
}

// emitShaped adds the operations that are told by their result's shape, or take no attributes.
func emitShaped(f compute.Function, n *ir.Node, in []compute.Value) ([]compute.Value, error) {
	switch op := n.Op.Of(); op {
	case compute.OpTypeConstant:
		return single(f.Constant(n.Attrs, n.Shape.Dimensions...))
	case compute.OpTypeReshape:
		return single(f.Reshape(in[0], n.Shape.Dimensions...))
	case compute.OpTypeBroadcastInDim:
		return single(f.BroadcastInDim(in[0], n.Shape, n.Attrs.([]int)))
	case compute.OpTypeIota:
		return single(f.Iota(n.Shape, n.Attrs.(int)))
	case compute.OpTypeConcatenate:
		return single(f.Concatenate(n.Attrs.(int), in...))
	case compute.OpTypeReverse:
		return single(f.Reverse(in[0], n.Attrs.([]int)...))
	case compute.OpTypeTranspose:
		return single(f.Transpose(in[0], n.Attrs.([]int)...))
	case compute.OpTypeClamp:
		return single(f.Clamp(in[0], in[1], in[2]))
	case compute.OpTypeWhere:
		return single(f.Where(in[0], in[1], in[2]))
	case compute.OpTypeSchedulingBarrier:
		return single(f.SchedulingBarrier(in[0], in[1:]...))
	case compute.OpTypeRNGBitGenerator:
		state, values, err := f.RNGBitGenerator(in[0], n.Shapes[1])
		return []compute.Value{state, values}, err
	default:
		return nil, fmt.Errorf("cpu: %s with %T: %w", op, n.Attrs, compute.ErrNotImplemented)
	}
}

func emitWindow(f compute.Function, op compute.OpType, a ir.Window, in []compute.Value) ([]compute.Value, error) {
	switch op {
	case compute.OpTypeReduceWindow:
		return single(f.ReduceWindow(in[0], a.Reduction, a.Window, a.Strides, a.InputDilations, a.WindowDilations, a.Pads))
	case compute.OpTypeSelectAndScatterMin:
		return single(f.SelectAndScatterMin(in[0], in[1], a.Window, a.Strides, a.Pads))
	default:
		return single(f.SelectAndScatterMax(in[0], in[1], a.Window, a.Strides, a.Pads))
	}
}

func emitScatter(f compute.Function, op compute.OpType, a ir.Scatter, in []compute.Value) ([]compute.Value, error) {
	scatter := f.ScatterSum
	switch op {
	case compute.OpTypeScatterMax:
		scatter = f.ScatterMax
	case compute.OpTypeScatterMin:
		scatter = f.ScatterMin
	}
	return single(scatter(in[0], in[1], in[2], a.IndexVectorAxis, a.UpdateWindowAxes, a.InsertedWindowAxes,
		a.ScatterAxesToOperandAxes, a.Sorted, a.Unique))
}

// emitPad pads, then slices where the padding is negative: GoMLX's interpreter writes out of bounds there.
func emitPad(f compute.Function, pads []compute.PadAxis, in []compute.Value) ([]compute.Value, error) {
	grown := slices.Clone(pads)
	crop := false
	for i, p := range pads {
		grown[i].Start, grown[i].End = max(p.Start, 0), max(p.End, 0)
		crop = crop || grown[i] != p
	}
	padded, err := f.Pad(in[0], in[1], grown...)
	if err != nil || !crop {
		return single(padded, err)
	}
	shape, err := f.Shape(padded)
	if err != nil {
		return nil, err
	}
	starts, limits, strides := make([]int, shape.Rank()), slices.Clone(shape.Dimensions), ones(shape.Rank())
	for i, p := range pads {
		starts[i], limits[i] = max(-p.Start, 0), limits[i]-max(-p.End, 0)
	}
	return single(f.Slice(padded, starts, limits, strides))
}

// single is a list of one value.
func single(v compute.Value, err error) ([]compute.Value, error) { return []compute.Value{v}, err }

// unary returns the method that adds an operation on one value without attributes, or nil.
func unary(op compute.OpType) func(compute.Function, compute.Value) (compute.Value, error) { //nolint:cyclop,funlen // a table
	switch op {
	case compute.OpTypeIdentity:
		return compute.Function.Identity
	case compute.OpTypeAbs:
		return compute.Function.Abs
	case compute.OpTypeBitCount:
		return compute.Function.BitCount
	case compute.OpTypeBitwiseNot:
		return compute.Function.BitwiseNot
	case compute.OpTypeCeil:
		return compute.Function.Ceil
	case compute.OpTypeClz:
		return compute.Function.Clz
	case compute.OpTypeCos:
		return compute.Function.Cos
	case compute.OpTypeErf:
		return compute.Function.Erf
	case compute.OpTypeExp:
		return compute.Function.Exp
	case compute.OpTypeExpm1:
		return compute.Function.Expm1
	case compute.OpTypeFloor:
		return compute.Function.Floor
	case compute.OpTypeIsFinite:
		return compute.Function.IsFinite
	case compute.OpTypeIsNaN:
		return compute.Function.IsNaN
	case compute.OpTypeLog:
		return compute.Function.Log
	case compute.OpTypeLog1p:
		return compute.Function.Log1p
	case compute.OpTypeLogicalNot:
		return compute.Function.LogicalNot
	case compute.OpTypeLogistic:
		return compute.Function.Logistic
	case compute.OpTypeNeg:
		return compute.Function.Neg
	case compute.OpTypeRound:
		return compute.Function.Round
	case compute.OpTypeRsqrt:
		return compute.Function.Rsqrt
	case compute.OpTypeSign:
		return compute.Function.Sign
	case compute.OpTypeSin:
		return compute.Function.Sin
	case compute.OpTypeSqrt:
		return compute.Function.Sqrt
	case compute.OpTypeTanh:
		return compute.Function.Tanh
	default:
		return nil
	}
}

// binary returns the method that adds an operation on two values without attributes, or nil.
func binary(op compute.OpType) func(compute.Function, compute.Value, compute.Value) (compute.Value, error) { //nolint:cyclop,funlen // a table
	switch op {
	case compute.OpTypeAdd:
		return compute.Function.Add
	case compute.OpTypeAtan2:
		return compute.Function.Atan2
	case compute.OpTypeBitwiseAnd:
		return compute.Function.BitwiseAnd
	case compute.OpTypeBitwiseOr:
		return compute.Function.BitwiseOr
	case compute.OpTypeBitwiseXor:
		return compute.Function.BitwiseXor
	case compute.OpTypeDiv:
		return compute.Function.Div
	case compute.OpTypeEqual:
		return compute.Function.Equal
	case compute.OpTypeGreaterOrEqual:
		return compute.Function.GreaterOrEqual
	case compute.OpTypeGreaterThan:
		return compute.Function.GreaterThan
	case compute.OpTypeLessOrEqual:
		return compute.Function.LessOrEqual
	case compute.OpTypeLessThan:
		return compute.Function.LessThan
	case compute.OpTypeLogicalAnd:
		return compute.Function.LogicalAnd
	case compute.OpTypeLogicalOr:
		return compute.Function.LogicalOr
	case compute.OpTypeLogicalXor:
		return compute.Function.LogicalXor
	case compute.OpTypeMax:
		return compute.Function.Max
	case compute.OpTypeMin:
		return compute.Function.Min
	case compute.OpTypeMul:
		return compute.Function.Mul
	case compute.OpTypeNotEqual:
		return compute.Function.NotEqual
	case compute.OpTypePow:
		return compute.Function.Pow
	case compute.OpTypeRem:
		return compute.Function.Rem
	case compute.OpTypeShiftLeft:
		return compute.Function.ShiftLeft
	case compute.OpTypeShiftRightArithmetic:
		return compute.Function.ShiftRightArithmetic
	case compute.OpTypeShiftRightLogical:
		return compute.Function.ShiftRightLogical
	case compute.OpTypeSub:
		return compute.Function.Sub
	default:
		return nil
	}
}

// reduction returns the method that adds a reduction over axes, or nil.
func reduction(op compute.OpType) func(compute.Function, compute.Value, ...int) (compute.Value, error) {
	switch op {
	case compute.OpTypeReduceBitwiseAnd:
		return compute.Function.ReduceBitwiseAnd
	case compute.OpTypeReduceBitwiseOr:
		return compute.Function.ReduceBitwiseOr
	case compute.OpTypeReduceBitwiseXor:
		return compute.Function.ReduceBitwiseXor
	case compute.OpTypeReduceLogicalAnd:
		return compute.Function.ReduceLogicalAnd
	case compute.OpTypeReduceLogicalOr:
		return compute.Function.ReduceLogicalOr
	case compute.OpTypeReduceLogicalXor:
		return compute.Function.ReduceLogicalXor
	case compute.OpTypeReduceMax:
		return compute.Function.ReduceMax
	case compute.OpTypeReduceMin:
		return compute.Function.ReduceMin
	case compute.OpTypeReduceProduct:
		return compute.Function.ReduceProduct
	case compute.OpTypeReduceSum:
		return compute.Function.ReduceSum
	default:
		return nil
	}
}
