package onnx_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/nitrain/nitrain/onnx"
)

// tiny returns a model with one convolution that makes two channels.
func tiny() *onnx.Model {
	w, err := onnx.FromFloat32([]int{2, 1, 1, 1}, []float32{0.5, -0.5})
	if err != nil {
		log.Fatal(err)
	}
	m := onnx.New(8, "tiny", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "image", DType: onnx.Float32, Shape: []int{1, 1, 8, 8}}}
	g.Outputs = []onnx.ValueInfo{{Name: "mask", DType: onnx.Float32, Shape: []int{1, 2, 8, 8}}}
	g.Initializers = []*onnx.Initializer{{Name: "conv.weight", Tensor: w}}
	g.Nodes = []*onnx.Node{
		{Name: "/conv/Conv", OpType: "Conv", Inputs: []string{"image", "conv.weight"}, Outputs: []string{"logits"}},
		{Name: "/Softmax", OpType: "Softmax", Inputs: []string{"logits"}, Outputs: []string{"mask"}, Attrs: []onnx.Attr{onnx.IntAttr("axis", 1)}},
	}
	return m
}

// A model is read, a weight is doubled, and the model is written: all other bytes stay.
func Example() {
	dir, err := os.MkdirTemp("", "onnx")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiny.onnx")
	if err := onnx.WriteFile(path, tiny()); err != nil {
		log.Fatal(err)
	}

	m, err := onnx.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	w, _ := m.Initializer("conv.weight")
	values, err := w.Float32()
	if err != nil {
		log.Fatal(err)
	}
	for i := range values {
		values[i] *= 2
	}
	doubled, err := onnx.FromFloat32(w.Shape(), values)
	if err != nil {
		log.Fatal(err)
	}
	if err := m.SetInitializer("conv.weight", doubled); err != nil {
		log.Fatal(err)
	}
	m.SetMetadata("model_author", "me")
	if err := onnx.WriteFile(filepath.Join(dir, "tuned.onnx"), m); err != nil {
		log.Fatal(err)
	}
	fmt.Println(values, m.Metadata())
	// Output: [1 -1] map[model_author:me]
}

func ExampleCheck() {
	m := tiny()
	m.Graph().Nodes[1].Inputs[0] = "logit"
	m.Graph().Nodes[1].SetAttr(onnx.FloatAttr("axis", 1))
	for _, v := range onnx.Check(m) {
		fmt.Println(v)
	}
	// Output:
	// Softmax "/Softmax": input logit: want a value of the graph, got nothing makes it
	// Softmax "/Softmax": attribute axis: want int, got float
}

func ExampleParams() {
	for _, p := range onnx.Params(tiny()) {
		fmt.Println(p.Alias, p.Role, p.Tensor.Shape(), p.Trainable)
	}
	// Output: conv.weight conv.weight [2 1 1 1] true
}

func ExampleHeads() {
	heads, err := onnx.Heads(tiny(), "mask")
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range heads {
		fmt.Printf("%s makes %d classes: axis %d of %s\n", h.Node.OpType, h.Classes, h.WeightAxis, h.Weight)
	}
	// Output: Conv makes 2 classes: axis 0 of conv.weight
}

func ExampleDescribe() {
	d := onnx.Describe(tiny())
	fmt.Println(d.Task.Name, d.Task.Channels, d.Task.Activation, d.Parameters.Trainable)
	// Output: segmentation 2 softmax 2
}
