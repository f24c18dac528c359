package convert_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// scalar is an initializer with one number.
func scalar(name string, v float32) *onnx.Initializer {
	t, err := onnx.FromFloat32(nil, []float32{v})
	if err != nil {
		panic(err)
	}
	return &onnx.Initializer{Name: name, Tensor: t}
}

// fork is a model of two branches that join: y = f(x * a) + x * b, where f is a chain of nodes.
func fork(f ...*onnx.Node) *onnx.Model {
	m := onnx.New(8, "fork", onnx.Opset{Version: 17})
	g := m.Graph()
	shape := []int{2, 3, 4}
	g.Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: shape, Dims: make([]string, 3)}}
	g.Outputs = []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: shape, Dims: make([]string, 3)}}
	g.Initializers = []*onnx.Initializer{scalar("a", 3), scalar("b", 0.5)}
	g.Nodes = []*onnx.Node{
		{Name: "other", OpType: "Mul", Inputs: []string{"x", "b"}, Outputs: []string{"s"}},
		{Name: "first", OpType: "Mul", Inputs: []string{"x", "a"}, Outputs: []string{"f0"}},
	}
	g.Nodes = append(g.Nodes, f...)
	g.Nodes = append(g.Nodes, &onnx.Node{Name: "join", OpType: "Add", Inputs: []string{f[len(f)-1].Outputs[0], "s"}, Outputs: []string{"y"}})
	return m
}

// prove compares a model with a runtime that runs the model as change leaves it.
func prove(t *testing.T, m *onnx.Model, change func(*onnx.Graph)) *convert.Deviation {
	t.Helper()
	if _, _, err := ort.Library(""); err != nil {
		t.Skip(err)
	}
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return g.Prove(context.Background(), backend(t), convert.CheckOptions{Seed: 1, Open: func(m *onnx.Model) (onnx.Runner, error) {
		raw, err := onnx.Encode(m)
		if err != nil {
			return nil, err
		}
		other, err := onnx.Read(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return nil, err
		}
		change(other.Graph())
		s, err := ort.OpenModel(other, ort.Options{})
		if err == nil {
			t.Cleanup(func() { s.Close() })
		}
		return s, err
	}})
}

// TestProveNames finds the node that the other runtime computes differently, and not those that follow it.
func TestProveNames(t *testing.T) {
	chain := func() []*onnx.Node {
		return []*onnx.Node{
			{Name: "abs", OpType: "Abs", Inputs: []string{"f0"}, Outputs: []string{"f1"}},
			{Name: "culprit", OpType: "Exp", Inputs: []string{"f1"}, Outputs: []string{"f2"}},
			{Name: "after", OpType: "Sqrt", Inputs: []string{"f2"}, Outputs: []string{"f3"}},
		}
	}
	if d := prove(t, fork(chain()...), func(*onnx.Graph) {}); !d.OK() {
		t.Errorf("want parity, got %+v", d)
	}
	d := prove(t, fork(chain()...), func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			if n.Name == "culprit" {
				n.OpType = "Sqrt"
			}
		}
	})
	if d.OK() || d.Node != `Exp "culprit"` {
		t.Errorf("want no parity because of the culprit, got %+v", d)
	}
}

// TestProveDiscrete lets pass what rounding in front of a discrete node makes of an output.
func TestProveDiscrete(t *testing.T) {
	m := fork(
		&onnx.Node{Name: "one", OpType: "Div", Inputs: []string{"f0", "f0"}, Outputs: []string{"f1"}},
		&onnx.Node{Name: "three", OpType: "Mul", Inputs: []string{"f1", "a"}, Outputs: []string{"f2"}},
		&onnx.Node{Name: "flip", OpType: "Floor", Inputs: []string{"f2"}, Outputs: []string{"f3"}},
	)
	below := float32(2.9999995)
	d := prove(t, m, func(g *onnx.Graph) { g.Initializers[0] = scalar("a", below) })
	if !d.OK() || !strings.Contains(d.Note, `Floor "flip" is discrete`) {
		t.Errorf("want parity up to the discrete node, got %+v", d)
	}
}
