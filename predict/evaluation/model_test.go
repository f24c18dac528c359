package evaluation_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// model computes a known function of one channel.
type model struct {
	in, out onnx.ValueInfo
	f       func(shape []int, data []float32) ([]int, []float32)
}

func (m *model) Inputs() []onnx.ValueInfo  { return []onnx.ValueInfo{m.in} }
func (m *model) Outputs() []onnx.ValueInfo { return []onnx.ValueInfo{m.out} }

func (m *model) Run(ctx context.Context, inputs map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := inputs[m.in.Name].Float32()
	if err != nil {
		return nil, err
	}
	out, err := onnx.FromFloat32(m.f(inputs[m.in.Name].Shape(), data))
	if err != nil {
		return nil, err
	}
	return map[string]*onnx.Tensor{m.out.Name: out}, nil
}

// pointwise has an output channel for each function of a voxel's value.
func pointwise(f ...func(v float32) float32) *model {
	return &model{
		in:  onnx.ValueInfo{Name: "x", DType: onnx.Float32, Shape: []int{-1, 1, -1, -1, -1}},
		out: onnx.ValueInfo{Name: "y", DType: onnx.Float32, Shape: []int{-1, len(f), -1, -1, -1}},
		f: func(shape []int, data []float32) ([]int, []float32) {
			var out []float32
			for _, g := range f {
				for _, v := range data {
					out = append(out, g(v))
				}
			}
			return append([]int{1, len(f)}, shape[2:]...), out
		},
	}
}

// pooled has an output for each function of the image's mean.
func pooled(f ...func(mean float32) float32) *model {
	m := pointwise()
	m.out.Shape = []int{-1, len(f)}
	m.f = func(_ []int, data []float32) ([]int, []float32) {
		mean := float32(0)
		for _, v := range data {
			mean += v / float32(len(data))
		}
		out := make([]float32, len(f))
		for i, g := range f {
			out[i] = g(mean)
		}
		return []int{1, len(f)}, out
	}
	return m
}

func spec(task predict.Task, labels ...predict.Label) predict.Spec {
	s := predict.Spec{
		Version: 1, Task: task, Labels: labels, Input: predict.Input{Layout: patch.XYZ, Channels: []predict.Channel{{Name: "T1w"}}},
		Decode: predict.Decode{Activation: predict.None},
	}
	if task == predict.Segmentation || task == predict.Classification {
		s.Decode = predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax}
	}
	return s
}

func predictor(t testing.TB, s predict.Spec, run onnx.Runner) *predict.Predictor {
	t.Helper()
	p, err := predict.New(s, run)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ramp is an image whose samples are a fixed pattern between 0 and 1, plus a number.
func ramp(size [3]int, plus float32) *imageio.Image {
	im := imageio.New(imageio.Grid{Size: size, Affine: imageio.Identity()}, 1, imageio.Intensity)
	for i := range im.Data {
		im.Data[i] = float32((i*7919+i/13)%1009)/1009 + plus
	}
	return im
}

func write(t testing.TB, path string, im *imageio.Image) string {
	t.Helper()
	if err := imageio.Write(path, im); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeCase writes a scan and a truth that differs from what [bright] says in so many voxels that it misses.
func writeCase(t testing.TB, dir, id string, missed int) dataset.Case {
	t.Helper()
	im := ramp([3]int{8, 7, 6}, 0)
	truth := imageio.New(im.Grid, 1, imageio.Label)
	for i, v := range im.Data {
		if v > 0.4 {
			truth.Data[i] = 7
		} else if missed > 0 {
			truth.Data[i] = 7
			missed--
		}
	}
	return dataset.Case{ID: id, Images: []string{write(t, filepath.Join(dir, id+".nii.gz"), im)}, Label: write(t, filepath.Join(dir, id+"_label.nii.gz"), truth)}
}

// bright says label 7 above 0.4, and never label 9.
func bright(t testing.TB) *predict.Predictor {
	labels := []predict.Label{{Value: 0, Name: "background"}, {Value: 7, Name: "bright"}, {Value: 9, Name: "absent"}}
	return predictor(t, spec(predict.Segmentation, labels...), pointwise(func(v float32) float32 { return 0.4 - v },
		func(v float32) float32 { return v - 0.4 }, func(float32) float32 { return -9 }))
}
