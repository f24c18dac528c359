package onnx_test

import (
	"strings"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// TestRoles leads a stored tensor w to an input of an operator, through other nodes or not.
func TestRoles(t *testing.T) {
	two := must(onnx.FromFloat32([]int{2, 2}, []float32{1, 2, 3, 4}))
	row := must(onnx.FromFloat32([]int{1, 2}, []float32{1, 2}))
	one := must(onnx.FromFloat32(nil, []float32{3}))
	bytes8 := must(onnx.NewTensor(onnx.Int8, []int{2, 2}, []byte{1, 2, 3, 4}))
	ints := must(onnx.FromInt64([]int{2}, []int64{1, 2}))
	half := must(onnx.NewTensor(onnx.Float16, []int{2, 2}, make([]byte, 8)))
	maskT := must(onnx.FromFloat32([]int{2, 2}, []float32{0, -100, 0, -100}))
	cases := map[string]struct {
		tensor *onnx.Tensor
		chain  []string
		op     string
		inputs string // separated by blanks; W is the tensor, a an activation, x the model's input
		role   onnx.Role
		reason string // part of why it does not train, "" if it does
	}{
		"product":         {two, nil, "MatMul", "a W", onnx.LinearWeight, ""},
		"left product":    {two, nil, "MatMul", "W a", onnx.LinearWeight, ""},
		"gemm":            {two, nil, "Gemm", "a W", onnx.LinearWeight, ""},
		"transposed":      {two, []string{"Transpose"}, "MatMul", "a W", onnx.LinearWeight, ""},
		"long chain":      {half, []string{"Identity", "Cast", "Reshape", "Transpose", "Unsqueeze", "Squeeze"}, "Gemm", "a W", onnx.LinearWeight, ""},
		"quantized":       {bytes8, []string{"DequantizeLinear"}, "Gemm", "a W", onnx.LinearWeight, "quantized"},
		"computed":        {two, []string{"Abs"}, "Gemm", "a W", onnx.LinearWeight, ""},
		"embedding":       {two, nil, "Gather", "W a", onnx.Embedding, ""},
		"gather indices":  {ints, nil, "Gather", "a W", onnx.Constant, "int64 never trains"},
		"slope":           {one, nil, "PRelu", "a W", onnx.PReluSlope, ""},
		"mean":            {row, nil, "BatchNormalization", "a b c W d", onnx.NormMean, "state"},
		"variance":        {row, nil, "BatchNormalization", "a b c d W", onnx.NormVar, "state"},
		"scalar factor":   {one, nil, "Mul", "a W", onnx.Constant, "a single number"},
		"scalar divisor":  {one, nil, "Div", "a W", onnx.Constant, "a single number"},
		"scale":           {row, nil, "Mul", "a W", onnx.NormScale, ""},
		"offset":          {row, nil, "Add", "W a", onnx.NormBias, ""},
		"subtracted":      {row, nil, "Sub", "a W", onnx.Constant, "a mean"},
		"position":        {two, nil, "Add", "a W", onnx.Position, ""},
		"token":           {row, nil, "Concat", "W a", onnx.Position, ""},
		"mask":            {maskT, nil, "Add", "a W", onnx.Constant, "a mask"},
		"input's mean":    {row, nil, "Sub", "x W", onnx.Constant, "the model's input"},
		"input's scale":   {row, nil, "Div", "x W", onnx.Constant, "the model's input"},
		"limit":           {one, nil, "Clip", "a W", onnx.Constant, "input of Clip"},
		"exponent":        {one, nil, "Pow", "a W", onnx.Constant, "input of Pow"},
		"sizes":           {row, nil, "Resize", "a b W", onnx.Constant, "input of Resize"},
		"shape":           {ints, nil, "Reshape", "a W", onnx.Constant, "int64 never trains"},
		"no use":          {two, nil, "Relu", "a", onnx.Constant, "nothing uses it"},
		"recurrent":       {two, nil, "LSTM", "a W b", onnx.RNNWeight, ""},
		"another's":       {two, nil, "my:Conv", "a W", onnx.Constant, "not a standard operator"},
		"transposed conv": {two, nil, "ConvTranspose", "a W", onnx.ConvWeight, ""},
	}
	for name, c := range cases {
		p := chained(c.tensor, c.chain, c.op, c.inputs)
		if p.Role != c.role || p.Trainable != (c.reason == "") || !strings.Contains(p.Reason, c.reason) {
			t.Errorf("%s: want %s %q, got %s %q", name, c.role, c.reason, p.Role, p.Reason)
		}
		if p.Trainable && name != "computed" && len(p.Slots[0].Chain) != len(c.chain) {
			t.Errorf("%s: want a chain of %d, got %d", name, len(c.chain), len(p.Slots[0].Chain))
		}
	}
}

// chained returns the parameter w of a model in which w goes through the nodes of chain to an input of op.
func chained(w *onnx.Tensor, chain []string, op, inputs string) onnx.Param {
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32}}
	g.Initializers = []*onnx.Initializer{{Name: "w", Tensor: w}}
	g.Nodes = append(g.Nodes, &onnx.Node{OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"a"}})
	value := "w"
	for _, c := range chain {
		g.Nodes = append(g.Nodes, &onnx.Node{OpType: c, Inputs: []string{value}, Outputs: []string{value + "'"}})
		value += "'"
	}
	domain, name, found := strings.Cut(op, ":")
	if !found {
		domain, name = "", op
	}
	g.Nodes = append(g.Nodes, &onnx.Node{OpType: name, Domain: domain, Inputs: strings.Fields(strings.ReplaceAll(inputs, "W", value)), Outputs: []string{"y"}})
	return onnx.Params(m)[0]
}
