package patch_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
)

func ramp(size [3]int, channels int) *imageio.Image {
	im := imageio.New(imageio.Grid{Size: size, Affine: imageio.Identity()}, channels, imageio.Intensity)
	for i := range im.Data {
		im.Data[i] = float32(i + 1)
	}
	return im
}

func TestExtractEdges(t *testing.T) {
	im := ramp([3]int{4, 1, 1}, 1)
	b := patch.Box{Start: [3]int{-2, 0, 0}, Size: [3]int{9, 1, 1}}
	for edge, want := range map[patch.Edge][]float32{
		patch.Constant:  {-1, -1, 1, 2, 3, 4, -1, -1, -1},
		patch.Replicate: {1, 1, 1, 2, 3, 4, 4, 4, 4},
		patch.Reflect:   {3, 2, 1, 2, 3, 4, 3, 2, 1},
		patch.Circular:  {3, 4, 1, 2, 3, 4, 1, 2, 3},
	} {
		got, err := patch.Extract(im, b, edge, -1)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Data, want) {
			t.Errorf("%s: %v, want %v", edge, got.Data, want)
		}
		if got.Grid.Affine[0][3] != -2 {
			t.Errorf("%s: origin %v", edge, got.Grid.Affine)
		}
	}
	if _, err := patch.Extract(im, b, "mirror", 0); err == nil {
		t.Error("unknown edge: no error")
	}
	for _, size := range [][3]int{{0, 1, 1}, {1 << 40, 1, 1}, {1 << 20, 1 << 20, 1 << 20}} {
		if _, err := patch.Extract(im, patch.Box{Size: size}, "", 0); err == nil {
			t.Errorf("box of %v: no error", size)
		}
	}
}

func TestExtractPlacesChannels(t *testing.T) {
	im := ramp([3]int{5, 4, 3}, 2)
	b := patch.Box{Start: [3]int{1, 2, 0}, Size: [3]int{3, 2, 3}}
	got, err := patch.Extract(im, b, patch.Constant, 0)
	if err != nil {
		t.Fatal(err)
	}
	for c := range 2 {
		for z := range 3 {
			for y := range 2 {
				for x := range 3 {
					if got.At(x, y, z, c) != im.At(x+1, y+2, z, c) {
						t.Fatalf("voxel %d %d %d of channel %d differs", x, y, z, c)
					}
				}
			}
		}
	}
	if got.Grid.World(0, 0, 0) != im.Grid.World(1, 2, 0) {
		t.Error("the box is not where it was")
	}
}

func TestEveryVoxelIsCovered(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var tiling patch.Tiling
		var image [3]int
		for a := range 3 {
			image[a], tiling.Size[a], tiling.Overlap[a] = 1+rng.IntN(12), rng.IntN(9), rng.Float64()*0.99
		}
		if rng.IntN(2) == 0 {
			tiling.Rule = patch.NNUNet
		}
		if rng.IntN(2) == 0 {
			tiling.Blend = patch.Gaussian
		}
		boxes, err := tiling.Boxes(image)
		if err != nil {
			t.Fatal(err)
		}
		s, err := patch.NewStitcher(tiling, image, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range boxes {
			ones := make([]float32, b.Len())
			for i := range ones {
				ones[i] = 3
			}
			if err := s.Add(b, ones); err != nil {
				t.Fatal(err)
			}
		}
		for i, v := range s.Result()[0] {
			if v < 2.999 || v > 3.001 {
				t.Fatalf("%+v over %v: voxel %d is %g, want 3", tiling, image, i, v)
			}
		}
	}
}

func TestTilingFaults(t *testing.T) {
	for _, tiling := range []patch.Tiling{
		{Size: [3]int{-1, 0, 0}}, {Overlap: [3]float64{1, 0, 0}}, {Blend: "mean"}, {Sigma: -1}, {Sigma: 1e-200}, {Size: [3]int{1 << 40, 1, 1}}, {Size: [3]int{1 << 20, 1 << 20, 1 << 20}}, {Rule: "torchio"},
	} {
		if _, err := tiling.Boxes([3]int{4, 4, 4}); err == nil {
			t.Errorf("%+v: no error", tiling)
		}
		if _, err := patch.NewStitcher(tiling, [3]int{4, 4, 4}, 1); err == nil {
			t.Errorf("stitcher of %+v: no error", tiling)
		}
	}
	huge := patch.Tiling{Size: [3]int{1, 1, 1}}
	if _, err := huge.Boxes([3]int{1 << 20, 1 << 20, 1 << 20}); err == nil {
		t.Error("2^60 boxes: no error")
	}
}

