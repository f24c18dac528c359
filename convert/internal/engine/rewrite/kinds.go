package rewrite

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// moves tells whether n only moves elements of its input.
func moves(n *ir.Node) bool {
	switch n.Op.Of() {
	case compute.OpTypeTranspose, compute.OpTypeBroadcastInDim, compute.OpTypeSlice, compute.OpTypeReverse, compute.OpTypeReshape:
		return n.Shape.Size() > 0 && !n.Shape.IsDynamic()
	}
	return false
}

// reduces returns how n reduces its input in a Map, or None.
func reduces(n *ir.Node) kernel.Reduction {
	if n.Shape.DType != dtypes.Float32 && n.Shape.DType != dtypes.Int32 || len(n.Inputs) != 1 || n.Inputs[0].Shape.Size() == 0 {
		return kernel.None
	}
	switch n.Op.Of() {
	case compute.OpTypeReduceSum:
		return kernel.Sum
	case compute.OpTypeReduceMax:
		return kernel.Max
	case compute.OpTypeReduceMin:
		return kernel.Min
	}
	return kernel.None
}

// typeOf returns how a Map holds elements of a type.
func typeOf(t dtypes.DType) (kernel.DType, bool) {
	switch t {
	case dtypes.Float32:
		return kernel.Float32, true
	case dtypes.Int32:
		return kernel.Int32, true
	case dtypes.Bool:
		return kernel.Bool, true
	case dtypes.Uint8:
		return kernel.Uint8, true
	}
	return 0, false
}

// computes tells whether a Map can compute n.
func computes(n *ir.Node) bool {
	if len(n.Inputs) == 0 && !is(n, compute.OpTypeIota) || n.Shapes != nil || n.Shape.IsDynamic() || n.Shape.Size() == 0 {
		return false
	}
	if _, ok := typeOf(n.Shape.DType); !ok {
		return false
	}
	for _, x := range n.Inputs {
		if _, ok := typeOf(x.Shape.DType); !ok {
			return false
		}
	}
	if is(n, compute.OpTypeIota) {
		return n.Shape.DType == dtypes.Int32 || n.Shape.DType == dtypes.Float32
	}
	return len(recipe(n)) > 0
}

// A move of a recipe is one instruction: its operands are inputs of the node (0 and above) or earlier instructions
// (-1 the first, -2 the second, ...).
type move struct {
	op      kernel.MapOp
	a, b, c int
}

// recipe returns the instructions that compute n, or nil.
func recipe(n *ir.Node) []move {
	of := n.Shape.DType
	if len(n.Inputs) > 0 {
		of = n.Inputs[0].Shape.DType
	}
	switch n.Op.Of() {
	case compute.OpTypeConvertDType:
		return conversion(of, n.Shape.DType)
	case compute.OpTypeWhere:
		if n.Shape.DType == dtypes.Uint8 {
			return nil
		}
		return []move{{kernel.Select, 0, 1, 2}}
	}
	switch of {
	case dtypes.Float32:
		return floats(n.Op.Of())
	case dtypes.Int32:
		return integers(n.Op.Of())
	case dtypes.Bool:
		return truths(n.Op.Of())
	}
	return nil
}

func conversion(from, to dtypes.DType) []move {
	switch {
	case from == dtypes.Float32 && to == dtypes.Int32:
		return []move{{kernel.ToInt, 0, 0, 0}}
	case from == dtypes.Float32 && to == dtypes.Bool:
		return []move{{kernel.ToBool, 0, 0, 0}}
	case from == dtypes.Int32 && to == dtypes.Bool, from == dtypes.Uint8 && to == dtypes.Bool:
		return []move{{kernel.IntToBool, 0, 0, 0}}
	case to == dtypes.Float32 && from != dtypes.Float32:
		return []move{{kernel.ToFloat, 0, 0, 0}}
	case to == dtypes.Int32 && (from == dtypes.Bool || from == dtypes.Uint8):
		return []move{{kernel.Or, 0, 0, 0}} // a copy
	}
	return nil
}

