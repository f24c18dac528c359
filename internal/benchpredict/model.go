package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// bodyModel returns a model of three small convolutions and many classes, with its Spec: what it computes costs
// little, what it returns is as large as that of a real one.
func bodyModel(classes, side int) (*onnx.Model, error) {
	rng := rand.New(rand.NewPCG(1, 117))
	m := onnx.New(8, "body", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: []int{1, 1, side, side, side}}}
	g.Outputs = []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: []int{1, classes, side, side, side}}}
	from := "x"
	for i, l := range [][3]int{{1, 8, 3}, {8, 8, 3}, {8, classes, 1}} {
		to := "y"
		if i < 2 {
			to = fmt.Sprintf("conv%d", i)
		}
		if err := convolution(g, rng, from, to, l); err != nil {
			return nil, err
		}
		if from = to; i < 2 {
			from = fmt.Sprintf("relu%d", i)
			g.Nodes = append(g.Nodes, &onnx.Node{Name: from, OpType: "Relu", Inputs: []string{to}, Outputs: []string{from}})
		}
	}
	return m, predict.WriteSpec(m, bodySpec(classes, side))
}

// convolution appends one of the given channels in, channels out and kernel.
func convolution(g *onnx.Graph, rng *rand.Rand, from, to string, l [3]int) error {
	shape := []int{l[1], l[0], l[2], l[2], l[2]}
	weights, biases := make([]float32, l[0]*l[1]*l[2]*l[2]*l[2]), make([]float32, l[1])
	scale := math.Sqrt(2 / float64(l[0]*l[2]*l[2]*l[2]))
	for i := range weights {
		weights[i] = float32(scale * rng.NormFloat64())
	}
	for i := range biases {
		biases[i] = float32(0.1 * rng.NormFloat64())
	}
	w, err := onnx.FromFloat32(shape, weights)
	if err != nil {
		return err
	}
	b, err := onnx.FromFloat32(shape[:1], biases)
	if err != nil {
		return err
	}
	g.Initializers = append(g.Initializers, &onnx.Initializer{Name: to + ".weight", Tensor: w}, &onnx.Initializer{Name: to + ".bias", Tensor: b})
	pad := int64(l[2] / 2)
	g.Nodes = append(g.Nodes, &onnx.Node{
		Name: to, OpType: "Conv", Inputs: []string{from, to + ".weight", to + ".bias"}, Outputs: []string{to},
		Attrs: []onnx.Attr{onnx.IntsAttr("pads", pad, pad, pad, pad, pad, pad)},
	})
	return nil
}

func bodySpec(classes, side int) predict.Spec {
	s := predict.Spec{
		Version: predict.Version, Task: predict.Segmentation,
		Input: predict.Input{Name: "x", Layout: patch.XYZ, Channels: []predict.Channel{{Name: "CT", Modality: "CT"}}},
		Prepare: transform.Pipeline{
			transform.Orient{Axes: "RAS"},
			transform.Spacing{MM: transform.Vector{1.5, 1.5, 1.5}},
			transform.Range{From: transform.Pair{-200, 300}, Clip: true},
		},
		Tile:   &predict.Tile{Size: [3]int{side, side, side}, Overlap: predict.Overlap{0.5, 0.5, 0.5}, Batch: 1},
		Decode: predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax, Restore: predict.RestoreProbabilities},
	}
	for i := range classes {
		s.Labels = append(s.Labels, predict.Label{Value: i, Name: fmt.Sprintf("class %d", i)})
	}
	return s
}
