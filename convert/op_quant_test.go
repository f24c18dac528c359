package convert

import (
	"fmt"
	"math"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// quantCases covers what differentiates through stored whole numbers, and scattering by every reduction.
func quantCases(t testing.TB) []opCase {
	bytes := func(shape []int, v ...byte) *onnx.Tensor {
		x, err := onnx.NewTensor(onnx.Uint8, shape, v)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := bytes([]int{2, 4}, 1, 200, 30, 4, 5, 60, 7, 255)
	out := []opCase{
		{op: "DequantizeLinear", opset: 13, shapes: sizes([]int{2}), at: []int{0, 2}, consts: tensorsOf(x, bytes([]int{2}, 3, 9)), attrs: attrs(i1("axis", 0))},
		{op: "DequantizeLinear", opset: 21, shapes: sizes([]int{2, 2}), at: []int{0}, consts: tensorsOf(x), attrs: attrs(i1("block_size", 3))},
	}
	for _, r := range []string{"none", "add", "mul", "max", "min"} {
		rows := indexTensor(t, []int{3, 1}, 1, 3, 0)
		if r != "none" {
			rows = indexTensor(t, []int{3, 1}, 1, 3, 1)
		}
		out = append(out,
			opCase{op: "ScatterND", opset: 18, shapes: sizes([]int{4, 2}, []int{3, 2}), at: []int{1}, consts: tensorsOf(rows), attrs: attrs(s1("reduction", r))},
			opCase{op: "ScatterElements", opset: 18, shapes: sizes([]int{3, 4}, []int{2, 2}), at: []int{1}, consts: tensorsOf(indexTensor(t, []int{2, 2}, 0, 2, 1, -1)), attrs: attrs(s1("reduction", r), i1("axis", 1))},
		)
	}
	return append(out,
		opCase{op: "ScatterElements", opset: 18, shapes: sizes([]int{2, 3, 2}, []int{1, 2, 2}), at: []int{1}, consts: tensorsOf(indexTensor(t, []int{1, 2, 2}, 0, 2, 0, 1)), attrs: attrs(s1("reduction", "mul"), i1("axis", 1))},
	)
}

// TestSmallFloats decodes every code of each small type and encodes it again, and rounds the numbers between
// neighbours to the nearer one.
func TestSmallFloats(t *testing.T) {
	for dtype := onnx.Float8E4M3FN; dtype <= onnx.Float8E8M0; dtype++ {
		f, ok := smallFloat(dtype)
		if !ok {
			continue
		}
		t.Run(fmt.Sprint(dtype), func(t *testing.T) {
			for code := range 1 << f.bits {
				v := f.decode(code)
				if math.IsNaN(v) {
					continue
				}
				if got := f.encode(v); int(got) != code {
					t.Errorf("code %d decodes to %g, which encodes to %d", code, v, got)
				}
				if f.unsigned {
					continue
				}
				if got := f.round(v, false); got != v && !math.IsInf(v, 0) {
					t.Errorf("%g rounds to %g", v, got)
				}
				next := f.decode(code + 1)
				if code+1 < 1<<(f.bits-1) && !math.IsNaN(next) && !math.IsInf(next, 0) {
					middle := (v + next) / 2
					even := v
					if code%2 == 1 {
						even = next
					}
					if got := f.round(middle, true); got != even {
						t.Errorf("%g, between %g and %g, rounds to %g", middle, v, next, got)
					}
					if got := f.round(math.Nextafter(middle, next), true); got != next {
						t.Errorf("above the middle of %g and %g comes %g", v, next, got)
					}
				}
			}
		})
	}
}
