package phantom

import (
	"math"
	"slices"
	"testing"
)

// The numbers of a seed are part of the demo's and the tests' recorded figures, so they may not drift.
func TestHeadIsReproducible(t *testing.T) {
	a, b := Head(7, A), Head(7, A)
	if a.Scan.Grid != b.Scan.Grid || !slices.Equal(a.Scan.Data, b.Scan.Data) || !slices.Equal(a.Labels.Data, b.Labels.Data) {
		t.Fatal("two drawings of one seed differ")
	}
	c := Head(8, A)
	if a.Scan.Grid == c.Scan.Grid {
		t.Error("two seeds have the same grid")
	}
}

func TestContrastsShareAnatomy(t *testing.T) {
	a, b := Head(3, A), Head(3, B)
	if a.Scan.Grid != b.Scan.Grid || !slices.Equal(a.Labels.Data, b.Labels.Data) {
		t.Fatal("contrasts of one seed have different grids or labels")
	}
	if slices.Equal(a.Scan.Data, b.Scan.Data) {
		t.Fatal("contrasts of one seed look the same")
	}
}

// Every case must be worth segmenting: all labels present in plausible volumes, on a valid oblique grid.
func TestHeadsArePlausible(t *testing.T) {
	for seed := uint64(100); seed < 104; seed++ {
		c := Head(seed, B)
		if err := c.Scan.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := c.Labels.Validate(); err != nil {
			t.Fatal(err)
		}
		var ml [Lesion + 1]float64
		for _, v := range c.Labels.Data {
			ml[int(v)] += c.Labels.Grid.VoxelVolume() / 1000
		}
		limits := [Lesion + 1][2]float64{Background: {2000, 9000}, Grey: {250, 900}, White: {250, 800}, Ventricle: {10, 90}, Lesion: {3, 120}}
		for l, lim := range limits {
			if ml[l] < lim[0] || ml[l] > lim[1] {
				t.Errorf("seed %d: label %d: %.1f ml, want %v", seed, l, ml[l], lim)
			}
		}
		off := 0.0
		for r := range 3 {
			for a := range 3 {
				v := math.Abs(c.Scan.Grid.Affine[r][a]) / c.Scan.Grid.Spacing()[a]
				off = max(off, min(v, 1-v))
			}
		}
		if off < 1e-3 {
			t.Errorf("seed %d: grid is not oblique", seed)
		}
	}
}

func TestContrastBIsNotContrastA(t *testing.T) {
	mean := func(c Case, label float32) float64 {
		var s float64
		var n int
		for i, l := range c.Labels.Data {
			if l == label {
				s, n = s+float64(c.Scan.Data[i]), n+1
			}
		}
		return s / float64(n)
	}
	for seed := uint64(1); seed < 4; seed++ {
		a, b := Head(seed, A), Head(seed, B)
		if !(mean(a, White) > mean(a, Grey) && mean(a, Grey) > mean(a, Ventricle)) {
			t.Errorf("seed %d: contrast A: want white > grey > ventricles", seed)
		}
		if !(mean(b, White) < mean(b, Grey) && mean(b, Grey) < mean(b, Ventricle)) {
			t.Errorf("seed %d: contrast B: want white < grey < ventricles", seed)
		}
	}
}

func BenchmarkHead(b *testing.B) {
	for b.Loop() {
		Head(1, A)
	}
}
