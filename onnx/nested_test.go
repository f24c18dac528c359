package onnx_test

import (
	"bytes"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// nested returns a model with a subgraph and a function, as it is read back.
func nested(t *testing.T) *onnx.Model {
	t.Helper()
	m := sound()
	g := m.Graph()
	g.Initializers = append(g.Initializers, &onnx.Initializer{Name: "c", Tensor: must(onnx.NewTensor(onnx.Bool, nil, []byte{1}))})
	inner := branch(&onnx.Node{Name: "else", OpType: "Add", Inputs: []string{"x", "k"}, Outputs: []string{"e"}})
	inner.Initializers = []*onnx.Initializer{{Name: "k", Tensor: must(onnx.FromFloat32([]int{2}, []float32{1, 2}))}}
	g.Nodes[0] = &onnx.Node{Name: "if", OpType: "If", Inputs: []string{"c"}, Outputs: []string{"r"}, Attrs: []onnx.Attr{
		onnx.GraphAttr("then_branch", branch(&onnx.Node{Name: "then", OpType: "F", Domain: "my", Inputs: []string{"x"}, Outputs: []string{"t"}})),
		onnx.GraphAttr("else_branch", inner),
	}}
	m.Opsets = append(m.Opsets, onnx.Opset{Domain: "my", Version: 1})
	m.Functions = []*onnx.Function{{
		Name: "F", Domain: "my", Inputs: []string{"a"}, Outputs: []string{"b"}, Opsets: []onnx.Opset{{Version: 17}},
		Attributes: []string{"slope"}, Nodes: []*onnx.Node{{
			Name: "leaky", OpType: "LeakyRelu", Inputs: []string{"a"}, Outputs: []string{"b"},
			Attrs: []onnx.Attr{{Name: "alpha", Kind: onnx.KindFloat, Ref: "slope"}},
		}},
	}}
	back := again(t, m)
	for _, v := range onnx.Check(back) {
		t.Error(v)
	}
	return back
}

// TestNestedEdits changes parts of subgraphs and functions: only their bytes change.
func TestNestedEdits(t *testing.T) {
	cases := map[string]struct {
		edit  func(m *onnx.Model)
		bytes int // how many bytes lie between the first and the last that changes
	}{
		"node name": {func(m *onnx.Model) { m.Graph().Nodes[0].Graph("else_branch").Nodes[0].Name = "elsX" }, 1},
		"value":     {func(m *onnx.Model) { m.Graph().Nodes[0].Graph("then_branch").Nodes[0].Inputs[0] = "r" }, 1},
		"tensor": {func(m *onnx.Model) {
			m.Graph().Nodes[0].Graph("else_branch").Initializers[0].Tensor = must(onnx.FromFloat32([]int{2}, []float32{-1, -2}))
		}, 5},
		"function":  {func(m *onnx.Model) { m.Functions[0].Nodes[0].Name = "lEaky" }, 1},
		"reference": {func(m *onnx.Model) { m.Functions[0].Nodes[0].Attrs[0].Ref = "sloPe" }, 1},
	}
	for name, c := range cases {
		m := nested(t)
		before, err := onnx.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		c.edit(m)
		after, err := onnx.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		if first, last := differ(after, before); len(after) != len(before) || last-first != c.bytes {
			t.Errorf("%s: %d bytes of %d differ, want %d of %d", name, last-first, len(after), c.bytes, len(before))
		}
	}
}

// TestRemoveInitializerOfIR3 removes the input of that name too.
func TestRemoveInitializerOfIR3(t *testing.T) {
	m := model(t, "box_ir3")
	inputs := len(m.Inputs())
	name := m.Graph().Initializers[0].Name
	if err := m.RemoveInitializer(name); err != nil {
		t.Fatal(err)
	}
	back := again(t, m)
	if _, ok := back.Initializer(name); ok || len(back.Inputs()) != inputs || len(back.Graph().DefaultInputs) != len(m.Graph().Initializers) {
		t.Errorf("got %d inputs and %d with defaults", len(back.Inputs()), len(back.Graph().DefaultInputs))
	}
}

// TestNonMinimalLengths keeps lengths that take more bytes than they need, as some writers reserve them.
func TestNonMinimalLengths(t *testing.T) {
	data, err := onnx.Encode(sound())
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.IndexByte(data, 0x3a) // the graph's tag; its length gets a byte more
	for n := 1; ; n++ {
		if data[i+n] < 0x80 {
			wide := append(bytes.Clone(data[:i+n]), data[i+n]|0x80, 0)
			data = append(wide, data[i+n+1:]...)
			break
		}
	}
	m, err := onnx.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	m.Graph().Nodes[0].Name = "A"
	out, err := onnx.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if first, last := differ(out, data); len(out) != len(data) || last-first != 1 {
		t.Errorf("want one byte changed, got %d", last-first)
	}
}
