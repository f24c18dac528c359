package predict_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// summary is a model of the whole image whose outputs are given functions of its samples.
func summary(shape []int, f ...func(data []float32) float32) *fake {
	return &fake{
		in:  onnx.ValueInfo{Name: "x", DType: onnx.Float32, Shape: []int{-1, 1, -1, -1, -1}},
		out: onnx.ValueInfo{Name: "y", DType: onnx.Float32, Shape: shape},
		f: func(_ []int, data []float32) ([]int, []float32) {
			out := make([]float32, len(f))
			for i := range f {
				out[i] = f[i](data)
			}
			return slices.Clone(shape), out
		},
	}
}

func mean(data []float32) float32 {
	sum := float32(0)
	for _, v := range data {
		sum += v
	}
	return sum / float32(len(data))
}

func TestRegression(t *testing.T) {
	spec := binary(patch.XYZ)
	spec.Task, spec.Prepare = predict.Regression, transform.Pipeline{transform.Scale{}}
	spec.Decode = predict.Decode{Activation: predict.None, Scale: []float64{10, 2}, Offset: []float64{40}}
	spec.Labels = []predict.Label{{Value: 1, Name: "volume", Unit: "ml"}, {Value: 0, Name: "age", Unit: "years"}}
	model := summary([]int{1, 2}, mean, slices.Max[[]float32])
	im := straight([3]int{5, 4, 3})
	out, err := newPredictor(t, spec, model).Predict(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Values) != 2 || out.Labels != nil || out.Classes != nil {
		t.Fatalf("%+v", out)
	}
	volume, age := out.Values[0], out.Values[1]
	if volume.Name != "volume" || volume.Unit != "ml" || volume.Channel != 1 || volume.Value != 1*2+40 {
		t.Errorf("volume: %+v", volume)
	}
	lo, hi := slices.Min(im.Data), slices.Max(im.Data)
	want := 10*float64((mean(im.Data)-lo)/(hi-lo)) + 40
	if age.Name != "age" || math.Abs(age.Value-want) > 1e-4 {
		t.Errorf("age: %+v, want %g", age, want)
	}
	one := spec
	one.Labels, one.Decode.Scale = spec.Labels[1:], nil
	for _, shape := range [][]int{{1}, {1, 1}, {1, 1, 1, 1, 1}} {
		if out, err := newPredictor(t, one, summary(shape, mean)).Predict(t.Context(), im); err != nil || len(out.Values) != 1 {
			t.Errorf("shape %v: %+v %v", shape, out, err)
		}
	}
	if _, err := predict.New(one, model); !mismatch(err) {
		t.Errorf("two numbers where one was named: %v", err)
	}
	if _, err := newPredictor(t, one, summary([]int{1, 1}, func([]float32) float32 { return float32(math.NaN()) })).Predict(t.Context(), im); !mismatch(err) {
		t.Errorf("NaN: %v", err)
	}
}

func mismatch(err error) bool {
	_, ok := errors.AsType[*predict.MismatchError](err)
	return ok
}

// The class of each channel where labels name their channels, in an order of their own.
func TestClassesOfNamedChannels(t *testing.T) {
	at := func(c int) *int { return &c }
	spec := binary(patch.XYZ)
	spec.Task = predict.Classification
	spec.Decode = predict.Decode{Activation: predict.None, Pick: predict.Argmax}
	spec.Labels = []predict.Label{{Value: 5, Name: "b", Channel: at(1)}, {Value: 0, Name: "c", Channel: at(2)}, {Value: 9, Name: "a", Channel: at(0)}}
	give := func(v float32) func([]float32) float32 { return func([]float32) float32 { return v } }
	out, err := newPredictor(t, spec, summary([]int{1, 3}, give(0.25), give(0.5), give(0.5))).Predict(t.Context(), straight([3]int{3, 3, 3}))
	if err != nil {
		t.Fatal(err)
	}
	if c := out.Classes; c[0].Probability != 0.5 || c[2].Probability != 0.25 || !c[0].Picked || c[1].Picked {
		t.Errorf("argmax: %+v", c)
	}
	spec.Decode.Pick, spec.Decode.Threshold = predict.Threshold, 0.3
	spec.Labels = []predict.Label{{Value: 2, Name: "c", Channel: at(2)}, {Value: 1, Name: "a", Channel: at(0)}}
	out, err = newPredictor(t, spec, summary([]int{1, 4}, give(0.25), give(0.9), give(0.5), give(0.9))).Predict(t.Context(), straight([3]int{3, 3, 3}))
	if err != nil {
		t.Fatal(err)
	}
	if c := out.Classes; len(c) != 2 || !c[0].Picked || c[1].Picked || c[1].Probability != 0.25 {
		t.Errorf("threshold: %+v", c)
	}
}

