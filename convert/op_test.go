package convert

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// opCase is one node with random inputs. Shapes are inputs that are differentiated; after them come
// constants. Every shape list is one case.
type opCase struct {
	op     string
	opset  int
	shapes [][]int
	consts []*onnx.Tensor
	attrs  []onnx.Attr
	// at puts the constants at these inputs; nil means behind the shapes.
	at []int
	// positive draws inputs from [0.5, 2).
	positive bool
	// within draws inputs from (-0.9, 0.9); offset is added to what positive draws.
	within  bool
	offset  float64
	outputs int
}

func (o opCase) String() string {
	s := fmt.Sprintf("%s-%d %v", o.op, o.opset, o.shapes)
	var attrs strings.Builder
	for _, a := range o.attrs {
		fmt.Fprint(&attrs, " ", a.Name, "=", a.Ints, a.I, a.F, a.S)
	}
	s += attrs.String()
	return s
}

func ints(t testing.TB, v ...int64) *onnx.Tensor {
	x, err := onnx.FromInt64([]int{len(v)}, v)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func doubles(shape []int, v []float64) *onnx.Tensor {
	raw := make([]byte, 8*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(raw[8*i:], math.Float64bits(x))
	}
	t, err := onnx.NewTensor(onnx.Float64, shape, raw)
	if err != nil {
		panic(err)
	}
	return t
}

// model builds the case with float inputs of one type.
func (o opCase) model(dtype onnx.DType) *onnx.Model {
	m := onnx.New(8, "op", onnx.Opset{Version: o.opset})
	g := m.Graph()
	n := &onnx.Node{Name: "n", OpType: o.op, Outputs: []string{"y"}, Attrs: o.attrs}
	for i := 1; i < o.outputs; i++ {
		n.Outputs = append(n.Outputs, fmt.Sprint("y", i))
	}
	for i, s := range o.shapes {
		name := fmt.Sprint("x", i)
		for slices.Contains(o.at, len(n.Inputs)) {
			n.Inputs = append(n.Inputs, "")
		}
		g.Inputs = append(g.Inputs, onnx.ValueInfo{Name: name, DType: dtype, Shape: s, Dims: make([]string, len(s))})
		n.Inputs = append(n.Inputs, name)
	}
	for i, c := range o.consts {
		name := ""
		if c != nil {
			name = fmt.Sprint("c", i)
			if c.DType().Float() {
				c, _, _ = c.Convert(dtype)
			}
			g.Initializers = append(g.Initializers, &onnx.Initializer{Name: name, Tensor: c})
		}
		if o.at != nil {
			for len(n.Inputs) <= o.at[i] {
				n.Inputs = append(n.Inputs, "")
			}
			n.Inputs[o.at[i]] = name
			continue
		}
		n.Inputs = append(n.Inputs, name)
	}
	g.Nodes = []*onnx.Node{n}
	g.Outputs = []onnx.ValueInfo{{Name: "y", DType: dtype}}
	return m
}

// draw makes random inputs in float64.
func (o opCase) draw(rng *rand.Rand) map[string][]float64 {
	in := map[string][]float64{}
	for i, s := range o.shapes {
		v := make([]float64, product(s))
		for j := range v {
			v[j] = rng.NormFloat64()
			switch {
			case o.positive || o.offset > 0:
				v[j] = o.offset + 0.5 + 1.5*rng.Float64()
			case o.within:
				v[j] = 1.8*rng.Float64() - 0.9
			}
		}
		in[fmt.Sprint("x", i)] = v
	}
	return in
}

func (o opCase) tensors(in map[string][]float64, dtype onnx.DType) map[string]*onnx.Tensor {
	out := map[string]*onnx.Tensor{}
	for i, s := range o.shapes {
		name := fmt.Sprint("x", i)
		t := doubles(s, in[name])
		t, _, _ = t.Convert(dtype)
		out[name] = t
	}
	return out
}

func a(name string, v ...int64) onnx.Attr           { return onnx.IntsAttr(name, v...) }
func i1(name string, v int64) onnx.Attr             { return onnx.IntAttr(name, v) }
func f1(name string, v float32) onnx.Attr           { return onnx.FloatAttr(name, v) }
func s1(name, v string) onnx.Attr                   { return onnx.StringAttr(name, v) }
func attrs(list ...onnx.Attr) []onnx.Attr           { return list }
func sizes(list ...[]int) [][]int                   { return list }
func scalarF(v float64) *onnx.Tensor                { return doubles(nil, []float64{v}) }
func tensorsOf(list ...*onnx.Tensor) []*onnx.Tensor { return list }

// opCases holds every family, in 2-D and 3-D where it matters, with what upstream gets wrong: even kernels
// with odd and even dilation, strides, pads beyond the kernel, overlapping and average pools, depthwise 3-D,
// transposed convolutions with output padding, groups and dilation, gathering on an inner axis.
func opCases(t testing.TB) []opCase {
	var out []opCase
	add := func(c opCase) {
		if c.opset == 0 {
			c.opset = 17
		}
		out = append(out, c)
	}
	// Convolutions.
	conv := func(x, w []int, list ...onnx.Attr) {
		add(opCase{op: "Conv", shapes: sizes(x, w, []int{w[0]}), attrs: list})
	}
	conv([]int{2, 3, 6, 7}, []int{4, 3, 3, 3}, a("pads", 1, 1, 1, 1))
	conv([]int{1, 2, 6, 7}, []int{4, 2, 1, 1})
	conv([]int{1, 2, 6, 7}, []int{4, 2, 3, 3}, a("strides", 2, 2), a("pads", 1, 1, 1, 1))
	conv([]int{1, 2, 7, 8}, []int{2, 2, 2, 2})
	conv([]int{1, 2, 7, 8}, []int{2, 2, 2, 2}, a("strides", 2, 2))
	conv([]int{1, 2, 7, 8}, []int{2, 2, 2, 2}, a("dilations", 2, 2), a("pads", 1, 1, 1, 1))
	conv([]int{1, 2, 9, 8}, []int{2, 2, 2, 2}, a("dilations", 3, 3))
	conv([]int{1, 2, 9, 10}, []int{2, 2, 4, 4}, a("strides", 2, 2), a("pads", 1, 1, 1, 1))
	conv([]int{1, 4, 5, 6}, []int{4, 1, 3, 3}, i1("group", 4), a("pads", 1, 1, 1, 1))
	conv([]int{2, 4, 6, 6}, []int{6, 2, 3, 3}, i1("group", 2), a("strides", 2, 1), a("dilations", 1, 2))
	conv([]int{1, 2, 4, 4}, []int{2, 2, 3, 3}, a("pads", 3, 3, 3, 3))
	conv([]int{1, 2, 6, 6}, []int{2, 2, 3, 3}, a("pads", 0, 1, 2, 0))
	conv([]int{1, 2, 6, 6}, []int{2, 2, 3, 3}, a("pads", -1, 0, 0, -1))
	conv([]int{1, 2, 7, 6}, []int{2, 2, 3, 2}, s1("auto_pad", "SAME_UPPER"), a("strides", 2, 2))
	conv([]int{1, 2, 7, 6}, []int{2, 2, 4, 3}, s1("auto_pad", "SAME_LOWER"), a("strides", 2, 1))
	conv([]int{1, 2, 9}, []int{3, 2, 3}, a("pads", 1, 1), a("strides", 2))
	conv([]int{1, 2, 5, 4, 6}, []int{3, 2, 3, 3, 3}, a("pads", 1, 1, 1, 1, 1, 1))
	conv([]int{1, 2, 5, 4, 6}, []int{3, 2, 3, 3, 3}, a("pads", 1, 1, 1, 1, 1, 1), a("strides", 2, 2, 2))
	conv([]int{1, 2, 4, 5, 4}, []int{2, 2, 2, 2, 2}, a("strides", 2, 2, 2))
	conv([]int{1, 2, 6, 7, 6}, []int{2, 2, 3, 3, 3}, a("dilations", 2, 2, 2), a("pads", 2, 2, 2, 2, 2, 2))
	conv([]int{1, 3, 4, 4, 4}, []int{3, 1, 3, 3, 3}, i1("group", 3), a("pads", 1, 1, 1, 1, 1, 1))
	conv([]int{1, 2, 8, 8, 8}, []int{2, 2, 3, 3, 3}, a("dilations", 4, 4, 4), a("pads", 4, 4, 4, 4, 4, 4))
	convT := func(x, w []int, list ...onnx.Attr) {
		g := 1
		for _, l := range list {
			if l.Name == "group" {
				g = int(l.I)
			}
		}
		add(opCase{op: "ConvTranspose", shapes: sizes(x, w, []int{w[1] * g}), attrs: list})
	}
	convT([]int{1, 2, 3, 4}, []int{2, 3, 2, 2}, a("strides", 2, 2))
	convT([]int{1, 2, 3, 4}, []int{2, 3, 3, 3}, a("strides", 2, 2), a("pads", 1, 1, 1, 1), a("output_padding", 1, 1))
	convT([]int{1, 2, 3, 4}, []int{2, 3, 3, 3}, a("strides", 2, 2), a("pads", 1, 1, 1, 1))
	convT([]int{1, 2, 3, 4}, []int{2, 3, 4, 4}, a("strides", 2, 2), a("pads", 1, 1, 1, 1))
	convT([]int{1, 2, 3, 4}, []int{2, 3, 3, 3}, a("pads", 1, 1, 1, 1))
	convT([]int{1, 4, 3, 4}, []int{4, 1, 3, 3}, i1("group", 2), a("strides", 2, 2), a("pads", 1, 1, 1, 1), a("output_padding", 1, 1))
	convT([]int{1, 2, 3, 4}, []int{2, 2, 3, 3}, a("strides", 2, 2), a("dilations", 2, 2))
	convT([]int{1, 2, 3, 4}, []int{2, 2, 3, 3}, a("strides", 2, 2), a("output_shape", 6, 8))
	convT([]int{1, 2, 3, 4}, []int{2, 2, 3, 3}, a("strides", 2, 3), s1("auto_pad", "SAME_UPPER"))
	convT([]int{1, 2, 3, 2, 2}, []int{2, 2, 2, 2, 2}, a("strides", 2, 2, 2))
	convT([]int{1, 2, 3, 2, 2}, []int{2, 2, 3, 3, 3}, a("strides", 2, 2, 2), a("pads", 1, 1, 1, 1, 1, 1), a("output_padding", 1, 1, 1))
	// Pools.
	pool := func(op string, x []int, list ...onnx.Attr) {
		add(opCase{op: op, opset: 19, shapes: sizes(x), attrs: list})
	}
	for _, op := range []string{"MaxPool", "AveragePool"} {
		pool(op, []int{1, 2, 6, 6}, a("kernel_shape", 2, 2), a("strides", 2, 2))
		pool(op, []int{1, 2, 7, 7}, a("kernel_shape", 3, 3), a("strides", 2, 2), a("pads", 1, 1, 1, 1))
		pool(op, []int{1, 2, 6, 7}, a("kernel_shape", 3, 3), a("strides", 1, 1), a("pads", 1, 1, 1, 1))
		pool(op, []int{1, 2, 6, 7}, a("kernel_shape", 2, 3))
		pool(op, []int{1, 2, 7, 8}, a("kernel_shape", 3, 3), a("strides", 2, 2), i1("ceil_mode", 1))
		pool(op, []int{1, 2, 7, 8}, a("kernel_shape", 3, 3), a("dilations", 2, 2), a("pads", 1, 1, 1, 1))
		pool(op, []int{1, 2, 7, 8}, a("kernel_shape", 3, 2), s1("auto_pad", "SAME_UPPER"), a("strides", 2, 2))
		pool(op, []int{1, 1, 5, 4, 5}, a("kernel_shape", 3, 3, 3), a("strides", 2, 2, 2), a("pads", 1, 1, 1, 1, 1, 1))
		pool(op, []int{1, 1, 4, 4, 4}, a("kernel_shape", 2, 2, 2), a("strides", 2, 2, 2))
	}
	pool("AveragePool", []int{1, 2, 7, 7}, a("kernel_shape", 3, 3), a("strides", 2, 2), a("pads", 1, 1, 1, 1), i1("count_include_pad", 1))
	pool("AveragePool", []int{1, 2, 8, 7}, a("kernel_shape", 3, 3), a("strides", 2, 2), a("pads", 1, 1, 1, 1), i1("count_include_pad", 1), i1("ceil_mode", 1))
	pool("LpPool", []int{1, 2, 7, 7}, a("kernel_shape", 3, 3), a("strides", 2, 2))
	for _, op := range []string{"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"} {
		pool(op, []int{2, 3, 4, 5})
		pool(op, []int{2, 3, 4, 2, 3})
	}
	// Norms.
	add(opCase{op: "InstanceNormalization", shapes: sizes([]int{2, 3, 4, 5}, []int{3}, []int{3})})
	add(opCase{op: "InstanceNormalization", shapes: sizes([]int{2, 2, 3, 2, 4}, []int{2}, []int{2}), attrs: attrs(f1("epsilon", 0.1))})
	add(opCase{op: "GroupNormalization", opset: 21, shapes: sizes([]int{2, 4, 3, 5}, []int{4}, []int{4}), attrs: attrs(i1("num_groups", 2))})
	add(opCase{op: "GroupNormalization", opset: 18, shapes: sizes([]int{2, 4, 3, 5}, []int{2}, []int{2}), attrs: attrs(i1("num_groups", 2))})
	add(opCase{op: "LayerNormalization", shapes: sizes([]int{2, 3, 5}, []int{5}, []int{5})})
	add(opCase{op: "LayerNormalization", shapes: sizes([]int{2, 3, 5}, []int{3, 5}, []int{3, 5}), attrs: attrs(i1("axis", 1))})
	add(opCase{op: "RMSNormalization", opset: 23, shapes: sizes([]int{2, 3, 5}, []int{5})})
	add(opCase{op: "LpNormalization", shapes: sizes([]int{2, 3, 5}), attrs: attrs(i1("axis", 1))})
	add(opCase{op: "LRN", shapes: sizes([]int{2, 5, 3, 3}), attrs: attrs(i1("size", 3), f1("alpha", 0.1))})
	add(opCase{op: "MeanVarianceNormalization", shapes: sizes([]int{2, 3, 4, 3})})
	add(opCase{op: "BatchNormalization", shapes: sizes([]int{3, 2, 4, 3}, []int{2}, []int{2}, []int{2}, []int{2}), positive: true})
	add(opCase{
		op: "BatchNormalization", shapes: sizes([]int{3, 2, 4, 3}, []int{2}, []int{2}),
		consts: tensorsOf(doubles([]int{2}, []float64{0, 0}), doubles([]int{2}, []float64{1, 1})), attrs: attrs(i1("training_mode", 1)), outputs: 3,
	})
	add(opCase{
		op: "BatchNormalization", shapes: sizes([]int{2, 2, 2, 3, 2}, []int{2}, []int{2}), opset: 9,
		consts: tensorsOf(doubles([]int{2}, []float64{0, 0}), doubles([]int{2}, []float64{1, 1})), outputs: 5,
	})
	// Pointwise.
	for _, op := range []string{
		"Relu", "LeakyRelu", "Elu", "Celu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Tanh",
		"Mish", "ThresholdedRelu", "Shrink", "Abs", "Neg", "Exp", "Erf", "Sin", "Cos", "Sinh", "Cosh", "Asinh", "Floor", "Ceil", "Round", "Sign", "Identity",
	} {
		add(opCase{op: op, opset: 18, shapes: sizes([]int{2, 3, 4})})
	}
	for _, op := range []string{"Sqrt", "Log", "Reciprocal"} {
		add(opCase{op: op, shapes: sizes([]int{2, 3, 4}), positive: true})
	}
	add(opCase{op: "Gelu", opset: 20, shapes: sizes([]int{2, 9})})
	add(opCase{op: "Gelu", opset: 20, shapes: sizes([]int{2, 9}), attrs: attrs(s1("approximate", "tanh"))})
	add(opCase{op: "Swish", opset: 24, shapes: sizes([]int{2, 9}), attrs: attrs(f1("alpha", 1.5))})
	add(opCase{op: "PRelu", shapes: sizes([]int{2, 3, 4, 4}, []int{3, 1, 1})})
	add(opCase{op: "PRelu", shapes: sizes([]int{2, 3, 4}, []int{1})})
	add(opCase{op: "Clip", shapes: sizes([]int{3, 7}), consts: tensorsOf(scalarF(-0.5), scalarF(0.7))})
	add(opCase{op: "Clip", opset: 6, shapes: sizes([]int{3, 7}), attrs: attrs(f1("min", -0.5), f1("max", 0.5))})
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Max", "Min"} {
		add(opCase{op: op, shapes: sizes([]int{2, 3, 4}, []int{3, 1}), positive: op == "Div"})
		add(opCase{op: op, shapes: sizes([]int{4}, []int{2, 1, 4}), positive: op == "Div"})
	}
	add(opCase{op: "Sum", shapes: sizes([]int{2, 3}, []int{3}, []int{2, 1})})
	add(opCase{op: "Mean", shapes: sizes([]int{2, 3}, []int{3}, []int{2, 1})})
	add(opCase{op: "Pow", shapes: sizes([]int{2, 3}, []int{3}), positive: true})
	add(opCase{op: "Pow", shapes: sizes([]int{2, 3}), consts: tensorsOf(scalarF(2))})
	add(opCase{op: "Pow", shapes: sizes([]int{2, 3}), consts: tensorsOf(scalarF(0.5)), positive: true})
	add(opCase{op: "Pow", shapes: sizes([]int{2, 3}), consts: tensorsOf(scalarF(2.5)), positive: true})
	add(opCase{op: "Mod", shapes: sizes([]int{2, 3}, []int{2, 3}), attrs: attrs(i1("fmod", 1)), positive: true})
	for _, op := range []string{"Softmax", "LogSoftmax"} {
		add(opCase{op: op, shapes: sizes([]int{2, 3, 4})})
		add(opCase{op: op, shapes: sizes([]int{2, 3, 4}), attrs: attrs(i1("axis", 1))})
		add(opCase{op: op, opset: 11, shapes: sizes([]int{2, 3, 4})})
	}
	// Reductions.
	for _, op := range []string{"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"} {
		add(opCase{op: op, opset: 18, shapes: sizes([]int{2, 3, 4}), consts: tensorsOf(ints(t, 0, -1)), positive: true})
		add(opCase{op: op, opset: 11, shapes: sizes([]int{2, 3, 4}), attrs: attrs(a("axes", 1), i1("keepdims", 0)), positive: true})
	}
	add(opCase{op: "CumSum", shapes: sizes([]int{2, 5, 2}), consts: tensorsOf(ints(t, 1)), attrs: attrs(i1("exclusive", 1), i1("reverse", 1))})
	// Matrices.
	add(opCase{op: "MatMul", shapes: sizes([]int{3, 4}, []int{4, 5})})
	add(opCase{op: "MatMul", shapes: sizes([]int{2, 3, 4}, []int{4, 5})})
	add(opCase{op: "MatMul", shapes: sizes([]int{2, 1, 3, 4}, []int{5, 4, 2})})
	add(opCase{op: "MatMul", shapes: sizes([]int{4}, []int{2, 4, 3})})
	add(opCase{op: "MatMul", shapes: sizes([]int{2, 3, 4}, []int{4})})
	add(opCase{op: "Gemm", shapes: sizes([]int{4, 3}, []int{5, 4}, []int{5}), attrs: attrs(i1("transA", 1), i1("transB", 1), f1("alpha", 0.5), f1("beta", 2))})
	add(opCase{op: "Einsum", shapes: sizes([]int{2, 3, 4}, []int{2, 5, 4}), attrs: attrs(s1("equation", "bij,bkj->bik"))})
	add(opCase{op: "Einsum", shapes: sizes([]int{2, 3, 4}, []int{5, 4}), attrs: attrs(s1("equation", "...j,kj->...k"))})
	add(opCase{op: "Einsum", shapes: sizes([]int{3, 3}), attrs: attrs(s1("equation", "ii->i"))})
	add(opCase{op: "Einsum", shapes: sizes([]int{2, 3}, []int{3, 4}, []int{4, 2}), attrs: attrs(s1("equation", "ab,bc,ca->a"))})
	add(opCase{op: "Einsum", shapes: sizes([]int{2, 3}, []int{4}), attrs: attrs(s1("equation", "ij,k->ijk"))})
	// Resizing.
	for _, mode := range []string{"nearest", "linear", "cubic"} {
		for _, ct := range []string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"} {
			list := attrs(s1("mode", mode), s1("coordinate_transformation_mode", ct))
			add(opCase{op: "Resize", opset: 19, shapes: sizes([]int{1, 2, 4, 5}), attrs: list, at: []int{2}, consts: tensorsOf(doubles([]int{4}, []float64{1, 1, 2, 1.5}))})
			add(opCase{op: "Resize", opset: 19, shapes: sizes([]int{1, 2, 5, 6}), attrs: list, at: []int{3}, consts: tensorsOf(ints(t, 1, 2, 3, 7))})
		}
	}
	add(opCase{op: "Resize", opset: 19, shapes: sizes([]int{1, 1, 8, 6}), attrs: attrs(s1("mode", "linear"), i1("antialias", 1)), at: []int{3}, consts: tensorsOf(ints(t, 1, 1, 3, 4))})
	add(opCase{op: "Resize", opset: 19, shapes: sizes([]int{1, 1, 4, 3, 3}), attrs: attrs(s1("mode", "linear")), at: []int{2}, consts: tensorsOf(doubles([]int{5}, []float64{1, 1, 2, 2, 2}))})
	add(opCase{op: "Upsample", opset: 9, shapes: sizes([]int{1, 2, 3, 4}), consts: tensorsOf(doubles([]int{4}, []float64{1, 1, 2, 3}))})
	// Movement.
	add(opCase{op: "Transpose", shapes: sizes([]int{2, 3, 4}), attrs: attrs(a("perm", 2, 0, 1))})
	add(opCase{op: "Reshape", shapes: sizes([]int{2, 3, 4}), consts: tensorsOf(ints(t, 0, -1, 2))})
	add(opCase{op: "Flatten", shapes: sizes([]int{2, 3, 4}), attrs: attrs(i1("axis", 2))})
	add(opCase{op: "Expand", shapes: sizes([]int{3, 1}), consts: tensorsOf(ints(t, 2, 1, 4))})
	add(opCase{op: "Tile", shapes: sizes([]int{2, 3}), consts: tensorsOf(ints(t, 2, 3))})
	add(opCase{op: "Concat", shapes: sizes([]int{2, 3}, []int{2, 1}), attrs: attrs(i1("axis", 1))})
	add(opCase{op: "Slice", shapes: sizes([]int{6, 7}), consts: tensorsOf(ints(t, 1, -1), ints(t, 6, -100), ints(t, 0, 1), ints(t, 2, -2))})
	add(opCase{op: "Slice", opset: 9, shapes: sizes([]int{6, 7}), attrs: attrs(a("starts", 1), a("ends", 1000), a("axes", 1))})
	add(opCase{op: "Gather", shapes: sizes([]int{3, 5, 2}), consts: tensorsOf(ints(t, 1, 1, -1, 0)), attrs: attrs(i1("axis", 1))})
	add(opCase{op: "GatherElements", shapes: sizes([]int{2, 3}), consts: tensorsOf(indexTensor(t, []int{2, 2}, 0, 2, 1, 1)), attrs: attrs(i1("axis", 1))})
	add(opCase{op: "GatherND", shapes: sizes([]int{3, 4, 2}), consts: tensorsOf(indexTensor(t, []int{2, 2}, 0, 1, 2, 3))})
	add(opCase{op: "ScatterND", shapes: sizes([]int{4, 2}, []int{2, 2}), consts: tensorsOf(indexTensor(t, []int{2, 1}, 1, 3)), at: []int{1}})
	for _, mode := range []string{"constant", "reflect", "edge", "wrap"} {
		add(opCase{op: "Pad", opset: 19, shapes: sizes([]int{2, 4, 5}), attrs: attrs(s1("mode", mode)), consts: tensorsOf(ints(t, 0, 1, 2, 0, 2, 1))})
	}
	add(opCase{op: "Pad", opset: 19, shapes: sizes([]int{2, 4, 5}), consts: tensorsOf(ints(t, 0, -1, 2, 0, 2, -1))})
	add(opCase{op: "DepthToSpace", shapes: sizes([]int{1, 8, 2, 3}), attrs: attrs(i1("blocksize", 2), s1("mode", "CRD"))})
	add(opCase{op: "DepthToSpace", shapes: sizes([]int{1, 8, 2, 3}), attrs: attrs(i1("blocksize", 2))})
	add(opCase{op: "SpaceToDepth", shapes: sizes([]int{1, 2, 4, 6}), attrs: attrs(i1("blocksize", 2))})
	add(opCase{op: "Trilu", shapes: sizes([]int{2, 4, 5}), attrs: attrs(i1("upper", 0))})
	for _, c := range slices.Concat(attentionCases(t), sequenceCases(t), sampleCases(t), quantCases(t)) {
		add(c)
	}
	return out
}

