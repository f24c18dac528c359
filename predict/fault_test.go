package predict_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

func TestWrongImage(t *testing.T) {
	p := newPredictor(t, binary(patch.XYZ), above(3, 0.4))
	_, err := p.Predict(t.Context(), scan([3]int{4, 4, 4}, 4))
	var image *predict.ImageError
	if !errors.As(err, &image) || err.Error() != "predict: model wants 1 channel, image has 4" {
		t.Errorf("four channels: %v", err)
	}
	if _, err := p.Predict(t.Context(), &imageio.Image{}); err == nil {
		t.Error("an empty image: no error")
	}
}

func TestContradictions(t *testing.T) {
	cases := map[string]func(s *predict.Spec, m *fake){
		"it has no input":          func(s *predict.Spec, m *fake) { s.Input.Name = "image" },
		"it has no output":         func(s *predict.Spec, m *fake) { s.Decode.Output = "logits" },
		"has 2 channels":           func(s *predict.Spec, m *fake) { m.in.Shape[1] = 2 },
		"output \"y\" has 3":       func(s *predict.Spec, m *fake) { m.out.Shape[1] = 3 },
		"has 5 axes, layout xy":    func(s *predict.Spec, m *fake) { s.Input.Layout = patch.XY },
		"a classification wants 2": func(s *predict.Spec, m *fake) { m.out.Shape = []int{-1}; s.Task = predict.Classification },
		"a segmentation wants 5":   func(s *predict.Spec, m *fake) { m.out.Shape = []int{-1, 2} },
		"takes int64":              func(s *predict.Spec, m *fake) { m.in.DType = onnx.Int64 },
		"tiles have [4 4 4]": func(s *predict.Spec, m *fake) {
			m.in.Shape = []int{1, 1, 8, 8, 8}
			s.Tile = &predict.Tile{Size: [3]int{4, 4, 4}}
		},
	}
	for want, change := range cases {
		spec, model := binary(patch.XYZ), above(3, 0.4)
		change(&spec, model)
		_, err := predict.New(spec, model)
		var mismatch *predict.MismatchError
		if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// What a model does not declare shows when it runs.
func TestContradictionsAtRun(t *testing.T) {
	im := straight([3]int{4, 4, 4})
	for name, out := range map[string][]int{"channels": {1, 3, 4, 4, 4}, "sizes": {1, 2, 2, 2, 2}, "axes": {1, 2, 64}, "batch": {2, 2, 4, 4, 4}} {
		model := &fake{in: onnx.ValueInfo{Name: "x", DType: onnx.Float32}, out: onnx.ValueInfo{Name: "y", DType: onnx.Float32}}
		model.f = func([]int, []float32) ([]int, []float32) {
			n := 1
			for _, s := range out {
				n *= s
			}
			return out, make([]float32, n)
		}
		_, err := newPredictor(t, binary(patch.XYZ), model).Predict(t.Context(), im)
		if _, ok := errors.AsType[*predict.MismatchError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	fixed := above(3, 0.4)
	fixed.in.Shape = []int{1, 1, 8, 8, 8}
	if _, err := newPredictor(t, binary(patch.XYZ), fixed).Predict(t.Context(), im); err == nil || !strings.Contains(err.Error(), "wants the sizes") {
		t.Errorf("fixed sizes: %v", err)
	}
}

func TestNaN(t *testing.T) {
	nan := float32(math.NaN())
	im := straight([3]int{4, 4, 4})
	for _, activation := range []predict.Activation{predict.None, predict.Softmax, predict.Sigmoid} {
		spec := binary(patch.XYZ)
		spec.Decode.Activation = activation
		for _, prepare := range []transform.Pipeline{nil, {transform.Spacing{MM: transform.Vector{1.5, 1.5, 1.5}}}} {
			spec.Prepare = prepare
			model := pointwise(3, 1, func(v []float32) float32 { return v[0] }, func(v []float32) float32 { return nan })
			if _, err := newPredictor(t, spec, model).Predict(t.Context(), im); err == nil || !strings.Contains(err.Error(), "NaN") {
				t.Errorf("%s: %v", activation, err)
			}
		}
	}
}

func TestCancelAndProgress(t *testing.T) {
	spec := binary(patch.XYZ)
	spec.Tile = &predict.Tile{Size: [3]int{4, 4, 4}}
	model := above(3, 0.4)
	p := newPredictor(t, spec, model)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	_, err := p.PredictWith(ctx, straight([3]int{8, 8, 8}), predict.Request{Progress: func(done, total int) {
		seen++
		if done != seen || total != 8 {
			t.Errorf("progress %d of %d", done, total)
		}
		if done == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || model.calls != 3 {
		t.Errorf("cancelled after 3 runs: %v after %d", err, model.calls)
	}
}
