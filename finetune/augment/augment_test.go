package augment

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

func sample(size [3]int, channels int, kind imageio.Kind) *imageio.Image {
	im := imageio.New(imageio.Grid{Size: size, Affine: imageio.Identity()}, channels, kind)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range im.Data {
		im.Data[i] = float32(rng.IntN(5))
	}
	return im
}

func TestFlip(t *testing.T) {
	im := sample([3]int{2, 3, 4}, 2, imageio.Intensity)
	before := slices.Clone(im.Data)
	for axis := range 3 {
		f := Flip{axis}.Draw(nil)
		out, err := f.Apply(im)
		if err != nil {
			t.Fatal(err)
		}
		for c := range 2 {
			for z := range 4 {
				for y := range 3 {
					for x := range 2 {
						p := [3]int{x, y, z}
						p[axis] = im.Grid.Size[axis] - 1 - p[axis]
						if out.At(x, y, z, c) != im.At(p[0], p[1], p[2], c) {
							t.Fatalf("axis %d: voxel %d %d %d channel %d", axis, x, y, z, c)
						}
					}
				}
			}
		}
		back, _ := f.Apply(out)
		if !slices.Equal(back.Data, im.Data) {
			t.Errorf("axis %d: twice is not the identity", axis)
		}
	}
	if !slices.Equal(before, im.Data) {
		t.Error("the argument changed")
	}
	if _, err := (Flip{3}).Draw(nil).Apply(im); err == nil {
		t.Error("axis 3: want an error")
	}
}

func TestIntensityBoundsAndLabels(t *testing.T) {
	im := sample([3]int{8, 8, 8}, 1, imageio.Intensity)
	label := sample([3]int{8, 8, 8}, 1, imageio.Label)
	sd := deviation(im.Data)
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for name, c := range map[string]struct {
			policy Policy
			within func(before, after float32) bool
		}{
			"scale": {Scale{0.1}, func(b, a float32) bool { return math.Abs(float64(a-b)) <= 0.1*float64(b)+1e-6 }},
			"shift": {Shift{0.1}, func(b, a float32) bool { return math.Abs(float64(a-b)) <= 0.1*sd+1e-6 }},
			"gamma": {Gamma{0.25}, func(b, a float32) bool { return a >= 0 && a <= 4 && (b != 0 && b != 4 || a == b) }},
			"noise": {Noise{0.1}, func(b, a float32) bool { return math.Abs(float64(a-b)) <= 0.1*sd*6 }},
		} {
			change := c.policy.Draw(rng)
			out, err := change.Apply(im)
			if err != nil {
				t.Fatal(err)
			}
			for i := range im.Data {
				if !c.within(im.Data[i], out.Data[i]) {
					t.Fatalf("%s: %g became %g", name, im.Data[i], out.Data[i])
				}
			}
			same, _ := change.Apply(im)
			if !slices.Equal(same.Data, out.Data) {
				t.Errorf("%s: a change is not deterministic", name)
			}
			if l, _ := change.Apply(label); l != label {
				t.Errorf("%s: changes a label image", name)
			}
		}
	}
}

// TestLightDrawsTheSameFromTheSameSeed also sees that image and label are mirrored together.
func TestLightDrawsTheSameFromTheSameSeed(t *testing.T) {
	label := sample([3]int{6, 5, 4}, 1, imageio.Label)
	mirrored := 0
	for seed := range uint64(100) {
		a := Light(0).Draw(rand.New(rand.NewPCG(seed, 0)))
		b := Light(0).Draw(rand.New(rand.NewPCG(seed, 0)))
		im := sample([3]int{6, 5, 4}, 1, imageio.Intensity)
		x, err := a.Apply(im)
		if err != nil {
			t.Fatal(err)
		}
		y, _ := b.Apply(im)
		if !slices.Equal(x.Data, y.Data) {
			t.Fatalf("seed %d: two draws differ", seed)
		}
		l, _ := a.Apply(label)
		if !slices.Equal(l.Data, label.Data) {
			mirrored++
		}
	}
	if mirrored < 30 || mirrored > 70 {
		t.Errorf("%d of 100 mirrored", mirrored)
	}
}