func indexTensor(t testing.TB, shape []int, v ...int64) *onnx.Tensor {
	x, err := onnx.FromInt64(shape, v)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// cotangentOf draws what the output is multiplied with; its shape comes from a first run.
func cotangentOf(t testing.TB, g *Graph, b *Backend, in map[string]*onnx.Tensor, rng *rand.Rand) *onnx.Tensor {
	t.Helper()
	r := g.Runner(b)
	defer r.Close()
	out, err := r.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float64, out["y"].Len())
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	return doubles(out["y"].Shape(), v)
}

// TestOperators compares each operator's gradient with central differences in float64 on the reference
// engine, then outputs and gradients of the training engine in float32 with the reference's.
//
// Right operators differ from central differences by at most 2e-7, wrong ones by 0.1 to 2; float32 engines
// differ from the reference by about 2e-6.
func TestOperators(t *testing.T) {
	ref, err := NewBackend(BackendOptions{Device: "go"})
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	Double(ref)
	fast, err := NewBackend(BackendOptions{Device: "cpu"})
	if err != nil {
		t.Logf("the training engine is left out: %v", err)
	} else {
		defer fast.Close()
	}
	cuda, err := OnRuntime()
	if err != nil {
		t.Logf("the engine on onnxruntime is left out: %v", err)
	} else {
		defer cuda.Close()
	}
	xla, err := NewBackend(BackendOptions{Device: "xla:cpu"})
	if err != nil {
		t.Logf("XLA is left out: %v", err)
	} else {
		defer xla.Close()
	}
	sample := 24 // XLA compiles slowly: one case of so many
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		sample = 1
	}
	for i, o := range opCases(t) {
		if only := os.Getenv("ONLY"); only != "" && only != o.op {
			continue
		}
		engines := []*Backend{fast, cuda, xla}
		if i%sample != 0 {
			engines[2] = nil
		}
		t.Run(o.String(), func(t *testing.T) { o.check(t, ref, engines...) })
	}
}

