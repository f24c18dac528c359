package cpu

import "github.com/gomlx/compute"

// The operations on one value, on two, and the reductions.

func (f *function) Identity(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeIdentity, x)
}

func (f *function) Abs(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeAbs, x)
}

func (f *function) BitCount(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeBitCount, x)
}

func (f *function) BitwiseNot(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeBitwiseNot, x)
}

func (f *function) Ceil(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeCeil, x)
}

func (f *function) Clz(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeClz, x)
}

func (f *function) Cos(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeCos, x)
}

func (f *function) Erf(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeErf, x)
}

func (f *function) Exp(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeExp, x)
}

func (f *function) Expm1(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeExpm1, x)
}

func (f *function) Floor(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeFloor, x)
}

func (f *function) IsFinite(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeIsFinite, x)
}

func (f *function) IsNaN(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeIsNaN, x)
}

func (f *function) Log(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeLog, x)
}

func (f *function) Log1p(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeLog1p, x)
}

func (f *function) LogicalNot(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeLogicalNot, x)
}

func (f *function) Logistic(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeLogistic, x)
}

func (f *function) Neg(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeNeg, x)
}

func (f *function) Round(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeRound, x)
}

func (f *function) Rsqrt(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeRsqrt, x)
}

func (f *function) Sign(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeSign, x)
}

func (f *function) Sin(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeSin, x)
}

func (f *function) Sqrt(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeSqrt, x)
}

func (f *function) Tanh(x compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeTanh, x)
}

func (f *function) Add(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeAdd, lhs, rhs)
}

func (f *function) Atan2(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeAtan2, lhs, rhs)
}

func (f *function) BitwiseAnd(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeBitwiseAnd, lhs, rhs)
}

func (f *function) BitwiseOr(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeBitwiseOr, lhs, rhs)
}

func (f *function) BitwiseXor(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeBitwiseXor, lhs, rhs)
}

func (f *function) Div(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeDiv, lhs, rhs)
}

func (f *function) Equal(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeEqual, lhs, rhs)
}

func (f *function) GreaterOrEqual(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeGreaterOrEqual, lhs, rhs)
}

func (f *function) GreaterThan(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeGreaterThan, lhs, rhs)
}

func (f *function) LessOrEqual(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeLessOrEqual, lhs, rhs)
}

func (f *function) LessThan(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeLessThan, lhs, rhs)
}

func (f *function) LogicalAnd(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeLogicalAnd, lhs, rhs)
}

func (f *function) LogicalOr(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeLogicalOr, lhs, rhs)
}

func (f *function) LogicalXor(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeLogicalXor, lhs, rhs)
}

func (f *function) Max(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeMax, lhs, rhs)
}

func (f *function) Min(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeMin, lhs, rhs)
}

func (f *function) Mul(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeMul, lhs, rhs)
}

func (f *function) NotEqual(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeNotEqual, lhs, rhs)
}

func (f *function) Pow(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypePow, lhs, rhs)
}

func (f *function) Rem(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeRem, lhs, rhs)
}

func (f *function) ShiftLeft(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeShiftLeft, lhs, rhs)
}

func (f *function) ShiftRightArithmetic(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeShiftRightArithmetic, lhs, rhs)
}

func (f *function) ShiftRightLogical(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeShiftRightLogical, lhs, rhs)
}

func (f *function) Sub(lhs, rhs compute.Value) (compute.Value, error) {
	return f.plain(compute.OpTypeSub, lhs, rhs)
}

func (f *function) ReduceBitwiseAnd(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceBitwiseAnd, x, axes)
}

func (f *function) ReduceBitwiseOr(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceBitwiseOr, x, axes)
}

func (f *function) ReduceBitwiseXor(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceBitwiseXor, x, axes)
}

func (f *function) ReduceLogicalAnd(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceLogicalAnd, x, axes)
}

func (f *function) ReduceLogicalOr(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceLogicalOr, x, axes)
}

func (f *function) ReduceLogicalXor(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceLogicalXor, x, axes)
}

func (f *function) ReduceMax(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceMax, x, axes)
}

func (f *function) ReduceMin(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceMin, x, axes)
}

func (f *function) ReduceProduct(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceProduct, x, axes)
}

func (f *function) ReduceSum(x compute.Value, axes ...int) (compute.Value, error) {
	return f.reduce(compute.OpTypeReduceSum, x, axes)
}
