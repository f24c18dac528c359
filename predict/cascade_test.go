package predict_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// The label image of a previous stage as nnU-Net's preprocessor takes it to the model's grid: equal voxel for
// voxel, ties too, and so are the channels made from it.
func TestStageAsNNUNet(t *testing.T) {
	var cases []struct {
		Size            [3]int
		Spacing, Target [3]float64
		Image, Labels   []float32
		WantSize        [3]int `json:"want_size"`
		Want            []float32
	}
	readReference(t, "stage.json", &cases)
	for _, c := range cases {
		grid := imageio.Grid{Size: c.Size, Affine: imageio.Identity()}
		for a := range 3 {
			grid.Affine[a][a] = c.Spacing[a]
		}
		im, stage := imageio.New(grid, 1, imageio.Intensity), imageio.New(grid, 1, imageio.Label)
		copy(im.Data, c.Image)
		copy(stage.Data, c.Labels)
		spec := binary("zyx")
		spec.Prepare = transform.Pipeline{
			transform.CropNonzero{},
			transform.ZScore{},
			transform.Spacing{MM: transform.Vector(c.Target), Rule: transform.NNUNet, Interpolation: transform.Cubic},
		}
		spec.Input.Channels = append(spec.Input.Channels, stageChannel(1), stageChannel(4), stageChannel(2))
		got, err := spec.Apply(im, stage)
		if err != nil {
			t.Fatal(err)
		}
		if got.Image.Grid.Size != c.WantSize || got.Image.Channels != 4 {
			t.Fatalf("%v: %v voxels and %d channels, want %v", c.Size, got.Image.Grid.Size, got.Image.Channels, c.WantSize)
		}
		for i, value := range []float32{1, 4, 2} {
			differ := 0
			for k, v := range got.Image.Channel(1 + i) {
				if (v == 1) != (c.Want[k] == value) {
					differ++
				}
			}
			if differ > 0 {
				t.Errorf("%v: label %g differs at %d of %d voxels", c.Size, value, differ, len(c.Want))
			}
		}
	}
}

func stageChannel(value int) predict.Channel { return predict.Channel{Name: "previous", Value: &value} }

// A whole cascade through flips, crops and pads: by index, so that the channels are the label image itself.
func TestCascade(t *testing.T) {
	im := scan([3]int{7, 6, 5}, 1)
	stage := imageio.New(im.Grid, 1, imageio.Label)
	for i := range stage.Data {
		stage.Data[i] = float32(i % 3)
	}
	spec := binary("xyz")
	spec.Prepare = transform.Pipeline{transform.Orient{Axes: "RAS"}, transform.Pad{Size: transform.Size{9, 9, 9}}, transform.Scale{}}
	spec.Input.Channels = append(spec.Input.Channels, stageChannel(2))
	model := pointwise(3, 2, func(v []float32) float32 { return 0.5 - v[1] }, func(v []float32) float32 { return v[1] - 0.5 })
	p := newPredictor(t, spec, model)
	prepared, err := p.Prepare(im, stage)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.PredictPrepared(t.Context(), prepared, predict.Request{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range out.Labels.Data {
		if (v == 7) != (stage.Data[i] == 2) {
			t.Fatalf("voxel %d of stage label %g has %g", i, stage.Data[i], v)
		}
	}
	other := *stage
	other.Grid.Affine[0][3]++
	half := *stage
	half.Data = append([]float32{0.5}, stage.Data[1:]...)
	for want, images := range map[string][]*imageio.Image{
		"wants the label image of a previous stage": {im},
		"lies elsewhere":      {im, &other},
		"got 0.5 at voxel":    {im, &half},
		"an image of 2":       {im, scan([3]int{7, 6, 5}, 2)},
		"model wants 1 chann": {im, im, stage},
	} {
		_, err := p.Prepare(images...)
		if _, ok := errors.AsType[*predict.ImageError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