func (o opCase) check(t *testing.T, ref *Backend, engines ...*Backend) {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(1, uint64(len(o.op))))
	g, err := Import(o.model(onnx.Float64), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	in := o.draw(rng)
	cot := cotangentOf(t, g, ref, o.tensors(in, onnx.Float64), rng)
	at := func(in map[string][]float64) *Gradients {
		t.Helper()
		got, err := g.Gradient(ctx, ref, o.tensors(in, onnx.Float64), map[string]*onnx.Tensor{"y": cot}, true)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	exact := at(in)
	for name, x := range in {
		u := make([]float64, len(x))
		want := 0.0
		grad, err := numbers(exact.Inputs[name])
		if err != nil {
			t.Fatal(err)
		}
		for i := range u {
			u[i] = rng.NormFloat64()
			want += u[i] * grad[i]
		}
		const h = 1e-6
		side := func(sign float64) float64 {
			moved := map[string][]float64{}
			maps.Copy(moved, in)
			v := make([]float64, len(x))
			for i := range v {
				v[i] = x[i] + sign*h*u[i]
			}
			moved[name] = v
			return at(moved).Loss
		}
		got := (side(1) - side(-1)) / (2 * h)
		if diff := math.Abs(got-want) / math.Max(1e-3, math.Max(math.Abs(got), math.Abs(want))); diff > 1e-5 {
			t.Errorf("%s: derivative %g, central differences %g", name, want, got)
		}
	}
	for i, fast := range engines {
		if fast == nil {
			continue
		}
		o.checkEngine(t, []string{"training engine", "engine on onnxruntime", "xla"}[i], fast, in, cot, exact)
	}
}

// checkEngine compares a training engine in float32 with the reference's numbers.
func (o opCase) checkEngine(t *testing.T, name string, fast *Backend, in map[string][]float64, cot *onnx.Tensor, exact *Gradients) {
	ctx := context.Background()
	single, err := Import(o.model(onnx.Float32), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c32, _, _ := cot.Convert(onnx.Float32)
	got, err := single.Gradient(ctx, fast, o.tensors(in, onnx.Float32), map[string]*onnx.Tensor{"y": c32}, true)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if rel, err := relative(got.Outputs["y"], exact.Outputs["y"], 1e-3); err != nil || rel > 1e-4 {
		t.Errorf("%s: output differs by %g (%v)", name, rel, err)
	}
	for input := range in {
		if rel, err := relative(got.Inputs[input], exact.Inputs[input], 1e-2); err != nil || rel > 1e-4 {
			t.Errorf("%s: gradient of %s differs by %g (%v)", name, input, rel, err)
		}
	}
}
