package rewrite

import (
	"encoding/binary"
	"math"
	"reflect"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// assemble adds what puts n together: a concatenation, a padding or a copy in another order.
func (f *fusion) assemble(n *ir.Node) *ir.Node {
	dims := n.Shape.Dimensions
	a := kernel.Assemble{Size: n.Shape.Size(), Width: n.Shape.DType.Size()}
	var inputs []*ir.Node
	steps := rowMajor(dims)
	part := func(x *ir.Node, t traced, offset int) {
		// The dimensions may have been split on the way: the target's steps are split alike.
		inputs = append(inputs, f.now[t.node])
		to := kernel.View{Offset: offset, Strides: resplit(x.Shape.Dimensions, t.dims, steps)}
		a.Parts = append(a.Parts, kernel.Part{Dims: t.dims, From: t.view, To: to})
	}
	switch {
	case is(n, compute.OpTypeConcatenate):
		axis, offset := n.Attrs.(int), 0
		for _, x := range n.Inputs {
			if x.Shape.Size() == 0 {
				continue
			}
			t, _ := f.source(x)
			part(x, t, offset*steps[axis])
			offset += x.Shape.Dimensions[axis]
		}
	case is(n, compute.OpTypePad):
		return f.pad(n)
	default:
		t, _ := f.moved(n)
		part(n, t, 0)
	}
	return f.add(&ir.Node{Op: ir.Kernel, Inputs: inputs, Shape: n.Shape, Attrs: ir.KernelAttrs{Do: &a}})
}

// resplit gives strides over dims to the finer dimensions that dims were split into.
func resplit(dims, finer, strides []int) []int {
	var out []int
	rest := finer
	for i, n := range dims {
		k := 0
		for size := 1; size < n; k++ {
			size *= rest[k]
		}
		if n == 1 && len(rest) > 0 && rest[0] == 1 {
			k = 1
		}
		group := make([]int, k)
		step := strides[i]
		for j := k - 1; j >= 0; j-- {
			group[j] = step
			step *= rest[j]
		}
		out, rest = append(out, group...), rest[k:]
	}
	return out
}

// pad copies the part of the input that is not cut off into an array of the fill value.
func (f *fusion) pad(n *ir.Node) *ir.Node {
	x := n.Inputs[0]
	pads := n.Attrs.([]compute.PadAxis)
	dims, under := n.Shape.Dimensions, x.Shape.Dimensions
	a := kernel.Assemble{Size: n.Shape.Size(), Width: n.Shape.DType.Size(), Filled: true}
	fill(&a.Fill, n.Inputs[1])
	to, from := kernel.View{}, kernel.View{}
	steps, inner := rowMajor(dims), rowMajor(under)
	var count []int
	for i, p := range pads {
		each := p.Interior + 1
		// The elements k of the input whose place p.Start + k*each lies in the output.
		first := max(0, ceilDiv(-p.Start, each))
		last := min(under[i]-1, floorDiv(dims[i]-1-p.Start, each))
		count = append(count, max(0, last-first+1))
		to.Offset += (p.Start + first*each) * steps[i]
		to.Strides = append(to.Strides, each*steps[i])
		from.Offset += first * inner[i]
		from.Strides = append(from.Strides, inner[i])
	}
	if volume(count) > 0 {
		a.Parts = []kernel.Part{{Dims: count, From: from, To: to}}
	}
	var inputs []*ir.Node
	if len(a.Parts) > 0 {
		inputs = []*ir.Node{f.memory(x)}
	}
	return f.add(&ir.Node{Op: ir.Kernel, Inputs: inputs, Shape: n.Shape, Attrs: ir.KernelAttrs{Do: &a}})
}

// fill writes the bytes of a scalar constant.
func fill(to *[16]byte, constant *ir.Node) {
	for constant.Op != ir.Op(compute.OpTypeConstant) {
		constant = constant.Inputs[0]
	}
	v := reflect.ValueOf(constant.Attrs)
	if v.Kind() == reflect.Slice {
		v = v.Index(0)
	}
	switch {
	case v.Kind() == reflect.Float32:
		binary.LittleEndian.PutUint32(to[:], math.Float32bits(float32(v.Float())))
	case v.Kind() == reflect.Float64:
		binary.LittleEndian.PutUint64(to[:], math.Float64bits(v.Float()))
	case v.CanInt():
		binary.LittleEndian.PutUint64(to[:], uint64(v.Int()))
	}
}

func ceilDiv(a, b int) int { return -floorDiv(-a, b) }

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
