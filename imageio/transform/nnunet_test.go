package transform

import (
	"math"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// The axis is nnU-Net 2.8's determine_do_sep_z_and_axis(force, current, new).
func TestSeparateAxis(t *testing.T) {
	for _, c := range []struct {
		how      Separate
		from, to [3]float64
		want     int
	}{
		{"", [3]float64{1, 1, 3}, [3]float64{1, 1, 1}, NoAxis}, // 3 is not more than 3
		{"", [3]float64{1, 1, 3.1}, [3]float64{1, 1, 1}, 2},
		{"", [3]float64{1, 1, 1}, [3]float64{4, 1, 1}, 0},
		{"", [3]float64{0.24, 1.25, 1.25}, [3]float64{1, 1, 5}, NoAxis}, // two are longest: the target is not asked
		{SeparateAlways, [3]float64{1, 1.5, 1}, [3]float64{1, 1, 1}, 1},
		{SeparateAlways, [3]float64{1, 1, 1}, [3]float64{1, 1, 5}, NoAxis},
		{SeparateNever, [3]float64{1, 1, 9}, [3]float64{1, 1, 9}, NoAxis},
	} {
		if got := c.how.Axis(c.from, c.to); got != c.want {
			t.Errorf("%q from %v to %v: axis %d, want %d", c.how, c.from, c.to, got, c.want)
		}
	}
}

// An oblique affine in single precision makes one of two equal axes longer; the file's zooms say otherwise.
func TestNominalSpacing(t *testing.T) {
	im := imageio.New(imageio.Grid{Size: [3]int{4, 4, 4}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	im.Grid.Affine[0][0] = 1.249999960834336
	im.Grid.Affine[1][1] = 1.2500000400096605
	im.Grid.Affine[2][2] = 0.24
	im.Source = &imageio.Source{Zooms: []float64{1.25, 1.25, 0.5}}
	want := [3]float64{1.25, 1.25, 0.24}
	if got := Nominal(im); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	im.Source = nil
	if got := Nominal(im); got == want {
		t.Error("without a source there is nothing to take it from")
	}
}

// The mask takes in a hole and leaves a bay that is open to the border.
func TestZScoreMask(t *testing.T) {
	im := imageio.New(imageio.Grid{Size: [3]int{5, 5, 3}, Affine: imageio.Identity()}, 2, imageio.Intensity)
	ring := im.Channel(0)
	for y := 1; y < 5; y++ {
		for x := range 4 {
			for z := range 3 {
				ring[im.Grid.Index(x, y, z)] = float32(1 + x + y + z)
			}
		}
	}
	hole, bay := im.Grid.Index(1, 2, 1), im.Grid.Index(2, 3, 0)
	ring[hole], ring[bay] = 0, 0
	im.Channel(1)[im.Grid.Index(4, 0, 0)] = 7 // counts for the mask
	out, err := ZScore{Mask: "nonzero", Of: []int{0}}.Apply(im)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Channel(0)[bay]; got != 0 {
		t.Errorf("a voxel outside the mask became %v", got)
	}
	if got := out.Channel(0)[hole]; got >= 0 {
		t.Errorf("the hole is not normalized: %v", got)
	}
	if !slices.Equal(out.Channel(1), im.Channel(1)) {
		t.Error("a channel that is not named changed")
	}
	mask, sum, squares, n := NonzeroMask(im), 0.0, 0.0, 0.0
	for i, v := range out.Channel(0) {
		if mask[i] {
			sum, squares, n = sum+float64(v), squares+float64(v)*float64(v), n+1
		}
	}
	if n != 4*4*3-1+1 || math.Abs(sum/n) > 1e-6 || math.Abs(squares/n-1) > 1e-6 {
		t.Errorf("%v voxels of mean %v and mean square %v, want 48, 0 and 1", n, sum/n, squares/n)
	}
}