// An affine function of the samples commutes with interpolation: the result on the scan's own grid is the
// function of the scan, where prepare only turns by whole axes, and of the scan resampled there and back where
// it resamples.
func TestImageToImage(t *testing.T) {
	nan := -1.0
	spec := binary("yzx")
	spec.Task = predict.ImageToImage
	spec.Prepare = transform.Pipeline{transform.Orient{Axes: "LPS"}, transform.Pad{Size: transform.Size{9, 9, 9}}}
	spec.Decode = predict.Decode{Activation: predict.None, Scale: []float64{2}, Offset: []float64{100, -100}, NaN: &nan}
	spec.Labels = []predict.Label{{Value: 0, Name: "double"}, {Value: 1, Name: "negative", Unit: "HU"}}
	spec.Tile = &predict.Tile{Size: [3]int{6, 6, 6}, Overlap: predict.Overlap{0.5, 0.5, 0.5}}
	model := pointwise(3, 1, func(v []float32) float32 { return v[0] }, func(v []float32) float32 {
		if v[0] == 0 {
			return float32(math.NaN())
		}
		return -v[0]
	})
	im := scan([3]int{7, 6, 5}, 1)
	im.Data[11] = 0
	out, err := newPredictor(t, spec, model).Predict(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	if out.Image == nil || out.Image.Grid != im.Grid || out.Image.Channels != 2 || out.Image.Kind != imageio.Intensity {
		t.Fatalf("%+v", out.Image)
	}
	for i, v := range im.Data {
		want := -2*v - 100
		if v == 0 {
			want = -1
		}
		if got := out.Image.Channel(1)[i]; math.Abs(float64(got-want)) > 1e-4 || math.Abs(float64(out.Image.Channel(0)[i]-2*v-100)) > 1e-4 {
			t.Fatalf("voxel %d of %g: %g and %g", i, v, out.Image.Channel(0)[i], got)
		}
	}
	spec.Decode.NaN, spec.Labels, spec.Decode.Offset, spec.Tile = nil, nil, nil, nil
	if _, err := newPredictor(t, spec, model).Predict(t.Context(), im); !mismatch(err) {
		t.Errorf("NaN that the Spec does not speak of: %v", err)
	}
	spec.Prepare = transform.Pipeline{transform.Spacing{MM: transform.Vector{1.3, 1.3, 1.3}}}
	model = pointwise(3, 1, func(v []float32) float32 { return v[0] })
	out, err = newPredictor(t, spec, model).Predict(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	there, err := spec.Prepare.Apply(im)
	if err != nil {
		t.Fatal(err)
	}
	back, err := transform.Onto{Grid: im.Grid}.Apply(there)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range back.Data {
		if math.Abs(float64(out.Image.Data[i]-2*v)) > 1e-5 {
			t.Fatalf("resampled voxel %d: %g, want %g", i, out.Image.Data[i], 2*v)
		}
	}
	model.f = func(shape []int, data []float32) ([]int, []float32) { return []int{1, 1, 2, 2, 2}, make([]float32, 8) }
	if _, err := newPredictor(t, spec, model).Predict(t.Context(), im); !mismatch(err) {
		t.Errorf("an output of another size: %v", err)
	}
}

// A scan with voxels that are no numbers is refused with how many there are and where, before anything runs and
// also where the network would say something about it.
func TestScansWithoutNumbers(t *testing.T) {
	model := above(3, 0.4)
	spec := binary(patch.XYZ)
	im := straight([3]int{5, 4, 3})
	im.Data[im.Grid.Index(2, 1, 1)], im.Data[im.Grid.Index(4, 3, 2)] = float32(math.NaN()), float32(math.NaN())
	for _, prepare := range []transform.Pipeline{nil, {transform.CenterCrop{Size: transform.Size{2, 2, 2}}}, {transform.Conform{Rule: "niivue"}}} {
		spec.Prepare = prepare
		_, err := newPredictor(t, spec, model).Predict(t.Context(), im)
		if image, ok := errors.AsType[*predict.ImageError](err); !ok || image.Hint() == "" || err.Error() != "predict: scan: 2 samples are NaN, the first at voxel [2 1 1]" {
			t.Errorf("%v", err)
		}
	}
	if model.calls != 0 {
		t.Error("the model ran")
	}
	spec.Prepare = transform.Pipeline{transform.CropForeground{Above: 2}}
	_, err := newPredictor(t, spec, model).Predict(t.Context(), straight([3]int{5, 4, 3}))
	if _, ok := errors.AsType[*predict.ImageError](err); !ok || !strings.Contains(err.Error(), "prepare[0]: transform: crop_foreground: no sample lies above the threshold") {
		t.Errorf("empty foreground: %v", err)
	}
	spec.Prepare = nil
	infinite := straight([3]int{5, 4, 3})
	infinite.Data[7] = float32(math.Inf(1))
	_, err = newPredictor(t, spec, model).Predict(t.Context(), infinite)
	if _, ok := errors.AsType[*predict.ImageError](err); !ok || !strings.Contains(err.Error(), "the prepared image: 1 sample is NaN or infinite, the first at voxel [2 1 0]") {
		t.Errorf("infinity: %v", err)
	}
}

// Regions whose channels are in another order than their priority, as BraTS has them: the last label wins, whatever
// its channel is, by index and by interpolation, whole and in windows; a channel that no label names does nothing.
func TestRegionsInTheirOwnOrder(t *testing.T) {
	at := func(c int) *int { return &c }
	spec := binary(patch.XYZ)
	spec.Decode = predict.Decode{Activation: predict.Sigmoid, Pick: predict.Threshold}
	spec.Labels = []predict.Label{
		{Value: 0, Name: "background"},
		{Value: 2, Name: "whole", Channel: at(1)},
		{Value: 1, Name: "core", Channel: at(0)},
		{Value: 4, Name: "enhancing", Channel: at(3)},
	}
	over := func(limit float32) func(v []float32) float32 {
		return func(v []float32) float32 { return 40 * (v[0] - limit) }
	}
	model := pointwise(3, 1, over(0.5), over(0.25), over(-1), over(0.75))
	for _, prepare := range []transform.Pipeline{nil, {transform.Spacing{MM: transform.Vector{0.7, 0.8, 0.9}}}} {
		for _, tile := range []*predict.Tile{nil, {Size: [3]int{5, 5, 5}, Overlap: predict.Overlap{0.4, 0.4, 0.4}}} {
			for _, restore := range []predict.Restore{predict.RestoreProbabilities, predict.RestoreLogits, predict.RestoreLabels} {
				spec.Prepare, spec.Tile, spec.Decode.Restore = prepare, tile, restore
				im := straight([3]int{9, 8, 7})
				for i := range im.Data { // a ramp along z, which interpolation follows
					im.Data[i] = float32(i/72) / 6
				}
				out, err := newPredictor(t, spec, model).Predict(t.Context(), im)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range im.Data {
					want := float32(0)
					for _, r := range [][2]float32{{0.25, 2}, {0.5, 1}, {0.75, 4}} {
						if v > r[0] {
							want = r[1]
						}
					}
					// at a threshold itself, and where the nearest of other voxels counts, either neighbour is right
					if near := math.Abs(math.Mod(float64(v)+0.125, 0.25) - 0.125); out.Labels.Data[i] != want && near > 0.09 {
						t.Fatalf("%s, tile %v, %d steps: voxel %d of %g has the label %g, want %g", restore, tile != nil, len(prepare), i, v, out.Labels.Data[i], want)
					}
				}
			}
		}
	}
}
