package predict_test

import (
	"context"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// fake is a model that computes a known function.
type fake struct {
	in, out onnx.ValueInfo
	// f gets the input's shape and values and returns the output's.
	f     func(shape []int, data []float32) ([]int, []float32)
	calls int
	last  []int // shape of the last input
}

func (m *fake) Inputs() []onnx.ValueInfo  { return []onnx.ValueInfo{m.in} }
func (m *fake) Outputs() []onnx.ValueInfo { return []onnx.ValueInfo{m.out} }

func (m *fake) Run(ctx context.Context, inputs map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := inputs[m.in.Name]
	data, err := in.Float32()
	if err != nil {
		return nil, err
	}
	m.calls++
	m.last = in.Shape()
	shape, values := m.f(in.Shape(), data)
	out, err := onnx.FromFloat32(shape, values)
	if err != nil {
		return nil, err
	}
	return map[string]*onnx.Tensor{m.out.Name: out}, nil
}

// pointwise is a model whose output at a voxel depends on the input there alone: output channel c of a
// voxel is f[c] of the input's channels.
func pointwise(axes, channels int, f ...func(v []float32) float32) *fake {
	free := make([]int, axes)
	for i := range free {
		free[i] = -1
	}
	return &fake{
		in:  onnx.ValueInfo{Name: "x", DType: onnx.Float32, Shape: append([]int{-1, channels}, free...)},
		out: onnx.ValueInfo{Name: "y", DType: onnx.Float32, Shape: append([]int{-1, len(f)}, free...)},
		f: func(shape []int, data []float32) ([]int, []float32) {
			n := 1
			for _, s := range shape[2:] {
				n *= s
			}
			out := make([]float32, shape[0]*len(f)*n)
			v := make([]float32, channels)
			for b := range shape[0] {
				for i := range n {
					for c := range v {
						v[c] = data[(b*channels+c)*n+i]
					}
					for c := range f {
						out[(b*len(f)+c)*n+i] = f[c](v)
					}
				}
			}
			return append([]int{shape[0], len(f)}, shape[2:]...), out
		},
	}
}

// above returns a two-channel model: the second wins where the first input channel is above the limit.
func above(axes int, limit float32) *fake {
	return pointwise(axes, 1, func(v []float32) float32 { return limit - v[0] }, func(v []float32) float32 { return v[0] - limit })
}

// binary is the plainest Spec: one channel in, background and one label out.
func binary(layout patch.Layout) predict.Spec {
	return predict.Spec{
		Version: 1, Task: predict.Segmentation,
		Input:  predict.Input{Layout: layout, Channels: []predict.Channel{{Name: "T1w"}}},
		Decode: predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax},
		Labels: []predict.Label{{Value: 0, Name: "background"}, {Value: 7, Name: "bright"}},
	}
}

// scan returns an image whose samples are a fixed pattern between 0 and 1, on an oblique, anisotropic,
// left-handed grid.
func scan(size [3]int, channels int) *imageio.Image {
	g := imageio.Grid{Size: size, Affine: imageio.Affine{
		{-0.9, 0.05, 0.1, 30}, {0.04, 1.2, -0.2, -20}, {0.06, 0.1, 2.5, 10}, {0, 0, 0, 1},
	}}
	im := imageio.New(g, channels, imageio.Intensity)
	for i := range im.Data {
		im.Data[i] = float32((i*7919+i/13)%1009) / 1009
	}
	return im
}

// straight returns such an image whose axes are RAS and 1 mm.
func straight(size [3]int) *imageio.Image {
	im := scan(size, 1)
	im.Grid.Affine = imageio.Identity()
	return im
}

func newPredictor(t testing.TB, spec predict.Spec, run onnx.Runner) *predict.Predictor {
	t.Helper()
	p, err := predict.New(spec, run)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wantAbove fails unless exactly the voxels above the limit have the label 7.
func wantAbove(t testing.TB, what string, got, im *imageio.Image) {
	t.Helper()
	if got.Grid != im.Grid || got.Kind != imageio.Label {
		t.Fatalf("%s: %v on %v, want labels on %v", what, got.Kind, got.Grid, im.Grid)
	}
	for i, v := range im.Data[:im.Grid.Len()] {
		want := float32(0)
		if v > 0.4 {
			want = 7
		}
		if got.Data[i] != want {
			t.Fatalf("%s: voxel %d of %g has the label %g, want %g", what, i, v, got.Data[i], want)
		}
	}
}
