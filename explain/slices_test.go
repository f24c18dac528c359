package explain_test

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/explain"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/predict"
)

// TestSlices explains a volume that a 2-D network of fixed batch and size sees slice after slice: a voxel's
// attribution stays in its slice, and the scores of all ways to compute them agree.
func TestSlices(t *testing.T) {
	path := filepath.Join(shared.Dir(t, "models", "monai_unet2d"), "model.onnx")
	e := open(t, path, &predict.Spec{
		Version: 1, Task: predict.Segmentation,
		Input:  predict.Input{Layout: patch.XY, Channels: []predict.Channel{{Name: "scan"}}},
		Tile:   &predict.Tile{Size: [3]int{48, 48, 1}, Overlap: predict.Overlap{0.5, 0.5, 0}},
		Decode: predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax},
		Labels: []predict.Label{{Value: 0, Name: "background"}, {Value: 1, Name: "organ"}},
	})
	scan := imageio.New(imageio.Grid{Size: [3]int{60, 40, 3}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	for i := range scan.Data {
		scan.Data[i] = scramble(uint64(i))
	}
	p, err := e.Problem(context.Background(), []*imageio.Image{scan}, explain.Target{Kind: explain.Voxel, Voxel: [3]int{30, 20, 1}, Label: 1, Labelled: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []explain.Method{explain.Saliency{}, explain.GradCAM{}, explain.Occlusion{Window: [3]int{20, 20, 1}}} {
		x, err := p.Explain(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		var slice [3]float64
		for i, v := range x.Image.Data {
			slice[i/2400] += math.Abs(float64(v))
		}
		if slice[0] != 0 || slice[2] != 0 || slice[1] == 0 && m.Name() != "gradcam" {
			t.Errorf("%s: absolute attribution by slice %v", m.Name(), slice)
		}
		if x.Image.Grid != scan.Grid {
			t.Errorf("%s: the map lies on another grid", m.Name())
		}
	}
	score, _, err := p.Gradient(context.Background(), p.Image)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.Score(context.Background(), p.Image); err != nil || math.Abs(again-score) > 1e-4*math.Abs(score) {
		t.Errorf("score %g with the gradient, %g without (%v)", score, again, err)
	}
}
