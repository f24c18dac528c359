package patch_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
)

// TestAddBack holds the transpose to its definition: <Extract(a), w> = <a, AddBack(w)> for every edge.
func TestAddBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	draw := func(im *imageio.Image) *imageio.Image {
		for i := range im.Data {
			im.Data[i] = float32(rng.NormFloat64())
		}
		return im
	}
	dot := func(a, b *imageio.Image) (sum float64) {
		for i, v := range a.Data {
			sum += float64(v) * float64(b.Data[i])
		}
		return sum
	}
	grid := imageio.Grid{Size: [3]int{5, 4, 3}, Affine: imageio.Identity()}
	for _, edge := range []patch.Edge{patch.Constant, patch.Replicate, patch.Reflect, patch.Circular} {
		for _, b := range []patch.Box{{Start: [3]int{1, 0, 1}, Size: [3]int{3, 4, 2}}, {Start: [3]int{-2, 2, -1}, Size: [3]int{8, 4, 6}}} {
			a := draw(imageio.New(grid, 2, imageio.Intensity))
			cut, err := patch.Extract(a, b, edge, 0)
			if err != nil {
				t.Fatal(err)
			}
			w := draw(imageio.New(cut.Grid, 2, imageio.Intensity))
			back := imageio.New(grid, 2, imageio.Intensity)
			if err := patch.AddBack(back, b, edge, w); err != nil {
				t.Fatal(err)
			}
			if x, y := dot(cut, w), dot(a, back); math.Abs(x-y) > 1e-4 {
				t.Errorf("%s %v: %g and %g", edge, b, x, y)
			}
		}
	}
}
