package convert

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// sampleCases covers what reads images at real positions, and the inverses of pools, in 2-D and 3-D.
func sampleCases(t testing.TB) []opCase {
	var out []opCase
	for _, mode := range []string{"linear", "cubic", "nearest"} {
		for _, edge := range []string{"zeros", "border", "reflection"} {
			for corners := range 2 {
				list := attrs(s1("mode", mode), s1("padding_mode", edge), i1("align_corners", int64(corners)))
				out = append(out, opCase{op: "GridSample", opset: 20, shapes: sizes([]int{2, 2, 4, 5}, []int{2, 3, 3, 2}), attrs: list})
				if mode != "cubic" {
					out = append(out, opCase{op: "GridSample", opset: 20, shapes: sizes([]int{1, 2, 3, 4, 3}, []int{1, 2, 2, 3, 3}), attrs: list})
				}
			}
		}
	}
	out = append(out,
		opCase{op: "GridSample", opset: 16, shapes: sizes([]int{1, 2, 4, 5}, []int{1, 3, 3, 2}), attrs: attrs(s1("mode", "bicubic"))},
		opCase{op: "AffineGrid", opset: 20, shapes: sizes([]int{2, 2, 3}), consts: tensorsOf(ints(t, 2, 1, 3, 4))},
		opCase{op: "AffineGrid", opset: 20, shapes: sizes([]int{1, 3, 4}), consts: tensorsOf(ints(t, 1, 1, 2, 3, 4)), attrs: attrs(i1("align_corners", 1))},
		opCase{op: "DeformConv", opset: 19, shapes: sizes([]int{1, 4, 5, 5}, []int{2, 2, 3, 3}, []int{1, 36, 3, 3}, []int{2}, []int{1, 18, 3, 3}), attrs: attrs(i1("group", 2), i1("offset_group", 2)), within: true},
		opCase{op: "DeformConv", opset: 19, shapes: sizes([]int{2, 2, 6, 6}, []int{3, 2, 2, 2}, []int{2, 8, 3, 3}), attrs: attrs(a("strides", 2, 2), a("pads", 1, 1, 0, 0), a("dilations", 2, 2)), within: true},
		opCase{op: "RoiAlign", opset: 16, shapes: sizes([]int{2, 2, 6, 7}), at: []int{1, 2}, consts: tensorsOf(doubles([]int{2, 4}, []float64{0, 1, 4, 5, 1.5, 0, 6, 3}), ints(t, 1, 0)), attrs: attrs(i1("output_height", 2), i1("output_width", 3), i1("sampling_ratio", 2))},
		opCase{op: "RoiAlign", opset: 16, shapes: sizes([]int{2, 2, 6, 7}), at: []int{1, 2}, consts: tensorsOf(doubles([]int{2, 4}, []float64{0, 1, 4, 5, 1.5, 0, 6, 3}), ints(t, 1, 0)), attrs: attrs(i1("output_height", 2), i1("output_width", 3))},
		opCase{op: "RoiAlign", opset: 10, shapes: sizes([]int{1, 2, 6, 7}), at: []int{1, 2}, consts: tensorsOf(doubles([]int{1, 4}, []float64{0, 1, 4, 5}), ints(t, 0)), attrs: attrs(i1("output_height", 2), i1("output_width", 2), i1("sampling_ratio", 2), s1("mode", "max"))},
		opCase{op: "Col2Im", opset: 18, shapes: sizes([]int{1, 8, 9}), consts: tensorsOf(ints(t, 4, 4), ints(t, 2, 2))},
		opCase{op: "Col2Im", opset: 18, shapes: sizes([]int{2, 16, 8}), consts: tensorsOf(ints(t, 3, 3, 3), ints(t, 2, 2, 2))},
		opCase{op: "MaxPool", opset: 12, shapes: sizes([]int{1, 2, 5, 6}), attrs: attrs(a("kernel_shape", 2, 3), a("strides", 2, 2), a("pads", 1, 1, 0, 1)), outputs: 2},
		opCase{op: "MaxUnpool", opset: 11, shapes: sizes([]int{1, 1, 2, 2}), consts: tensorsOf(indexTensor(t, []int{1, 1, 2, 2}, 0, 3, 8, 15)), attrs: attrs(a("kernel_shape", 2, 2), a("strides", 2, 2))},
		opCase{op: "MaxUnpool", opset: 11, shapes: sizes([]int{1, 1, 1, 2, 1}), consts: tensorsOf(indexTensor(t, []int{1, 1, 1, 2, 1}, 3, 9)), attrs: attrs(a("kernel_shape", 2, 2, 2), a("strides", 2, 2, 2))},
	)
	return out
}

// TestMaxPoolPositions compares the positions of maxima with a search, in 1-D to 3-D, in both orders.
func TestMaxPoolPositions(t *testing.T) {
	b, err := NewBackend(BackendOptions{Device: "go"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][]int{{2, 2, 7}, {1, 2, 5, 6}, {1, 2, 4, 5, 3}} {
		d := len(shape) - 2
		for order := range 2 {
			t.Run(fmt.Sprint(shape, order), func(t *testing.T) {
				kernel := make([]int64, d)
				pads := make([]int64, 2*d)
				stride := make([]int64, d)
				for i := range d {
					kernel[i], stride[i], pads[i] = 3, 2, 1
				}
				o := opCase{op: "MaxPool", opset: 12, shapes: sizes(shape), outputs: 2, attrs: attrs(a("kernel_shape", kernel...), a("pads", pads...), a("strides", stride...), i1("storage_order", int64(order)))}
				m := o.model(onnx.Float32)
				m.Graph().Outputs = append(m.Graph().Outputs, onnx.ValueInfo{Name: "y1", DType: onnx.Int64})
				g, err := Import(m, ImportOptions{})
				if err != nil {
					t.Fatal(err)
				}
				r := g.Runner(b)
				defer r.Close()
				in := o.draw(rng)
				out, err := r.Run(t.Context(), o.tensors(in, onnx.Float32))
				if err != nil {
					t.Fatal(err)
				}
				got, _ := out["y1"].Int64()
				values, _ := out["y"].Float32()
				x := in["x0"]
				for i, v := range values {
					p := int(got[i])
					if order == 1 {
						p = rowwise(p, shape)
					}
					if float32(x[p]) != v {
						t.Fatalf("element %d: position %d holds %g, the maximum is %g", i, got[i], x[p], v)
					}
				}
			})
		}
	}
}

// rowwise turns a position that counts spatial axes first axis fastest into one in C order.
func rowwise(p int, shape []int) int {
	size := product(shape[2:])
	channel, p := p/size, p%size
	index := 0
	st := strides(shape[2:])
	for i, n := range shape[2:] {
		index += p % n * st[i]
		p /= n
	}
	return channel*size + index
}
