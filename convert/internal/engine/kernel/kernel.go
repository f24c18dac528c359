// Package kernel is the arithmetic of the CPU engine: the few operations that a training step spends its time in, each
// a plain value that says what is to be done, done in C by a Team of threads.
//
// Arrays are dense, row-major, aligned to 64 bytes and given as bytes; float32 unless said otherwise. Nothing here
// allocates: an Operation says how much scratch memory it wants, so that memory is planned before anything runs.
// Every operation gives the same bits for the same number of threads.
package kernel

import (
	"errors"
	"unsafe"
)

// ErrNoCgo is what NewTeam returns in a program that was built without cgo.
var ErrNoCgo = errors.New("kernel: built without cgo")

const maxThreads = 1024

// An Operation computes its outputs from its inputs.
type Operation interface {
	// Scratch returns the bytes of scratch memory that Run wants with so many threads.
	Scratch(threads int) int
	// Run computes. An output may be the very memory of an input where InPlace says so, and may not overlap one otherwise.
	// It returns early, with outputs unfinished, where the team is told to stop; the caller knows.
	Run(t *Team, outs, ins [][]byte, scratch []byte)
	// InPlace tells whether output out may take the memory of input in.
	InPlace(out, in int) bool
	// Flops returns how many floating-point operations Run does, for the profile; bytes moved are known to the caller.
	Flops() int64
}

// DType is the type of an array's elements in Map.
type DType uint8

// The element types. Bool is one byte, 0 or 1.
const (
	Float32 DType = iota
	Int32
	Bool
	Uint8
)

// View says how a space of indices reads (or writes) an array: element Offset + sum(index[d] * Strides[d]). A stride
// of 0 repeats, a negative one reverses.
type View struct {
	Offset  int
	Strides []int
}

// Pass is a convolution or one of its gradients.
type Pass uint8

// The passes, with what they take and make.
const (
	Forward Pass = iota // x, w [, bias] -> y
	Input               // g, w -> gradient of x
	Weights             // x, g -> gradient of w
)

// Convolution is a convolution as ONNX defines it: x [Batch, In, Size...], w [Out, In/Groups, Kernel...], bias [Out],
// y and its gradient g [Batch, Out, To...]. Every array has three spatial axes, leading ones of length 1 where the data
// has fewer. Before is the padding in front of each axis and may be negative; what is behind follows from To.
type Convolution struct {
	Pass                                       Pass
	Batch, In, Out, Groups                     int
	Size, To, Kernel, Stride, Dilation, Before [3]int
	Bias                                       bool // Forward adds a third input, [Out]
	Relu                                       bool // Forward ends with max(y, 0)
}

// Matmul is c[b,i,j] = sum over k of A[b,i,k] * B[b,k,j]; c is dense. A and B are strides in elements: of the batch, of
// the row, of the column, so that transposed operands need no copy. A stride of 0 over the batch repeats.
type Matmul struct {
	Batch, M, N, K int
	A, B           [3]int
}

// Pooling is max pooling of x [Planes, Size...] to y [Planes, To...], or its gradient: x, g -> gradient of x, where the
// first largest element of a window, in row-major order, takes what its output has. Padding never wins.
type Pooling struct {
	Gradient                                   bool
	Planes                                     int
	Size, To, Window, Stride, Dilation, Before [3]int
}

// Assemble writes an array piece by piece: padding, concatenation, transposition, slices, reversal, for elements of
// Width bytes. Where Filled, every element is Fill first. Input i goes to Parts[i]; parts may not overlap. *Assemble is an
// Operation, which must not change once it was asked anything.
type Assemble struct {
	Size, Width int // of the output: elements, bytes an element (1, 2, 4, 8 or 16)
	Filled      bool
	Fill        [16]byte
	Parts       []Part

	plan unsafe.Pointer // *assemblePlan
}

// Part is a copy of a space of indices from one view to another.
type Part struct {
	Dims     []int
	From, To View
}

// Map is a fused elementwise computation over a space of indices, in row-major order. Registers are 32 bits wide.
// Register i < len(Loads) is input i through its view; register len(Loads)+i is what Code[i] computes. Each output is a
// register, written densely over Dims in row-major order, or reduced over some of them and dense over the others.
//
// *Map is an Operation. It is translated when first asked anything, and must not change from then on. Where an output takes
// the memory of an input, every other input of the same memory must allow that too.
type Map struct {
	Dims  []int // at most 8
	Loads []Load
	Code  []Instr
	Outs  []Result

	plan unsafe.Pointer // *mapPlan: what the program was translated to
}

// Load is an input of a Map.
type Load struct {
	View
	Type DType
}

// Instr computes one register from up to three.
type Instr struct {
	Op      MapOp
	A, B, C int
	Bits    uint32 // Constant: the value as float32 or int32 bits
	Axis    int    // Iota: the index along this dimension, as int32
}

// Result is an output of a Map.
type Result struct {
	Register int
	Type     DType
	Reduce   Reduction
	Over     []bool // for a reduction: which of Dims it goes over
}

// Reduction is how a Result is made from many elements.
type Reduction uint8

// The reductions. Sums are pairwise or in several partial sums, so that their error grows as a logarithm.
const (
	None Reduction = iota
	Sum
	Max
	Min
)

// MapOp is what an Instr computes. F stands for float32, I for int32, B for a truth value (0 or 1 in a register of int32).
type MapOp uint8

// The operations. Float arithmetic follows IEEE: NaN propagates through Max and Min, as in PyTorch.
const (
	Constant MapOp = iota
	Iota
	AddF
	SubF
	MulF
	DivF
	MaxF
	MinF
	PowF
	RemF // sign of the dividend
	NegF
	AbsF
	SignF // NaN stays, as GoMLX has it
	SqrtF
	RsqrtF
	ExpF
	Expm1F
	LogF
	Log1pF
	TanhF
	LogisticF
	ErfF
	SinF
	CosF
	FloorF
	CeilF
	RoundF // half to even
	EqualF // -> B
	NotEqualF
	LessF
	LessEqualF
	IsNaNF
	IsFiniteF
	AddI
	SubI
	MulI
	MaxI
	MinI
	NegI
	AbsI
	SignI
	EqualI // -> B
	NotEqualI
	LessI
	LessEqualI
	And // of B
	Or
	Xor
	Not
	Select  // A ? B : C, of any kind
	ToFloat // I or B -> F
	ToInt   // F -> I, toward zero
	ToBool  // F -> B: not zero
	IntToBool
	MulAddF // A*B + C, rounded once
)
