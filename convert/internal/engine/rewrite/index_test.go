package rewrite

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

// TestThrough follows random chains of operations that only move elements, and compares where the linear form says an
// element lies with where it lies when every operation is done by itself.
func TestThrough(t *testing.T) {
	followed := 0
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n, values := chain(rng)
		s, at := newSpace(n.Shape.Dimensions)
		ok := true
		x := n
		for len(x.Inputs) > 0 && ok {
			at, ok = through(x, at)
			x = x.Inputs[0]
		}
		if !ok {
			continue
		}
		followed++
		offset, steps := s.strides(linear(at, x.Shape.Dimensions))
		dims := sizes(s)
		if volume(dims) != len(values) {
			t.Fatalf("seed %d: space %v of %d elements, want %d", seed, dims, volume(dims), len(values))
		}
		for i, want := range values {
			place, rest := offset, i
			for d, dim := range slices.Backward(dims) {
				place += rest % dim * steps[d]
				rest /= dim
			}
			if place != want {
				t.Fatalf("seed %d: element %d of %v lies at %d, want %d", seed, i, n.Shape, place, want)
			}
		}
	}
	if followed < 2000 {
		t.Errorf("only %d chains of 3000 were followed", followed)
	}
}

// chain returns a random chain on an array whose elements are their places, and the elements of its result.
func chain(rng *rand.Rand) (*ir.Node, []int) {
	dims := make([]int, 1+rng.IntN(4))
	for i := range dims {
		dims[i] = 1 + rng.IntN(4)
	}
	n := &ir.Node{Op: ir.Op(compute.OpTypeParameter), Shape: shapes.Make(dtypes.Float32, dims...)}
	values := identity(n.Shape.Size())
	for range 1 + rng.IntN(5) {
		n, values = link(rng, n, values)
	}
	return n, values
}

// link appends one operation.
func link(rng *rand.Rand, x *ir.Node, values []int) (*ir.Node, []int) {
	dims := x.Shape.Dimensions
	n := &ir.Node{Inputs: []*ir.Node{x}}
	made := func(op compute.OpType, attrs any, dims []int, from func(index []int) []int) (*ir.Node, []int) {
		n.Op, n.Attrs, n.Shape = ir.Op(op), attrs, shapes.Make(dtypes.Float32, dims...)
		out := make([]int, n.Shape.Size())
		for i := range out {
			index := unravel(i, dims)
			at := 0
			for d, s := range rowMajor(x.Shape.Dimensions) {
				at += from(index)[d] * s
			}
			out[i] = values[at]
		}
		return n, out
	}
	switch rng.IntN(5) {
	case 0:
		perm := rng.Perm(len(dims))
		to := make([]int, len(dims))
		for i, p := range perm {
			to[i] = dims[p]
		}
		return made(compute.OpTypeTranspose, perm, to, func(index []int) []int {
			in := make([]int, len(perm))
			for i, p := range perm {
				in[p] = index[i]
			}
			return in
		})
	case 1:
		axes := []int{rng.IntN(len(dims))}
		return made(compute.OpTypeReverse, axes, dims, func(index []int) []int {
			in := slices.Clone(index)
			in[axes[0]] = dims[axes[0]] - 1 - in[axes[0]]
			return in
		})
	case 2:
		a := ir.Slice{Starts: make([]int, len(dims)), Limits: slices.Clone(dims), Strides: make([]int, len(dims))}
		to := make([]int, len(dims))
		for i, d := range dims {
			a.Starts[i], a.Strides[i] = rng.IntN(d), 1+rng.IntN(2)
			to[i] = (d - a.Starts[i] + a.Strides[i] - 1) / a.Strides[i]
		}
		return made(compute.OpTypeSlice, a, to, func(index []int) []int {
			in := make([]int, len(index))
			for i, v := range index {
				in[i] = a.Starts[i] + v*a.Strides[i]
			}
			return in
		})
	case 3:
		at := rng.IntN(len(dims) + 1)
		to := slices.Insert(slices.Clone(dims), at, 1+rng.IntN(3))
		axes := identity(len(to))
		axes = slices.Delete(axes, at, at+1)
		return made(compute.OpTypeBroadcastInDim, axes, to, func(index []int) []int { return slices.Delete(slices.Clone(index), at, at+1) })
	}
	to := reshapedDims(rng, volume(dims))
	return made(compute.OpTypeReshape, nil, to, func(index []int) []int {
		flat := 0
		for d, s := range rowMajor(to) {
			flat += index[d] * s
		}
		return unravel(flat, dims)
	})
}

// reshapedDims factors n at random.
func reshapedDims(rng *rand.Rand, n int) []int {
	var dims []int
	for n > 1 {
		var divisors []int
		for d := 2; d <= n; d++ {
			if n%d == 0 {
				divisors = append(divisors, d)
			}
		}
		d := divisors[rng.IntN(len(divisors))]
		dims = append(dims, d)
		n /= d
	}
	return slices.Insert(dims, rng.IntN(len(dims)+1), 1)
}

func unravel(flat int, dims []int) []int {
	index := make([]int, len(dims))
	for d := len(dims) - 1; d >= 0; d-- {
		index[d] = flat % dims[d]
		flat /= dims[d]
	}
	return index
}
