package transform

import (
	"math/rand/v2"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// TestLazyAgainstMONAI compares steps that become one interpolation with MONAI's Compose(lazy=True).
func TestLazyAgainstMONAI(t *testing.T) { compareReference(t, "lazy.jsonl") }

// TestGridSteps: the grid that a step says it will make is the one that it makes.
func TestGridSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for _, s := range append(everyStep(), extraSteps()...) {
		p := mustSteps(t, "["+s+"]")
		g, ok := p[0].(gridStep)
		if !ok {
			continue
		}
		if size, ok := p[0].(Resize); ok && size.Size[0] > 100 {
			continue // large, and no different
		}
		for range 4 {
			im := randomImage(rng, 1, imageio.Intensity)
			out, err := p[0].Apply(im)
			if err != nil {
				continue // reflected padding wider than the image
			}
			got := g.grid(im.Grid)
			if got.Size != out.Grid.Size || affineDifference(got.Affine, out.Grid.Affine) > 1e-9 {
				t.Errorf("%s: %v, made %v", s, got, out.Grid)
			}
		}
	}
}

// TestLazyByIndex: turns, crops and pads alone are bit for bit what the steps do one after the other.
func TestLazyByIndex(t *testing.T) {
	im := randomImage(rand.New(rand.NewPCG(23, 24)), 2, imageio.Intensity)
	steps := Pipeline{Orient{Axes: "PIR"}, Pad{Size: Size{9, 19, 9}}, CenterCrop{Size: Size{15, 4, 6}}, Orient{Axes: "LSA"}}
	want := mustApply(t, steps, im)
	got := mustApply(t, Lazy{Steps: Steps(steps)}, im)
	compare(t, got, want, 0)
	for i, v := range got.Data {
		if v != want.Data[i] {
			t.Fatalf("sample %d: %v, one by one %v", i, v, want.Data[i])
		}
	}
}
