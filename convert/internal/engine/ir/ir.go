// Package ir is the graph that the CPU engine records, rewrites, plans and runs.
//
// A Graph is a list of Nodes in an order in which they can be computed. A Node is an operation of GoMLX with its
// arguments as Attrs, or, after rewriting, a kernel.Operation. A Node with several outputs is followed by Select nodes,
// one for each output that is used.
package ir

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// Op is compute.OpType, or one of the operations below.
type Op int

// The operations that GoMLX does not have.
const (
	Kernel Op = 10000 + iota // Attrs is a KernelAttrs
	Select                   // output Attrs.(int) of its input
	View                     // the same bytes under another shape: reshape, identity
)

// Node is a value: an operation on other values.
type Node struct {
	ID     int // its place in Graph.Nodes
	Op     Op
	Inputs []*Node
	Shape  shapes.Shape   // of its only output
	Shapes []shapes.Shape // of its outputs, where there are several; then Shape is invalid
	Attrs  any
}

// Graph is a function to be run. Params and Outputs are in the order in which it is called.
type Graph struct {
	Nodes   []*Node
	Params  []*Node // Op Parameter
	Names   []string
	Outputs []*Node
}

// KernelAttrs is the work of a Kernel node.
type KernelAttrs struct {
	Do kernel.Operation
}

// The attributes of GoMLX's operations, by the names of compute.Function's arguments. Those that take one list of axes,
// one axis or a data type have the plain []int, int or dtypes.DType; Constant has the flat slice.
type (
	// Convolution belongs to ConvGeneral. No list is nil: the recorder fills defaults in.
	Convolution struct {
		Axes                            compute.ConvolveAxesConfig
		Strides                         []int
		Pads                            [][2]int
		InputDilations, KernelDilations []int
		ChannelGroups, BatchGroups      int
	}
	// Dot belongs to DotGeneral.
	Dot struct {
		LHSContracting, LHSBatch, RHSContracting, RHSBatch []int
		Config                                             compute.DotGeneralConfig
	}
	// Slice belongs to Slice. No list is nil.
	Slice struct{ Starts, Limits, Strides []int }
	// Window belongs to ReduceWindow, SelectAndScatterMax and SelectAndScatterMin. No list is nil.
	Window struct {
		Reduction                                        compute.ReduceOpType
		Window, Strides, InputDilations, WindowDilations []int
		Pads                                             [][2]int
	}
	// Gather belongs to Gather.
	Gather struct {
		IndexVectorAxis                                     int
		OffsetOutputAxes, CollapsedSliceAxes, StartIndexMap []int
		SliceSizes                                          []int
		Sorted                                              bool
	}
	// Scatter belongs to ScatterSum, ScatterMax and ScatterMin.
	Scatter struct {
		IndexVectorAxis                                                int
		UpdateWindowAxes, InsertedWindowAxes, ScatterAxesToOperandAxes []int
		Sorted, Unique                                                 bool
	}
	// ArgMinMax belongs to ArgMinMax; the result's type is the node's.
	ArgMinMax struct {
		Axis int
		Min  bool
	}
	// BatchNorm belongs to BatchNormForInference, BatchNormForTraining and BatchNormGradient.
	BatchNorm struct {
		Epsilon float32
		Axis    int
	}
	// CumSum belongs to CumSum.
	CumSum struct {
		Axis    int
		Options compute.CumSumOptions
	}
	// FFT belongs to FFT.
	FFT struct {
		Type    compute.FFTType
		Lengths []int
	}
)

// Of returns GoMLX's operation, or OpTypeInvalid for one of ours.
func (op Op) Of() compute.OpType {
	if op >= Kernel {
		return compute.OpTypeInvalid
	}
	return compute.OpType(op)
}
