package batch_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// fake is a model with two channels: the second wins where the first channel of the input is above 0.4. before is called at each
// run, if it is set.
type fake struct {
	channels int
	runs     atomic.Int32
	before   func(ctx context.Context)
	outputs  int // channels that a run gives, where not 2
}

func (m *fake) Inputs() []onnx.ValueInfo {
	return []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: []int{-1, m.channels, -1, -1, -1}}}
}

func (m *fake) Outputs() []onnx.ValueInfo {
	return []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: []int{-1, -1, -1, -1, -1}}}
}

func (m *fake) Run(ctx context.Context, inputs map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	m.runs.Add(1)
	if m.before != nil {
		m.before(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := inputs["x"]
	data, err := in.Float32()
	if err != nil {
		return nil, err
	}
	shape := in.Shape()
	n := shape[2] * shape[3] * shape[4]
	k := 2
	if m.outputs > 0 {
		k = m.outputs
	}
	out := make([]float32, shape[0]*k*n)
	for b := range shape[0] {
		for i := range n {
			v := data[b*m.channels*n+i]
			out[(b*k)*n+i] = 0.4 - v
			out[(b*k+k-1)*n+i] = v - 0.4
		}
	}
	t, err := onnx.FromFloat32([]int{shape[0], k, shape[2], shape[3], shape[4]}, out)
	return map[string]*onnx.Tensor{"y": t}, err
}

func spec(channels int) predict.Spec {
	s := predict.Spec{
		Version: 1, Task: predict.Segmentation,
		Input:  predict.Input{Layout: patch.XYZ},
		Tile:   &predict.Tile{Size: [3]int{4, 4, 4}, Overlap: predict.Overlap{0.5, 0.5, 0.5}, Mirror: []int{0}},
		Decode: predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax},
		Labels: []predict.Label{{Value: 0, Name: "background"}, {
			Value: 3, Name: "bright", Color: "#c03040",
			Code: &predict.Code{Scheme: "SCT", Value: "4147007", Meaning: "Mass"},
		}},
	}
	for i := range channels {
		s.Input.Channels = append(s.Input.Channels, predict.Channel{Name: string(rune('A' + i))})
	}
	return s
}

func newPredictor(t testing.TB, m *fake) *predict.Predictor {
	t.Helper()
	if m.channels == 0 {
		m.channels = 1
	}
	p, err := predict.New(spec(m.channels), m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pattern is an image of values between 0 and 1 that depend on the seed.
func pattern(seed int, size [3]int) *imageio.Image {
	im := imageio.New(imageio.Grid{Size: size, Affine: imageio.Affine{{-1, 0, 0, 5}, {0, 1.5, 0, -4}, {0, 0, 2, 3}, {0, 0, 0, 1}}}, 1, imageio.Intensity)
	for i := range im.Data {
		im.Data[i] = float32((i*7919+i/13+31*seed)%1009) / 1009
	}
	return im
}

// writeScan writes a scan below dir and returns its path.
func writeScan(t testing.TB, im *imageio.Image, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	makeFolder(t, filepath.Dir(path))
	if err := imageio.Write(path, im); err != nil {
		t.Fatal(err)
	}
	return path
}
