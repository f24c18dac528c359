package patch_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
)

// reference is what testdata/gen/patch.py wrote with MONAI, PyTorch and scipy.
type reference struct {
	MONAI []struct {
		Image, Window [3]int
		Overlap       [3]float64
		Values        []float32
		Starts        [][3]int
		Constant      [][]float32
		Gaussian      [][]float32
		Replicate     [][]float32
		Weights       []float32
	}
	NNUNet []struct {
		Image, Window [3]int
		Overlap       [3]float64
		Steps         [3][]int
		Weights       []float32
	}
}

func readReference(t *testing.T) reference {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/ref/patch.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= tolerance*max(1, math.Abs(float64(want[i])))) {
			t.Fatalf("%s: value %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

func TestMONAIPositionsAndWeights(t *testing.T) {
	for _, c := range readReference(t).MONAI {
		tiling := patch.Tiling{Size: c.Window, Overlap: c.Overlap, Blend: patch.Gaussian}
		boxes, err := tiling.Boxes(c.Image)
		if err != nil {
			t.Fatal(err)
		}
		if len(boxes) != len(c.Starts) {
			t.Fatalf("image %v window %v: %d boxes, want %d", c.Image, c.Window, len(boxes), len(c.Starts))
		}
		for i, b := range boxes {
			if b.Start != c.Starts[i] || b.Size != c.Window {
				t.Errorf("image %v window %v: box %d is %v, want start %v", c.Image, c.Window, i, b, c.Starts[i])
			}
		}
		near(t, "weights", tiling.Weights(c.Image), c.Weights, 1e-6)
	}
}

// positional is the model of testdata/gen/patch.py: two channels that depend on the place in the window.
func positional(window *imageio.Image) []float32 {
	n := window.Grid.Size
	out := make([]float32, 2*window.Grid.Len())
	for z := range n[2] {
		for y := range n[1] {
			for x := range n[0] {
				i := window.Grid.Index(x, y, z)
				v := window.Data[i]
				out[i] = v*float32(1+x) + float32(y)
				out[i+len(out)/2] = v - 0.5*float32(z)
			}
		}
	}
	return out
}

func stitch(t *testing.T, tiling patch.Tiling, im *imageio.Image, edge patch.Edge) [][]float32 {
	t.Helper()
	s, err := patch.NewStitcher(tiling, im.Grid.Size, 2)
	if err != nil {
		t.Fatal(err)
	}
	boxes, err := tiling.Boxes(im.Grid.Size)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boxes {
		window, err := patch.Extract(im, b, edge, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(b, positional(window)); err != nil {
			t.Fatal(err)
		}
	}
	return s.Result()
}

func seventh(v []float32) []float32 {
	var out []float32
	for i := 0; i < len(v); i += 7 {
		out = append(out, v[i])
	}
	return out
}

// Sums in float32 differ by their order: 1e-5 of values up to about 40.
func TestStitchAsMONAI(t *testing.T) {
	for _, c := range readReference(t).MONAI {
		im := imageio.New(imageio.Grid{Size: c.Image, Affine: imageio.Identity()}, 1, imageio.Intensity)
		copy(im.Data, c.Values)
		base := patch.Tiling{Size: c.Window, Overlap: c.Overlap}
		gauss, wide := base, base
		gauss.Blend, wide.Blend, wide.Sigma = patch.Gaussian, patch.Gaussian, 0.25
		for ch := range 2 {
			near(t, "constant", seventh(stitch(t, base, im, patch.Constant)[ch]), c.Constant[ch], 1e-5)
			near(t, "gaussian", seventh(stitch(t, gauss, im, patch.Constant)[ch]), c.Gaussian[ch], 1e-5)
			if c.Replicate != nil {
				near(t, "replicate", seventh(stitch(t, wide, im, patch.Replicate)[ch]), c.Replicate[ch], 1e-5)
			}
		}
	}
}

func TestNNUNetPositionsAndWeights(t *testing.T) {
	for _, c := range readReference(t).NNUNet {
		tiling := patch.Tiling{Size: c.Window, Overlap: c.Overlap, Blend: patch.Gaussian, Rule: patch.NNUNet}
		boxes, err := tiling.Boxes(c.Image)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for _, x := range c.Steps[0] {
			for _, y := range c.Steps[1] {
				for _, z := range c.Steps[2] {
					if i >= len(boxes) || boxes[i].Start != [3]int{x, y, z} {
						t.Fatalf("image %v window %v: box %d differs, want start %v", c.Image, c.Window, i, [3]int{x, y, z})
					}
					i++
				}
			}
		}
		if i != len(boxes) {
			t.Errorf("image %v window %v: %d boxes, want %d", c.Image, c.Window, len(boxes), i)
		}
		near(t, "weights", tiling.Weights(c.Image), c.Weights, 1e-6)
	}
}
