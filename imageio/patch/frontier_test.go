package patch_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio/patch"
)

// drawTiling returns a random tiling and image, small enough for many of them.
func drawTiling(rng *rand.Rand, most int) (t patch.Tiling, image [3]int) {
	for a := range 3 {
		image[a], t.Size[a], t.Overlap[a] = 1+rng.IntN(most), rng.IntN(most*3/4), rng.Float64()*0.8
	}
	if rng.IntN(2) == 0 {
		t.Rule = patch.NNUNet
	}
	if rng.IntN(2) == 0 {
		t.Blend = patch.Gaussian
	}
	return t, image
}

// collect runs a frontier whose windows say what said does, and returns the divided values of each channel. It fails
// unless every voxel comes out once, and every layer of a lower neighbour as it came out there.
func collect(t *testing.T, c *patch.Course, o patch.FrontierOptions, bricks []patch.Brick, flips []uint, said func(s patch.Step, flip uint) []float32) [][]float32 {
	t.Helper()
	f, err := patch.NewFrontier(c, o)
	if err != nil {
		t.Fatal(err)
	}
	n := o.Image[0] * o.Image[1] * o.Image[2]
	out, seen := make([][]float32, o.Channels), make([]bool, n)
	for ch := range out {
		out[ch] = make([]float32, n)
	}
	emit := func(c *patch.Cell) error {
		i := 0
		for z := range c.Size[2] {
			for y := range c.Size[1] {
				for x := range c.Size[0] {
					at := c.Start[0] + x + o.Image[0]*(c.Start[1]+y+o.Image[1]*(c.Start[2]+z))
					low := x < c.Halo[0] || y < c.Halo[1] || z < c.Halo[2]
					if seen[at] != low {
						t.Fatalf("voxel %d: seen %v, in the lower layer %v", at, seen[at], low)
					}
					for ch := range out {
						v := c.Parts[0][ch*c.Len()+i] / c.Total[i]
						if low && out[ch][at] != v {
							t.Fatalf("voxel %d: %g, and %g in the layer", at, out[ch][at], v)
						}
						out[ch][at] = v
					}
					i++
				}
			}
		}
		for z := c.Halo[2]; z < c.Size[2]; z++ {
			for y := c.Halo[1]; y < c.Size[1]; y++ {
				for x := c.Halo[0]; x < c.Size[0]; x++ {
					seen[c.Start[0]+x+o.Image[0]*(c.Start[1]+y+o.Image[1]*(c.Start[2]+z))] = true
				}
			}
		}
		return nil
	}
	for _, b := range bricks {
		for _, s := range c.Steps(b) {
			for _, flip := range flips {
				if err := f.Add(s, b, 0, said(s, flip), flip); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Finish(s, b, emit); err != nil {
				t.Fatal(err)
			}
		}
	}
	if slices.Contains(seen, false) {
		t.Fatal("some voxels never came out")
	}
	return out
}

// Cells come out with what the plain stitcher has, whatever the bricks, and bit for bit the same for all bricks.
func TestFrontierIsTheStitcher(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for round := range 150 {
		tiling, image := drawTiling(rng, 16)
		if round%30 == 0 {
			image = [3]int{150, 3, 2} // cells are cut where windows are long
		}
		channels := 1 + rng.IntN(3)
		course, err := tiling.Course(image)
		if err != nil {
			t.Fatal(err)
		}
		flips := []uint{0}
		if rng.IntN(2) == 0 {
			flips = []uint{0, 1 + uint(rng.IntN(7))}
		}
		said := func(s patch.Step, flip uint) []float32 {
			draw := rand.New(rand.NewPCG(uint64(s.Box.Start[0]*10000+s.Box.Start[1]*100+s.Box.Start[2]+5555555), uint64(flip)))
			v := make([]float32, channels*s.Box.Len())
			for i := range v {
				v[i] = draw.Float32() - 0.5
			}
			return v
		}
		stitcher, err := patch.NewStitcher(tiling, image, channels)
		if err != nil {
			t.Fatal(err)
		}
		whole := course.Bricks([3]int{1, 1, 1})
		if len(whole) != 1 || len(course.Steps(whole[0])) != course.Windows() {
			t.Fatalf("%+v over %v: %d bricks, %d windows", tiling, image, len(whole), len(course.Steps(whole[0])))
		}
		for _, s := range course.Steps(whole[0]) {
			mean := make([]float32, channels*s.Box.Len())
			for _, flip := range flips {
				addMirrored(mean, said(s, flip), s.Box.Size, flip, 1/float32(len(flips)))
			}
			if err := stitcher.Add(s.Box, mean); err != nil {
				t.Fatal(err)
			}
		}
		o := patch.FrontierOptions{Tiling: tiling, Image: image, Channels: channels, Copies: len(flips), Threads: 2}
		got := collect(t, course, o, whole, flips, said)
		for ch, want := range stitcher.Result() {
			near(t, "frontier", got[ch], want, 1e-5)
		}
		bricks := course.Bricks([3]int{1 + rng.IntN(3), 1 + rng.IntN(3), 1 + rng.IntN(3)})
		for ch, v := range collect(t, course, o, bricks, flips, said) {
			if !slices.Equal(v, got[ch]) {
				t.Fatalf("%+v over %v in %d bricks: channel %d differs", tiling, image, len(bricks), ch)
			}
		}
	}
}

// addMirrored adds a mirrored block, turned around, times a factor.
func addMirrored(sum, v []float32, size [3]int, flip uint, by float32) {
	n := size[0] * size[1] * size[2]
	for i := range v {
		c, x, y, z := i/n, i%size[0], i/size[0]%size[1], i%n/(size[0]*size[1])
		if flip&1 != 0 {
			x = size[0] - 1 - x
		}
		if flip&2 != 0 {
			y = size[1] - 1 - y
		}
		if flip&4 != 0 {
			z = size[2] - 1 - z
		}
		sum[c*n+x+size[0]*(y+size[1]*z)] += by * v[i]
	}
}

func TestFrontierHoldsLittle(t *testing.T) {
	tiling := patch.Tiling{Size: [3]int{8, 8, 8}, Overlap: [3]float64{0.5, 0.5, 0.5}, Blend: patch.Gaussian}
	image := [3]int{20, 24, 120}
	course, err := tiling.Course(image)
	if err != nil {
		t.Fatal(err)
	}
	for _, parts := range [][3]int{{1, 1, 1}, {2, 2, 1}} {
		f, err := patch.NewFrontier(course, patch.FrontierOptions{Tiling: tiling, Image: image, Channels: 3})
		if err != nil {
			t.Fatal(err)
		}
		held := 0
		for _, b := range course.Bricks(parts) {
			for _, s := range course.Steps(b) {
				if err := f.Add(s, b, 0, make([]float32, 3*512), 0); err != nil {
					t.Fatal(err)
				}
				held = max(held, f.Held())
				if err := f.Finish(s, b, func(*patch.Cell) error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
		}
		// twice half a window over the cross-section: a layer of a lower neighbour doubles cells of 4 voxels. Between
		// bricks the faces of thin cells take as much.
		if most := 3 * 2 * 20 * 24 * 8; held > most {
			t.Errorf("%v bricks: %d values held, want at most %d", parts, held, most)
		}
		if plan := 3 * course.Held(course.Bricks(parts)); plan > held*11/10 || plan < held/2 {
			t.Errorf("%v bricks: planned %d values, held %d", parts, plan, held)
		}
	}
}

func TestFrontierSkips(t *testing.T) {
	tiling := patch.Tiling{Size: [3]int{4, 2, 2}, Overlap: [3]float64{0.5, 0, 0}}
	image := [3]int{8, 2, 2}
	course, err := tiling.Course(image)
	if err != nil {
		t.Fatal(err)
	}
	f, err := patch.NewFrontier(course, patch.FrontierOptions{Tiling: tiling, Image: image, Channels: 1, Empty: []float32{-9}})
	if err != nil {
		t.Fatal(err)
	}
	b := course.Bricks([3]int{1, 1, 1})[0]
	var got []float32
	for i, s := range course.Steps(b) { // windows at 0, 2 and 4; only the last one runs
		if i < 2 {
			f.Skip(s)
		} else if err := f.Add(s, b, 0, slices.Repeat([]float32{3}, 16), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Finish(s, b, func(c *patch.Cell) error {
			got = append(got, c.Parts[0][c.Len()-1]/c.Total[c.Len()-1])
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []float32{-9, -9, 3, 3}) {
		t.Errorf("cells are %v, want -9 -9 3 3", got)
	}
}
