package onnx_test

import (
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// network makes a model of matrix products and embeddings whose nodes have TorchScript's names; each weight is
// given as the name of an initializer.
func network(weights map[string]*onnx.Tensor, order []string, nodes ...*onnx.Node) *onnx.Model {
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32}}
	for _, name := range order {
		g.Initializers = append(g.Initializers, &onnx.Initializer{Name: name, Tensor: weights[name]})
	}
	g.Nodes = nodes
	return m
}

func ramp(shape ...int) *onnx.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i%7) - 2.5 + float32(i)/100
	}
	return must(onnx.FromFloat32(shape, v))
}

func node(name, op, out string, inputs ...string) *onnx.Node {
	return &onnx.Node{Name: name, OpType: op, Inputs: inputs, Outputs: []string{out}}
}

// TestTiesOfModules tells modules that are used twice from copies that were equal when the model was exported.
func TestTiesOfModules(t *testing.T) {
	ones := must(onnx.FromFloat32([]int{8}, []float32{1, 1, 1, 1, 1, 1, 1, 1}))
	w := map[string]*onnx.Tensor{"w.weight": ramp(4, 4), "enc.0.lin.weight": ramp(4, 4), "n.weight": ones, "e.weight": ramp(4, 4)}
	dynamo := func(n *onnx.Node, scopes string) *onnx.Node {
		n.Metadata = map[string]string{"pkg.torch.onnx.name_scopes": scopes}
		return n
	}
	cases := map[string]struct {
		model *onnx.Model
		want  onnx.Tie
	}{
		"two calls": {network(w, []string{"w.weight"}, node("/w/MatMul", "MatMul", "a", "x", "w.weight"), node("/w_1/MatMul", "MatMul", "b", "a", "w.weight")), onnx.TrueTie},
		"merged through Identity": {network(w, []string{"w.weight"}, node("", "Identity", "v.weight", "w.weight"), node("/w/MatMul", "MatMul", "a", "x", "w.weight"),
			node("/v/MatMul", "MatMul", "b", "a", "v.weight")), onnx.FalseTie},
		"one parameter of two modules": {network(w, []string{"w.weight"}, node("/w/MatMul", "MatMul", "a", "x", "w.weight"), node("/v/MatMul", "MatMul", "b", "a", "w.weight")), onnx.TrueTie},
		"fresh copies": {network(w, []string{"enc.0.lin.weight", "n.weight"},
			dynamo(node("n0", "MatMul", "a", "x", "enc.0.lin.weight"), "['', 'enc', 'enc.0', 'enc.0.lin', 'linear']"),
			dynamo(node("n1", "MatMul", "b", "a", "enc.0.lin.weight"), "['', 'enc', 'enc.1', 'enc.1.lin', 'linear_1']"),
			node("n2", "LayerNormalization", "c", "b", "n.weight")), onnx.FalseTie},
		"trained and still equal": {network(w, []string{"enc.0.lin.weight"},
			dynamo(node("n0", "MatMul", "a", "x", "enc.0.lin.weight"), "['', 'enc', 'enc.0', 'enc.0.lin', 'linear']"),
			dynamo(node("n1", "MatMul", "b", "a", "enc.0.lin.weight"), "['', 'enc', 'enc.1', 'enc.1.lin', 'linear_1']")), onnx.TrueTie},
		"embedding that reads out": {network(w, []string{"e.weight"}, node("/e/Gather", "Gather", "a", "e.weight", "x"), node("/o/Transpose", "Transpose", "t", "e.weight"),
			node("/o/MatMul", "MatMul", "b", "a", "t")), onnx.TrueTie},
		"equal because fresh": {network(w, []string{"n.weight"}, node("/n/LayerNormalization", "LayerNormalization", "a", "x", "n.weight"),
			node("/m/LayerNormalization", "LayerNormalization", "b", "a", "n.weight")), onnx.FalseTie},
	}
	for name, c := range cases {
		if got := onnx.Params(c.model)[0].Tie; got != c.want {
			t.Errorf("%s: want a tie that is %q, got %q", name, c.want, got)
		}
	}
}

// TestTwins finds weights that an exporter wrote twice, and no others.
func TestTwins(t *testing.T) {
	other := ramp(4, 5)
	turned := make([]float32, 20)
	v, _ := other.Float32()
	for r := range 4 {
		for c := range 5 {
			turned[c*4+r] = v[r*5+c]
		}
	}
	w := map[string]*onnx.Tensor{
		"onnx::MatMul_1": ramp(4, 4), "onnx::MatMul_2": ramp(4, 4), "onnx::MatMul_3": ramp(4, 4), "e.weight": other, "onnx::MatMul_4": must(onnx.FromFloat32([]int{5, 4}, turned)),
	}
	m := network(w, []string{"onnx::MatMul_1", "onnx::MatMul_2", "onnx::MatMul_3", "e.weight", "onnx::MatMul_4"},
		node("/l/MatMul", "MatMul", "a", "x", "onnx::MatMul_1"), node("/l_1/MatMul", "MatMul", "b", "a", "onnx::MatMul_2"), node("/other/MatMul", "MatMul", "c", "b", "onnx::MatMul_3"),
		node("/e/Gather", "Gather", "d", "e.weight", "x"), node("/o/MatMul", "MatMul", "f", "d", "onnx::MatMul_4"))
	got := onnx.Twins(onnx.Params(m))
	if len(got) != 2 || got[0] != (onnx.Twin{First: "onnx::MatMul_1", Other: "onnx::MatMul_2"}) || got[1] != (onnx.Twin{First: "e.weight", Other: "onnx::MatMul_4", Transposed: true}) {
		t.Errorf("want the second call of l and the transpose of the embedding, got %+v", got)
	}
}
