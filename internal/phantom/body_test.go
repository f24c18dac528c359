package phantom

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// The file must hold what Slice draws, on the grid that Grid says.
func TestBodyFile(t *testing.T) {
	b := Body{Size: [3]int{64, 60, 40}, MM: [3]float64{6, 6, 12}, Seed: 3}
	for _, name := range []string{"ct.nii", "ct.nii.gz"} {
		path := filepath.Join(t.TempDir(), name)
		if err := b.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		im, err := imageio.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if !im.Grid.Same(b.Grid(), 1e-4) {
			t.Errorf("%s: want the grid %v, got %v", name, b.Grid(), im.Grid)
		}
		slice := make([]int16, 64*60)
		for z := range 40 {
			b.Slice(z, slice)
			same := slices.EqualFunc(slice, im.Data[z*len(slice):][:len(slice)], func(a int16, v float32) bool { return float32(a) == v })
			if !same {
				t.Fatalf("%s: slice %d differs", name, z)
			}
		}
	}
}

// Every tissue must be there in a plausible amount.
func TestBodyIsPlausible(t *testing.T) {
	b := WholeBody()
	b.Size, b.MM = [3]int{128, 128, 70}, [3]float64{3.2, 3.2, 10}
	count := map[string]float64{}
	slice := make([]int16, 128*128)
	for z := range b.Size[2] {
		b.Slice(z, slice)
		for _, v := range slice {
			switch {
			case v < -950:
				count["air"]++
			case v < -700:
				count["lung"]++
			case v > -150 && v < -50:
				count["fat"]++
			case v > -50 && v < 150:
				count["soft"]++
			case v > 200:
				count["bone"]++
			}
		}
	}
	limits := map[string][2]float64{"air": {0.4, 0.8}, "lung": {0.01, 0.1}, "fat": {0.03, 0.2}, "soft": {0.15, 0.4}, "bone": {0.005, 0.06}}
	for tissue, lim := range limits {
		if share := count[tissue] / float64(len(slice)*b.Size[2]); share < lim[0] || share > lim[1] {
			t.Errorf("%s: %.4f of the voxels, want %v", tissue, share, lim)
		}
	}
}
