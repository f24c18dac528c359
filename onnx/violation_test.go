package onnx_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// sound returns a model without violations: y = Conv(Relu(x), w).
func sound() *onnx.Model {
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: []int{1, 1, 3, 3}}}
	g.Outputs = []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: []int{1, 1, 3, 3}}}
	g.Initializers = []*onnx.Initializer{{Name: "w", Tensor: must(onnx.FromFloat32([]int{1, 1, 1, 1}, []float32{2}))}}
	g.Nodes = []*onnx.Node{
		{Name: "a", OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"r"}},
		{Name: "b", OpType: "Conv", Inputs: []string{"r", "w"}, Outputs: []string{"y"}, Attrs: []onnx.Attr{onnx.IntsAttr("pads", 0, 0, 0, 0)}},
	}
	return m
}

// branch is a subgraph with one node.
func branch(n *onnx.Node) *onnx.Graph {
	return &onnx.Graph{Name: "branch", Nodes: []*onnx.Node{n}, Outputs: []onnx.ValueInfo{{Name: n.Outputs[0]}}}
}

// violation is a damage to the sound model and what Check says then: parts of its lines, one for each.
type violation struct {
	damage func(m *onnx.Model)
	want   []string
}

func violations() map[string]violation {
	node := func(m *onnx.Model) *onnx.Node { return m.Graph().Nodes[1] }
	return map[string]violation{
		"none":          {func(*onnx.Model) {}, nil},
		"ir version":    {func(m *onnx.Model) { m.IRVersion = 99 }, []string{"ir_version: want 1 to 14, got 99"}},
		"no opset":      {func(m *onnx.Model) { m.Opsets = nil }, []string{"opset_import: want at least one", `Relu "a": domain`, `Conv "b": domain`}},
		"opset twice":   {func(m *onnx.Model) { m.Opsets = append(m.Opsets, onnx.Opset{Domain: "ai.onnx", Version: 17}) }, []string{"each domain once"}},
		"unknown opset": {func(m *onnx.Model) { m.Opsets[0].Version = 1000 }, []string{"opset_import: want version 1 to 28"}},
		"graph name":    {func(m *onnx.Model) { m.Graph().Name = "" }, []string{"graph name"}},
		"no node type":  {func(m *onnx.Model) { node(m).OpType = "" }, []string{"op_type: want an operator, got none"}},
		"unknown op":    {func(m *onnx.Model) { node(m).OpType = "Convolve" }, []string{"op_type: want an operator of opset 17"}},
		"too new op": {func(m *onnx.Model) {
			node(m).OpType = "Swish"
			node(m).Inputs = node(m).Inputs[:1]
			node(m).Attrs = nil
		}, []string{"op_type: want an operator of opset 17, got Swish"}},
		"unknown domain": {func(m *onnx.Model) { node(m).Domain = "my.ops" }, []string{`domain: want one that opset_import names, got "my.ops"`}},
		"foreign op": {func(m *onnx.Model) {
			node(m).Domain = "my.ops"
			m.Opsets = append(m.Opsets, onnx.Opset{Domain: "my.ops", Version: 1})
		}, nil},
		"few inputs":        {func(m *onnx.Model) { node(m).Inputs = []string{"r"} }, []string{"number of inputs: want 2 to 3, got 1"}},
		"many outputs":      {func(m *onnx.Model) { node(m).Outputs = []string{"y", "z"} }, []string{"number of outputs: want 1, got 2"}},
		"hole":              {func(m *onnx.Model) { node(m).Inputs[1] = "" }, []string{"input 1: want a value"}},
		"unknown input":     {func(m *onnx.Model) { node(m).Inputs[1] = "v" }, []string{"input v: want a value of the graph, got nothing makes it"}},
		"unknown output":    {func(m *onnx.Model) { m.Graph().Outputs[0].Name = "q" }, []string{"output q: want a value of the graph"}},
		"order":             {func(m *onnx.Model) { slices.Reverse(m.Graph().Nodes) }, []string{"it is made by a later one (warning)"}},
		"cycle":             {func(m *onnx.Model) { m.Graph().Nodes[0].Inputs[0] = "y" }, []string{"(warning)", "no cycle"}},
		"twice":             {func(m *onnx.Model) { node(m).Outputs[0] = "r" }, []string{"output r: want a new value", "output y: want"}},
		"output is input":   {func(m *onnx.Model) { m.Graph().Nodes[0].Outputs[0] = "x"; node(m).Inputs[0] = "x" }, []string{"output x: want a new value"}},
		"input twice":       {func(m *onnx.Model) { m.Graph().Inputs = append(m.Graph().Inputs, m.Graph().Inputs[0]) }, []string{"input x: want a name of its own"}},
		"input type":        {func(m *onnx.Model) { m.Graph().Inputs[0].DType = 0 }, []string{"input x: want an element type, got none"}},
		"input shape":       {func(m *onnx.Model) { m.Graph().Inputs[0].Shape = nil }, []string{"input x: want a shape"}},
		"attribute name":    {func(m *onnx.Model) { node(m).Attrs[0].Name = "padding" }, []string{"attribute padding: want one of auto_pad"}},
		"attribute twice":   {func(m *onnx.Model) { node(m).Attrs = append(node(m).Attrs, node(m).Attrs[0]) }, []string{"attribute pads: want a name of its own"}},
		"attribute type":    {func(m *onnx.Model) { node(m).Attrs[0] = onnx.IntAttr("pads", 1) }, []string{"attribute pads: want ints, got int"}},
		"private attribute": {func(m *onnx.Model) { node(m).SetAttr(onnx.IntAttr("__mine", 1)) }, nil},
		"reference":         {func(m *onnx.Model) { node(m).Attrs[0].Ref = "p" }, []string{"want a value (references are for functions)"}},
		"required":          {func(m *onnx.Model) { n := m.Graph().Nodes[0]; n.OpType = "Cast" }, []string{"attribute to: want it (it is required)"}},
		"deprecated":        {func(m *onnx.Model) { node(m).OpType = "Upsample"; node(m).Attrs = nil }, []string{"which is deprecated there (warning)"}},
		"initializer twice": {func(m *onnx.Model) {
			m.Graph().Initializers = append(m.Graph().Initializers, m.Graph().Initializers[0])
		}, []string{"initializer w: want a name of its own"}},
		"initializer name": {func(m *onnx.Model) {
			m.Graph().Initializers = append(m.Graph().Initializers, &onnx.Initializer{Tensor: m.Graph().Initializers[0].Tensor})
		}, []string{"initializer: want a name"}},
		"ir 3":           {func(m *onnx.Model) { m.IRVersion = 3 }, []string{"initializer w: want it among the inputs"}},
		"metadata twice": {func(m *onnx.Model) { m.SetMetadata("k", "v") }, nil},
		"two at once":    {func(m *onnx.Model) { m.IRVersion = 99; node(m).Inputs = nil }, []string{"ir_version", "number of inputs"}},
		"subgraph": {func(m *onnx.Model) {
			m.Graph().Initializers = append(m.Graph().Initializers, &onnx.Initializer{Name: "c", Tensor: must(onnx.NewTensor(onnx.Bool, nil, []byte{1}))})
			m.Graph().Nodes[0] = &onnx.Node{Name: "if", OpType: "If", Inputs: []string{"c"}, Outputs: []string{"r"}, Attrs: []onnx.Attr{
				onnx.GraphAttr("then_branch", branch(&onnx.Node{Name: "t", OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"t"}})),
				onnx.GraphAttr("else_branch", branch(&onnx.Node{Name: "e", OpType: "Relu", Inputs: []string{"nowhere"}, Outputs: []string{"w"}})),
			}}
		}, []string{`if/else_branch: Relu "e": input nowhere`, `if/else_branch: Relu "e": output w`}},
		"function": {func(m *onnx.Model) {
			m.Functions = []*onnx.Function{{
				Name: "F", Domain: "my", Inputs: []string{"a"}, Outputs: []string{"b", "c"}, Opsets: []onnx.Opset{{Version: 17}},
				Nodes: []*onnx.Node{{Name: "f", OpType: "LeakyRelu", Inputs: []string{"a"}, Outputs: []string{"b"}, Attrs: []onnx.Attr{{Name: "alpha", Kind: onnx.KindFloat, Ref: "slope"}}}},
			}}
		}, []string{`function my:F: LeakyRelu "f": attribute alpha: want a reference to an attribute of the function`, "function my:F: output c"}},
		"recursion": {func(m *onnx.Model) {
			m.Functions = []*onnx.Function{{
				Name: "F", Domain: "my", Inputs: []string{"a"}, Outputs: []string{"b"}, Opsets: []onnx.Opset{{Domain: "my", Version: 1}},
				Nodes: []*onnx.Node{{OpType: "F", Domain: "my", Inputs: []string{"a"}, Outputs: []string{"b"}}},
			}}
		}, []string{"want no recursion"}},
	}
}

func TestViolations(t *testing.T) {
	for name, c := range violations() {
		m := sound()
		c.damage(m)
		for _, how := range []string{"in memory", "read back"} {
			if how == "read back" {
				data, err := onnx.Encode(m)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if m, err = onnx.Read(bytes.NewReader(data), int64(len(data))); err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
			}
			compare(t, name+" "+how, onnx.Check(m), c.want)
		}
	}
}

func compare(t *testing.T, name string, got []onnx.Violation, want []string) {
	t.Helper()
	var lines []string
	for _, v := range got {
		lines = append(lines, v.String())
	}
	rest := slices.Clone(lines)
	for _, w := range want {
		i := slices.IndexFunc(rest, func(l string) bool { return strings.Contains(l, w) })
		if i < 0 {
			t.Errorf("%s: want %q, got\n  %s", name, w, strings.Join(lines, "\n  "))
			return
		}
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) > 0 {
		t.Errorf("%s: not expected:\n  %s", name, strings.Join(rest, "\n  "))
	}
}
