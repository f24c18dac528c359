package predict_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// A model that looks at one voxel at a time gives the same labels however the image is cut.
func TestWindowsEqualWhole(t *testing.T) {
	im := scan([3]int{19, 14, 9}, 1)
	tiles := map[string]*predict.Tile{
		"whole":    nil,
		"monai":    {Size: [3]int{8, 8, 4}, Overlap: predict.Overlap{0.5, 0.25, 0}, Blend: patch.Gaussian, Batch: 3},
		"nnunet":   {Size: [3]int{8, 5, 9}, Overlap: predict.Overlap{0.5, 0.5, 0.5}, Blend: patch.Gaussian, Rule: patch.NNUNet},
		"constant": {Size: [3]int{7, 7, 7}, Overlap: predict.Overlap{0.3, 0.3, 0.3}, Mirror: []int{0, 2}},
		"larger":   {Size: [3]int{32, 16, 8}, Overlap: predict.Overlap{0.5, 0.5, 0.5}, Pad: patch.Reflect},
		"axis":     {Size: [3]int{0, 6, 0}, Overlap: predict.Overlap{0, 0.5, 0}},
	}
	for name, tile := range tiles {
		for _, layout := range []patch.Layout{patch.XYZ, patch.ZYX} {
			for _, mirror := range []bool{false, true} {
				spec := binary(layout)
				spec.Tile = tile
				p := newPredictor(t, spec, above(3, 0.4))
				got, err := p.PredictWith(t.Context(), im, predict.Request{Mirror: mirror})
				if mirror && (tile == nil || tile.Mirror == nil) {
					if err == nil {
						t.Errorf("%s: mirrored without axes", name)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s %s: %v", name, layout, err)
				}
				wantAbove(t, name+" "+string(layout), got.Labels, im)
			}
		}
	}
}

// Mirrored runs see mirrored windows: a model that answers with the place in the window averages out.
func TestMirror(t *testing.T) {
	spec := binary(patch.XYZ)
	spec.Decode.Activation = predict.None
	spec.Tile = &predict.Tile{Size: [3]int{4, 4, 4}, Mirror: []int{0, 1}}
	place := &fake{
		in:  onnx.ValueInfo{Name: "x", DType: onnx.Float32},
		out: onnx.ValueInfo{Name: "y", DType: onnx.Float32},
		f: func(shape []int, data []float32) ([]int, []float32) {
			out := make([]float32, 2*len(data))
			for i := range data {
				out[i] = float32(i / 16) // x, the slowest axis
			}
			return []int{1, 2, 4, 4, 4}, out
		},
	}
	p := newPredictor(t, spec, place)
	got, err := p.PredictWith(t.Context(), straight([3]int{4, 4, 4}), predict.Request{Mirror: true, Probabilities: true})
	if err != nil {
		t.Fatal(err)
	}
	if place.calls != 4 {
		t.Errorf("%d runs for two axes, want 4", place.calls)
	}
	for i, v := range got.Probabilities.Channel(0) {
		if v != 1.5 {
			t.Fatalf("voxel %d: mean over mirrored runs is %g, want 1.5", i, v)
		}
	}
}

// Flips, crops and pads come back bit for bit.
func TestBackByIndex(t *testing.T) {
	im := scan([3]int{13, 10, 8}, 1)
	for i := range im.Data { // an empty frame, to be cropped
		if x, y := i%13, i/13%10; x < 2 || y > 7 {
			im.Data[i] = 0
		}
	}
	spec := binary(patch.XYZ)
	spec.Prepare = transform.Pipeline{
		transform.Orient{Axes: "SPL"},
		transform.CropForeground{},
		transform.PadMultiple{K: transform.Each{8, 8, 8}},
	}
	p := newPredictor(t, spec, above(3, 0.4))
	for _, restore := range []predict.Restore{predict.RestoreProbabilities, predict.RestoreLogits, predict.RestoreLabels} {
		spec.Decode.Restore = restore
		got, err := newPredictor(t, spec, above(3, 0.4)).Predict(t.Context(), im)
		if err != nil {
			t.Fatal(err)
		}
		wantAbove(t, string(restore), got.Labels, im)
	}
	onModel, err := p.PredictWith(t.Context(), im, predict.Request{Space: predict.Model})
	if err != nil {
		t.Fatal(err)
	}
	oriented, err := transform.Orient{Axes: "SPL"}.Apply(im)
	if err != nil {
		t.Fatal(err)
	}
	wantAbove(t, "model's grid", onModel.Labels, oriented)
}

// On another spacing the borders move by less than a voxel, and what the model did not see is background.
func TestBackByResampling(t *testing.T) {
	im := straight([3]int{40, 36, 30})
	for z := range 30 {
		for y := range 36 {
			for x := range 40 {
				v := float32(0.1)
				if d := math.Hypot(math.Hypot(float64(x-20), float64(y-18)), float64(z-15)); d < 10 {
					v = 0.9
				}
				im.Data[im.Grid.Index(x, y, z)] = v
			}
		}
	}
	spec := binary(patch.XYZ)
	spec.Prepare = transform.Pipeline{
		transform.Spacing{MM: transform.Vector{1.7, 1.7, 1.7}},
		transform.CenterCrop{Size: transform.Size{18, 18, 16}},
	}
	for _, restore := range []predict.Restore{predict.RestoreProbabilities, predict.RestoreLogits, predict.RestoreLabels} {
		spec.Decode.Restore = restore
		p := newPredictor(t, spec, above(3, 0.5))
		got, err := p.PredictWith(t.Context(), im, predict.Request{Probabilities: true})
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0
		for i, v := range im.Data {
			if (v > 0.5) != (got.Labels.Data[i] == 7) {
				wrong++
			}
			if sum := got.Probabilities.Channel(0)[i] + got.Probabilities.Channel(1)[i]; math.Abs(float64(sum-1)) > 1e-5 {
				t.Fatalf("%s: probabilities of voxel %d sum to %g", restore, i, sum)
			}
		}
		// the ball has 4169 voxels, about 1250 of them at its surface
		if wrong > 700 {
			t.Errorf("%s: %d voxels differ", restore, wrong)
		}
		if got.Labels.Data[0] != 0 || got.Probabilities.Channel(0)[0] < 0.999 && restore != predict.RestoreLabels {
			t.Errorf("%s: outside the crop: label %g, background %g", restore, got.Labels.Data[0], got.Probabilities.Channel(0)[0])
		}
	}
}

func TestThresholdLaterLabelWins(t *testing.T) {
	spec := binary(patch.XYZ)
	spec.Labels = append(spec.Labels, predict.Label{Value: 3, Name: "core"})
	spec.Decode = predict.Decode{Activation: predict.Sigmoid, Pick: predict.Threshold}
	im := straight([3]int{6, 5, 4})
	p := newPredictor(t, spec, pointwise(3, 1, func(v []float32) float32 { return v[0] - 0.3 }, func(v []float32) float32 { return v[0] - 0.6 }))
	got, err := p.Predict(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range im.Data {
		want := float32(0)
		switch {
		case v > 0.6:
			want = 3
		case v > 0.3:
			want = 7
		}
		if got.Labels.Data[i] != want {
			t.Fatalf("voxel of %g has the label %g, want %g", v, got.Labels.Data[i], want)
		}
	}
	volumes := got.Volumes()
	if len(volumes) != 2 || volumes[0].Value != 7 || volumes[1].Name != "core" || volumes[0].Voxels+volumes[1].Voxels == 0 {
		t.Errorf("volumes: %+v", volumes)
	}
}

// Without a background label, what the model did not see is still 0.
func TestNoBackgroundLabel(t *testing.T) {
	spec := binary(patch.XYZ)
	spec.Labels = []predict.Label{{Value: 2, Name: "dark"}, {Value: 7, Name: "bright"}}
	spec.Prepare = transform.Pipeline{transform.Spacing{MM: transform.Vector{2, 2, 2}}, transform.CenterCrop{Size: transform.Size{4, 4, 4}}}
	got, err := newPredictor(t, spec, above(3, 0.4)).PredictWith(t.Context(), straight([3]int{20, 20, 20}), predict.Request{Probabilities: true})
	if err != nil {
		t.Fatal(err)
	}
	if got.Labels.Data[0] != 0 || got.Probabilities.Data[0] != 0 || got.Labels.At(10, 10, 10, 0) == 0 {
		t.Errorf("labels outside %g, inside %g", got.Labels.Data[0], got.Labels.At(10, 10, 10, 0))
	}
}

// A threshold below what a raw output of 0 means does not reach beyond what the model saw.
func TestThresholdOutside(t *testing.T) {
	spec := binary(patch.XYZ)
	spec.Prepare = transform.Pipeline{transform.Spacing{MM: transform.Vector{2, 2, 2}}, transform.CenterCrop{Size: transform.Size{4, 4, 4}}}
	for _, restore := range []predict.Restore{predict.RestoreProbabilities, predict.RestoreLogits, predict.RestoreLabels} {
		for _, activation := range []predict.Activation{predict.Sigmoid, predict.None} {
			spec.Decode = predict.Decode{Activation: activation, Pick: predict.Threshold, Threshold: -0.1, Restore: restore}
			if activation == predict.Sigmoid {
				spec.Decode.Threshold = 0.3
			}
			p := newPredictor(t, spec, pointwise(3, 1, func([]float32) float32 { return 1 }))
			got, err := p.Predict(t.Context(), straight([3]int{20, 20, 20}))
			if err != nil {
				t.Fatal(err)
			}
			if got.Labels.Data[0] != 0 || got.Labels.At(10, 10, 10, 0) != 7 {
				t.Errorf("%s %s: outside %g, inside %g", restore, activation, got.Labels.Data[0], got.Labels.At(10, 10, 10, 0))
			}
		}
	}
}

func TestTwoDimensions(t *testing.T) {
	flat := straight([3]int{12, 9, 1})
	volume := straight([3]int{12, 9, 5})
	for _, layout := range []patch.Layout{patch.XY, patch.YX} {
		model := above(2, 0.4)
		p := newPredictor(t, binary(layout), model)
		got, err := p.Predict(t.Context(), flat)
		if err != nil {
			t.Fatal(err)
		}
		wantAbove(t, string(layout), got.Labels, flat)
		if want := layout.Shape(flat.Grid.Size); model.last[2] != want[0] || model.last[3] != want[1] {
			t.Errorf("%s: model saw %v", layout, model.last)
		}
		if _, err := p.Predict(t.Context(), volume); err == nil || !strings.Contains(err.Error(), "5 slices") {
			t.Errorf("a volume for a 2-D model: %v", err)
		}
		spec := binary(layout)
		spec.Tile = &predict.Tile{Size: [3]int{0, 0, 1}, Batch: 2}
		if got, err = newPredictor(t, spec, above(2, 0.4)).Predict(t.Context(), volume); err != nil {
			t.Fatal(err)
		}
		wantAbove(t, "slice by slice", got.Labels, volume)
	}
}

func TestFixedBatchAndHalfPrecision(t *testing.T) {
	im := straight([3]int{9, 8, 4})
	spec := binary(patch.XYZ)
	spec.Tile = &predict.Tile{Size: [3]int{4, 4, 4}, Overlap: predict.Overlap{0.5, 0.5, 0.5}}
	model := above(3, 0.4)
	model.in.Shape = []int{4, 1, 4, 4, 4}
	model.in.DType = onnx.Float16
	got, err := newPredictor(t, spec, model).Predict(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	if model.last[0] != 4 {
		t.Errorf("model of batch 4 got %v", model.last)
	}
	wrong := 0
	for i, v := range im.Data {
		if math.Abs(float64(v-0.4)) > 1e-3 && (v > 0.4) != (got.Labels.Data[i] == 7) {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d voxels differ", wrong)
	}
}

func TestSeveralImages(t *testing.T) {
	spec := binary(patch.XYZ)
	spec.Input.Channels = []predict.Channel{{Name: "T1w"}, {Name: "FLAIR"}}
	spec.Prepare = transform.Pipeline{transform.Scale{}, transform.ConcatChannels{}, transform.Orient{Axes: "RAS"}}
	a, b := scan([3]int{6, 5, 4}, 1), scan([3]int{6, 5, 4}, 1)
	for i := range b.Data {
		b.Data[i] = 1000 * a.Data[len(a.Data)-1-i]
	}
	model := pointwise(3, 2, func(v []float32) float32 { return v[0] }, func(v []float32) float32 { return v[1] })
	p := newPredictor(t, spec, model)
	prepared, err := p.Prepare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.PredictPrepared(t.Context(), prepared, predict.Request{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range a.Data {
		if d := b.Data[i]/1000 - v; math.Abs(float64(d)) > 0.01 && (d > 0) != (got.Labels.Data[i] == 7) {
			t.Fatalf("voxel %d of %g and %g has the label %g", i, v, b.Data[i], got.Labels.Data[i])
		}
	}
	if _, err := p.Prepare(a); err == nil || err.Error() != "predict: model wants 2 channels, image has 1" {
		t.Errorf("one image for two channels: %v", err)
	}
	if _, err := p.Prepare(); err == nil {
		t.Error("no image: no error")
	}
}

func TestClassification(t *testing.T) {
	model := &fake{
		in:  onnx.ValueInfo{Name: "x", DType: onnx.Float32, Shape: []int{-1, 1, -1, -1, -1}},
		out: onnx.ValueInfo{Name: "y", DType: onnx.Float32, Shape: []int{-1, 3}},
		f:   func([]int, []float32) ([]int, []float32) { return []int{1, 3}, []float32{1, 3, 2} },
	}
	spec := predict.Spec{
		Version: 1, Task: predict.Classification,
		Input:  predict.Input{Layout: patch.XYZ, Channels: []predict.Channel{{Name: "CT"}}},
		Decode: predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax},
		Labels: []predict.Label{{Value: 0, Name: "a"}, {Value: 1, Name: "b"}, {Value: 2, Name: "c"}},
	}
	got, err := newPredictor(t, spec, model).Predict(t.Context(), straight([3]int{4, 4, 4}))
	if err != nil {
		t.Fatal(err)
	}
	sum := math.Exp(1) + math.Exp(2) + math.Exp(3)
	for i, want := range []float64{math.Exp(1) / sum, math.Exp(3) / sum, math.Exp(2) / sum} {
		if c := got.Classes[i]; math.Abs(c.Probability-want) > 1e-6 || c.Picked != (i == 1) {
			t.Errorf("class %d: %+v, want %g", i, c, want)
		}
	}
	if got.Labels != nil || got.Volumes() != nil {
		t.Error("a classification has a label image")
	}
	spec.Decode = predict.Decode{Activation: predict.Sigmoid, Pick: predict.Threshold, Threshold: 0.9}
	spec.Labels[0].Value = 5
	if got, err = newPredictor(t, spec, model).Predict(t.Context(), straight([3]int{4, 4, 4})); err != nil {
		t.Fatal(err)
	}
	for i, picked := range []bool{false, true, false} {
		if got.Classes[i].Picked != picked {
			t.Errorf("sigmoid class %d: %+v", i, got.Classes[i])
		}
	}
}

func ExamplePredictor() {
	spec := binary(patch.XYZ)
	spec.Prepare = transform.Pipeline{transform.Orient{Axes: "LIA"}, transform.Scale{}}
	p, err := predict.New(spec, above(3, 0.5)) // an ort.Session or a convert.Graph in place of the fake
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := p.Predict(context.Background(), scan([3]int{10, 10, 10}, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range out.Volumes() {
		fmt.Printf("%s: %d voxels, %.2f ml\n", v.Name, v.Voxels, v.ML)
	}
	// Output: bright: 505 voxels, 1.38 ml
}

// Two models of one Spec: their probabilities, or their raw outputs, are averaged.
func TestEnsemble(t *testing.T) {
	im := straight([3]int{6, 5, 4})
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for ensemble, want := range map[string]float64{"": (sigmoid(1) + sigmoid(-4)) / 2, "logits": sigmoid(-1.5)} {
		for _, restore := range []predict.Restore{predict.RestoreProbabilities, predict.RestoreLogits} {
			spec := binary(patch.XYZ)
			spec.Decode = predict.Decode{Activation: predict.Sigmoid, Pick: predict.Threshold, Threshold: 0.3, Ensemble: ensemble, Restore: restore}
			one := pointwise(3, 1, func([]float32) float32 { return 1 })
			two := pointwise(3, 1, func([]float32) float32 { return -4 })
			p, err := predict.New(spec, one, two)
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			got, err := p.PredictWith(t.Context(), im, predict.Request{Probabilities: true, Progress: func(done, total int) {
				if seen++; done != seen || total != 2 {
					t.Errorf("progress %d of %d", done, total)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if v := float64(got.Probabilities.Data[7]); math.Abs(v-want) > 1e-6 || (got.Labels.Data[7] == 7) != (want > 0.3) {
				t.Errorf("ensemble %q restore %s: probability %g, label %g, want %g", ensemble, restore, v, got.Labels.Data[7], want)
			}
		}
	}
	odd := above(3, 0.4)
	odd.out.Shape[1] = 5
	var mismatch *predict.MismatchError
	if _, err := predict.New(binary(patch.XYZ), above(3, 0.4), odd); !errors.As(err, &mismatch) {
		t.Errorf("a second model that does not fit: %v", err)
	}
}

func BenchmarkPredictWindows(b *testing.B) {
	spec := binary(patch.XYZ)
	spec.Tile = &predict.Tile{Size: [3]int{64, 64, 64}, Overlap: predict.Overlap{0.5, 0.5, 0.5}, Blend: patch.Gaussian, Batch: 2}
	p := newPredictor(b, spec, above(3, 0.4))
	im := straight([3]int{128, 128, 96})
	b.SetBytes(int64(4 * im.Grid.Len()))
	for b.Loop() {
		if _, err := p.Predict(b.Context(), im); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRestore(b *testing.B) {
	spec := binary(patch.XYZ)
	spec.Prepare = transform.Pipeline{transform.Spacing{MM: transform.Vector{1.5, 1.5, 1.5}}}
	p := newPredictor(b, spec, above(3, 0.4))
	im := straight([3]int{128, 128, 96})
	b.SetBytes(int64(4 * im.Grid.Len()))
	for b.Loop() {
		if _, err := p.Predict(b.Context(), im); err != nil {
			b.Fatal(err)
		}
	}
}
