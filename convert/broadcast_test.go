package convert

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// TestRuns compares the stretches with numpy's rule, element by element: an index counts along the axes that
// an operand has, and not along those where it has one element.
func TestRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		out := make([]int, rng.IntN(5))
		for a := range out {
			out[a] = rng.IntN(4)
		}
		operands := make([][]int, 1+rng.IntN(3))
		for k := range operands {
			operands[k] = slices.Clone(out[rng.IntN(len(out)+1):])
			for a := range operands[k] {
				if rng.IntN(3) == 0 {
					operands[k][a] = 1
				}
			}
		}
		next := 0
		runs(out, operands, func(r run) {
			for i := range r.n {
				if r.at+i != next {
					t.Fatalf("%v: element %d came at %d", out, r.at+i, next)
				}
				next++
				for k, shape := range operands {
					if got, want := r.from[k]+i*r.step[k], flatIndex(out, shape, r.at+i); got != want {
						t.Fatalf("%v in %v: element %d: want %d of the operand, got %d", shape, out, r.at+i, want, got)
					}
				}
			}
		})
		if next != product(out) {
			t.Fatalf("%v: %d elements came", out, next)
		}
	}
}

// flatIndex returns where an element of a broadcast result lies in an operand.
func flatIndex(out, shape []int, flat int) int {
	at, step := 0, 1
	for a, o := range slices.Backward(out) {
		i := flat % o
		flat /= o
		if b := a - (len(out) - len(shape)); b >= 0 {
			if shape[b] != 1 {
				at += step * i
			}
			step *= shape[b]
		}
	}
	return at
}

// TestLastUses lets a constant go after its last reader, also one inside a branch, and keeps what an output or
// a stored tensor is.
func TestLastUses(t *testing.T) {
	branch := &onnx.Graph{Nodes: []*onnx.Node{{OpType: "Neg", Inputs: []string{"a"}, Outputs: []string{"d"}}}, Outputs: []onnx.ValueInfo{{Name: "d"}}}
	nodes := []*onnx.Node{
		{OpType: "Range", Inputs: []string{"stored"}, Outputs: []string{"a"}},
		{OpType: "Neg", Inputs: []string{"a"}, Outputs: []string{"b"}},
		{OpType: "If", Inputs: []string{"b"}, Outputs: []string{"c"}, Attrs: []onnx.Attr{{Name: "then_branch", G: branch}}},
		{OpType: "Neg", Inputs: []string{"c"}, Outputs: []string{"y", "unused"}},
	}
	got := lastUses(nodes, []onnx.ValueInfo{{Name: "y"}})
	for i, want := range [][]string{nil, nil, {"a", "b"}, {"c", "unused"}} {
		at := slices.Sorted(slices.Values(got[nodes[i]]))
		if !slices.Equal(at, want) {
			t.Errorf("node %d: want %v let go, got %v", i, want, at)
		}
	}
}
