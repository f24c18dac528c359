package predict_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// readReference reads a file of ../testdata/ref, whose script is in ../testdata/gen.
func readReference(t testing.TB, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile("../testdata/ref/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// flat is the 2-D network of slices.py: what comes out at a voxel depends on its place in the window.
func flat(channels int) *fake {
	return &fake{
		in:  onnx.ValueInfo{Name: "x", DType: onnx.Float32, Shape: []int{-1, channels, -1, -1}},
		out: onnx.ValueInfo{Name: "y", DType: onnx.Float32, Shape: []int{-1, 2, -1, -1}},
		f: func(shape []int, data []float32) ([]int, []float32) {
			h, w := shape[2], shape[3]
			out := make([]float32, shape[0]*2*h*w)
			for b := range shape[0] {
				for i := range h * w {
					s := float32(0)
					for c := range channels {
						s += data[(b*channels+c)*h*w+i] * float32(c+1)
					}
					row, col := float32(i/w), float32(i%w)
					out[(b*2)*h*w+i] = s + row*0.25 - col*0.125
					out[(b*2+1)*h*w+i] = s*0.5 + col
				}
			}
			return []int{shape[0], 2, h, w}, out
		},
	}
}

// 2-D models over volumes along every axis as MONAI's SliceInferer runs them, windows within the slices too, and
// stacks of slices. Samples are multiples of 1/64, so that only the weights are rounded: 2e-6 is a few steps of
// float32 at the size of the values.
func TestSlicesAsMONAI(t *testing.T) {
	var cases []struct {
		Image, Tile            [3]int
		Channels, Stack, Batch int
		Layout                 patch.Layout
		Overlap                float64
		Blend                  patch.Blend
		Pad                    patch.Edge
		Values, Want           []float32
	}
	readReference(t, "slices.json", &cases)
	for _, c := range cases {
		name := fmt.Sprintf("%s of %v, tile %v, stack %d", c.Layout, c.Image, c.Tile, c.Stack)
		spec := binary(c.Layout)
		spec.Decode.Activation = predict.None
		spec.Input.Stack = c.Stack
		spec.Input.Channels = make([]predict.Channel, c.Channels)
		for i := range spec.Input.Channels {
			spec.Input.Channels[i].Name = strconv.Itoa(i)
		}
		spec.Tile = &predict.Tile{Size: c.Tile, Overlap: predict.Overlap{c.Overlap, c.Overlap, c.Overlap}, Blend: c.Blend, Pad: c.Pad, Batch: c.Batch}
		im := imageio.New(imageio.Grid{Size: c.Image, Affine: imageio.Identity()}, c.Channels, imageio.Intensity)
		copy(im.Data, c.Values)
		out, err := newPredictor(t, spec, flat(c.Channels*c.Stack)).PredictWith(t.Context(), im, predict.Request{Probabilities: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		worst := 0.0
		for i, v := range c.Want {
			worst = max(worst, math.Abs(float64(out.Probabilities.Data[i]-v)))
		}
		if !(worst <= 2e-6) || len(c.Want) != len(out.Probabilities.Data) {
			t.Errorf("%s: off by %g", name, worst)
		}
	}
}

// With nnU-Net's rule, too, a slice is seen once, whatever the overlap within slices.
func TestSlicesOnceWithNNUNet(t *testing.T) {
	spec := binary("xz")
	spec.Tile = &predict.Tile{Size: [3]int{4, 1, 4}, Overlap: predict.Overlap{0.5, 0.5, 0.5}, Rule: patch.NNUNet}
	model := above(2, 0.4)
	im := straight([3]int{4, 6, 4})
	out, err := newPredictor(t, spec, model).Predict(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	wantAbove(t, "slices", out.Labels, im)
	if model.calls != 6 {
		t.Errorf("6 slices took %d runs", model.calls)
	}
}