func TestForegroundDraws(t *testing.T) {
	label := imageio.New(imageio.Grid{Size: [3]int{20, 15, 10}, Affine: imageio.Identity()}, 1, imageio.Label)
	label.Data[label.Grid.Index(17, 7, 1)] = 2
	f := patch.Foreground{Size: [3]int{6, 5, 12}, Ratio: 0.5}
	first, second := rand.New(rand.NewPCG(5, 6)), rand.New(rand.NewPCG(5, 6))
	centred := 0
	const draws = 2000
	for range draws {
		b, err := f.Draw(first, label)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := f.Draw(second, label); again != b {
			t.Fatal("the same stream gave another box")
		}
		// 17-3 and 7-2 fit; along z the image is smaller by two voxels
		if b == (patch.Box{Start: [3]int{14, 5, -1}, Size: [3]int{6, 5, 12}}) {
			centred++
		}
		if b.Start[0] < 0 || b.Start[0] > 14 || b.Start[1] < 0 || b.Start[1] > 10 || b.Start[2] != -1 {
			t.Fatalf("box %v does not fit", b)
		}
	}
	// half of the draws, and 1 of 165 others by chance; 5 standard deviations are 112
	if centred < 1006-112 || centred > 1006+112 {
		t.Errorf("%d of %d boxes are around the foreground", centred, draws)
	}
	two := imageio.New(label.Grid, 2, imageio.Label)
	copy(two.Channel(1), label.Data)
	f.Ratio = 1
	if b, err := f.Draw(first, two); err != nil || b.Start != [3]int{14, 5, -1} {
		t.Errorf("foreground in the second channel: %v %v", b, err)
	}
	if _, err := f.Draw(first, imageio.New(label.Grid, 1, imageio.Label)); err != nil {
		t.Errorf("no foreground: %v", err)
	}
	if _, err := (patch.Foreground{Ratio: 2}).Draw(first, label); err == nil {
		t.Error("ratio 2: no error")
	}
}

// MONAI's correct_crop_centers gives these starts for a voxel near either end.
func TestCentredAsMONAI(t *testing.T) {
	for _, c := range []struct{ voxel, size, image, start int }{
		{0, 4, 10, 0}, {1, 4, 10, 0}, {5, 4, 10, 3}, {9, 4, 10, 6}, {9, 5, 10, 5}, {5, 5, 10, 3}, {3, 10, 10, 0}, {2, 7, 4, -1},
	} {
		one := func(v int) [3]int { return [3]int{v, 0, 0} }
		b := patch.Centred(one(c.voxel), [3]int{c.size, 1, 1}, [3]int{c.image, 1, 1})
		if b.Start[0] != c.start {
			t.Errorf("%+v: start %d", c, b.Start[0])
		}
	}
}

func ExampleTiling() {
	tiling := patch.Tiling{Size: [3]int{96, 96, 96}, Overlap: [3]float64{0.5, 0.5, 0.5}, Blend: patch.Gaussian}
	boxes, err := tiling.Boxes([3]int{160, 96, 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, b := range boxes {
		fmt.Println(b.Start)
	}
	// Output:
	// [0 0 0]
	// [0 0 4]
	// [48 0 0]
	// [48 0 4]
	// [64 0 0]
	// [64 0 4]
}

func BenchmarkDraw(b *testing.B) {
	label := imageio.New(imageio.Grid{Size: [3]int{256, 256, 256}, Affine: imageio.Identity()}, 1, imageio.Label)
	for i := range label.Data {
		label.Data[i] = float32(i % 1000 / 999)
	}
	f := patch.Foreground{Size: [3]int{96, 96, 96}, Ratio: 1}
	rng := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		if _, err := f.Draw(rng, label); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStitch(b *testing.B) {
	tiling := patch.Tiling{Size: [3]int{96, 96, 96}, Overlap: [3]float64{0.5, 0.5, 0.5}, Blend: patch.Gaussian}
	s, err := patch.NewStitcher(tiling, [3]int{192, 192, 192}, 4)
	if err != nil {
		b.Fatal(err)
	}
	box := patch.Box{Start: [3]int{48, 48, 48}, Size: tiling.Size}
	scores := make([]float32, 4*box.Len())
	b.SetBytes(int64(4 * len(scores)))
	for b.Loop() {
		if err := s.Add(box, scores); err != nil {
			b.Fatal(err)
		}
	}
}

// A label of one voxel is drawn as often as one of a thousand.
func TestForegroundBalancesLabels(t *testing.T) {
	label := imageio.New(imageio.Grid{Size: [3]int{40, 10, 10}, Affine: imageio.Identity()}, 1, imageio.Label)
	for i := range label.Data {
		if i%40 < 10 {
			label.Data[i] = 1
		}
	}
	label.Data[label.Grid.Index(35, 5, 5)] = 3
	rng := rand.New(rand.NewPCG(7, 8))
	small := 0
	const draws = 1000
	for range draws {
		b, err := patch.Foreground{Size: [3]int{1, 1, 1}, Ratio: 1}.Draw(rng, label)
		if err != nil {
			t.Fatal(err)
		}
		switch v := label.At(b.Start[0], b.Start[1], b.Start[2], 0); v {
		case 3:
			small++
		case 1:
		default:
			t.Fatalf("box %v is around label %g", b, v)
		}
	}
	if small < 420 || small > 580 { // 5 standard deviations around half
		t.Errorf("%d of %d boxes are around the small label", small, draws)
	}
}
