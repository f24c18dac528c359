package transform

import (
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// noisy returns a 256^3 image of the given spacing.
func noisy(mm [3]float64, n int) *imageio.Image {
	a := imageio.Identity()
	for i := range 3 {
		a[i][i] = mm[i]
	}
	im := imageio.New(imageio.Grid{Size: [3]int{n, n, n}, Affine: a}, 1, imageio.Intensity)
	state := uint32(1)
	for i := range im.Data {
		state = state*1664525 + 1013904223
		im.Data[i] = float32(state>>16) / 64
	}
	return im
}

func BenchmarkSteps(b *testing.B) {
	im := noisy([3]float64{0.9, 0.95, 0.9}, 256)
	turned := im.Grid
	turned.Affine = imageio.Affine{{0.9, 0.1, 0, 0}, {-0.1, 0.9, 0.05, 0}, {0, -0.05, 0.9, 0}, {0, 0, 0, 1}}
	mask := mustApply(b, Threshold{Above: new(500.0)}, mustApply(b, Smooth{Voxels: Factors{2, 2, 2}}, im))
	for _, c := range []struct {
		name string
		t    Transform
		im   *imageio.Image
	}{
		{"orient PIR", Orient{Axes: "PIR"}, im},
		{"orient LAS", Orient{Axes: "LAS"}, im},
		{"linear to 1 mm", Spacing{MM: Vector{1, 1, 1}}, im},
		{"nearest to 1 mm", Spacing{MM: Vector{1, 1, 1}, Interpolation: Nearest}, im},
		{"cubic to 1 mm", Spacing{MM: Vector{1, 1, 1}, Interpolation: Cubic}, im},
		{"linear onto a rotated grid", Onto{Grid: turned}, im},
		{"zscore", ZScore{}, im},
		{"percentiles", Percentiles{Lower: 1, Upper: 99}, im},
		{"smooth", Smooth{Voxels: Factors{1, 1, 1}}, im},
		{"largest component", Keep{Largest: 1}, mask},
		{"dilate", Dilate{Radius: 3}, mask},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.im.Data) * 4))
			for b.Loop() {
				mustApply(b, c.t, c.im)
			}
		})
	}
}
