package predict_test

import (
	"reflect"
	"testing"

	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// graph returns a model of one float input and output with the given nodes.
func graph(in, out []int, nodes ...*onnx.Node) *onnx.Model {
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	m.Graph().Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: in}}
	m.Graph().Outputs = []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: out}}
	m.Graph().Nodes = nodes
	return m
}

func op(kind, in, out string, attrs ...onnx.Attr) *onnx.Node {
	return &onnx.Node{OpType: kind, Inputs: []string{in, "w"}, Outputs: []string{out}, Attrs: attrs}
}

// A U-Net of two levels, the second one without a stride along one axis, guesses windows that both divide.
func TestGuessFromStrides(t *testing.T) {
	join := op("Concat", "b", "cat")
	join.Inputs = []string{"b", "up"}
	unet := graph([]int{-1, 1, -1, -1, -1}, []int{-1, 3, -1, -1, -1},
		op("Conv", "x", "a"), op("Conv", "a", "b", onnx.IntsAttr("strides", 2, 2, 2)),
		op("MaxPool", "b", "c", onnx.IntsAttr("strides", 1, 20, 2)),
		op("ConvTranspose", "c", "up", onnx.IntsAttr("strides", 1, 20, 2)), join,
		op("ConvTranspose", "cat", "out", onnx.IntsAttr("strides", 2, 2, 2)), op("Softmax", "out", "y"))
	s, err := predict.GuessModel(unet)
	if err != nil {
		t.Fatal(err)
	}
	if s.Tile == nil || s.Tile.Size != [3]int{96, 120, 96} || s.Decode.Activation != predict.None || len(s.Prepare) != 0 {
		t.Errorf("3-D: %+v, decode %+v", s.Tile, s.Decode)
	}
	photo := graph([]int{-1, 1, -1, -1}, []int{-1, 2, -1, -1},
		op("Conv", "x", "a", onnx.IntsAttr("strides", 2, 4)), op("Resize", "a", "b"), op("Add", "b", "y"))
	s, err = predict.GuessModel(photo)
	if err != nil {
		t.Fatal(err)
	}
	want := transform.Pipeline{transform.PadMultiple{K: transform.Each{4, 2, 1}}} // layout yx
	if s.Tile == nil || s.Tile.Size != [3]int{0, 0, 1} || !reflect.DeepEqual(s.Prepare, want) {
		t.Errorf("2-D: %+v %+v", s.Tile, s.Prepare)
	}
}