func floats(op compute.OpType) []move {
	switch op {
	case compute.OpTypeClamp:
		return []move{{kernel.MaxF, 0, 1, 0}, {kernel.MinF, -1, 2, 0}}
	case compute.OpTypeGreaterThan:
		return []move{{kernel.LessF, 1, 0, 0}}
	case compute.OpTypeGreaterOrEqual:
		return []move{{kernel.LessEqualF, 1, 0, 0}}
	}
	table := map[compute.OpType]kernel.MapOp{
		compute.OpTypeAdd: kernel.AddF, compute.OpTypeSub: kernel.SubF, compute.OpTypeMul: kernel.MulF, compute.OpTypeDiv: kernel.DivF,
		compute.OpTypeMax: kernel.MaxF, compute.OpTypeMin: kernel.MinF, compute.OpTypePow: kernel.PowF, compute.OpTypeRem: kernel.RemF,
		compute.OpTypeNeg: kernel.NegF, compute.OpTypeAbs: kernel.AbsF, compute.OpTypeSign: kernel.SignF, compute.OpTypeSqrt: kernel.SqrtF,
		compute.OpTypeRsqrt: kernel.RsqrtF, compute.OpTypeExp: kernel.ExpF, compute.OpTypeExpm1: kernel.Expm1F, compute.OpTypeLog: kernel.LogF,
		compute.OpTypeLog1p: kernel.Log1pF, compute.OpTypeTanh: kernel.TanhF, compute.OpTypeLogistic: kernel.LogisticF, compute.OpTypeErf: kernel.ErfF,
		compute.OpTypeSin: kernel.SinF, compute.OpTypeCos: kernel.CosF, compute.OpTypeFloor: kernel.FloorF, compute.OpTypeCeil: kernel.CeilF,
		compute.OpTypeRound: kernel.RoundF, compute.OpTypeEqual: kernel.EqualF, compute.OpTypeNotEqual: kernel.NotEqualF,
		compute.OpTypeLessThan: kernel.LessF, compute.OpTypeLessOrEqual: kernel.LessEqualF, compute.OpTypeIsNaN: kernel.IsNaNF,
		compute.OpTypeIsFinite: kernel.IsFiniteF,
	}
	if k, ok := table[op]; ok {
		return []move{{k, 0, 1, 0}}
	}
	return nil
}

func integers(op compute.OpType) []move {
	switch op {
	case compute.OpTypeGreaterThan:
		return []move{{kernel.LessI, 1, 0, 0}}
	case compute.OpTypeGreaterOrEqual:
		return []move{{kernel.LessEqualI, 1, 0, 0}}
	}
	table := map[compute.OpType]kernel.MapOp{
		compute.OpTypeAdd: kernel.AddI, compute.OpTypeSub: kernel.SubI, compute.OpTypeMul: kernel.MulI, compute.OpTypeMax: kernel.MaxI,
		compute.OpTypeMin: kernel.MinI, compute.OpTypeNeg: kernel.NegI, compute.OpTypeAbs: kernel.AbsI, compute.OpTypeSign: kernel.SignI,
		compute.OpTypeEqual: kernel.EqualI, compute.OpTypeNotEqual: kernel.NotEqualI, compute.OpTypeLessThan: kernel.LessI,
		compute.OpTypeLessOrEqual: kernel.LessEqualI,
	}
	if k, ok := table[op]; ok {
		return []move{{k, 0, 1, 0}}
	}
	return nil
}

func truths(op compute.OpType) []move {
	table := map[compute.OpType]kernel.MapOp{
		compute.OpTypeLogicalAnd: kernel.And, compute.OpTypeLogicalOr: kernel.Or, compute.OpTypeLogicalXor: kernel.Xor,
		compute.OpTypeLogicalNot: kernel.Not, compute.OpTypeEqual: kernel.EqualI, compute.OpTypeNotEqual: kernel.NotEqualI,
	}
	if k, ok := table[op]; ok {
		return []move{{k, 0, 1, 0}}
	}
	return nil
}

// weight is about how many simple instructions n costs for each element.
func weight(n *ir.Node) int {
	switch n.Op.Of() {
	case compute.OpTypeExp, compute.OpTypeLog, compute.OpTypeTanh, compute.OpTypeLogistic, compute.OpTypeErf, compute.OpTypeExpm1,
		compute.OpTypeLog1p, compute.OpTypeSin, compute.OpTypeCos:
		return 10
	case compute.OpTypePow, compute.OpTypeRem:
		return 24
	case compute.OpTypeDiv, compute.OpTypeSqrt, compute.OpTypeRsqrt:
		return 3
	}
	if moves(n) {
		return 0
	}
	return 1
}
