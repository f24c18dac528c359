package metric_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/metric"
)

// value reads the reference's numbers: null is NaN, "inf" infinity.
type value float64

func (v *value) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "null":
		*v = value(math.NaN())
		return nil
	case `"inf"`:
		*v = value(math.Inf(1))
		return nil
	}
	return json.Unmarshal(data, (*float64)(v))
}

func labelImage(size [3]int, spacing [3]float64, data []float32) *imageio.Image {
	g := imageio.Grid{Size: size, Affine: imageio.Identity()}
	for a := range 3 {
		g.Affine[a][a] = spacing[a]
	}
	return &imageio.Image{Grid: g, Channels: 1, Data: data, Kind: imageio.Label}
}

// MONAI computes in float32: 1e-6 relative.
func TestMONAI(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/ref/metric.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Cases []struct {
			Size              [3]int
			Spacing           [3]float64
			Prediction, Truth []float32
			Scores            []struct {
				Label                                         int
				Dice, IoU, HD95, ASSD, Precision, Sensitivity value
			}
		}
	}
	if err := json.Unmarshal(raw, &ref); err != nil {
		t.Fatal(err)
	}
	for i, c := range ref.Cases {
		scores, err := metric.Compare(labelImage(c.Size, c.Spacing, c.Prediction), labelImage(c.Size, c.Spacing, c.Truth), []int{1, 2, 3}, true)
		if err != nil {
			t.Fatal(err)
		}
		for j, want := range c.Scores {
			got := scores[j]
			check := func(name string, got metric.Number, reference value) {
				t.Helper()
				g, w := float64(got), float64(reference)
				if g == w || math.IsNaN(g) && math.IsNaN(w) || math.Abs(g-w) <= 1e-6*max(1, w) {
					return
				}
				t.Errorf("case %d label %d: %s is %g, want %g", i, want.Label, name, g, w)
			}
			check("precision", got.Precision, want.Precision)
			check("sensitivity", got.Sensitivity, want.Sensitivity)
			check("assd", got.ASSD, want.ASSD)
			if got.Missed() {
				// MONAI ignores an empty truth, and its quantile of infinities is NaN: here both count as missed.
				check("dice", got.Dice, 0)
				check("iou", got.IoU, 0)
				check("hd95", got.HD95, value(math.Inf(1)))
				continue
			}
			check("dice", got.Dice, want.Dice)
			check("iou", got.IoU, want.IoU)
			check("hd95", got.HD95, want.HD95)
		}
	}
}

// Distances equal those of a search through all pairs.
func TestSurfaceBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 40 {
		size := [3]int{2 + rng.IntN(7), 2 + rng.IntN(6), 2 + rng.IntN(5)}
		spacing := [3]float64{0.3 + rng.Float64(), 0.3 + rng.Float64(), 0.3 + 3*rng.Float64()}
		n := size[0] * size[1] * size[2]
		a, b := make([]float32, n), make([]float32, n)
		for i := range n {
			a[i], b[i] = float32(rng.IntN(2)), float32(rng.IntN(2))
		}
		p, q := labelImage(size, spacing, a), labelImage(size, spacing, b)
		s, err := metric.NewSurface(p, q, 1)
		if err != nil {
			t.Fatal(err)
		}
		if want := slowest(p, q); math.Abs(s.ToTruth[len(s.ToTruth)-1]-want) > 1e-12 {
			t.Fatalf("size %v spacing %v: largest distance %g, want %g", size, spacing, s.ToTruth[len(s.ToTruth)-1], want)
		}
	}
}

// slowest is the largest of the distances from a's surface to b's.
func slowest(a, b *imageio.Image) float64 {
	from, to := edge(a), edge(b)
	worst := 0.0
	for _, p := range from {
		best := math.Inf(1)
		for _, q := range to {
			best = min(best, math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2]))
		}
		worst = max(worst, best)
	}
	return worst
}

func edge(im *imageio.Image) [][3]float64 {
	var out [][3]float64
	s := im.Grid.Size
	on := func(x, y, z int) bool {
		return x >= 0 && y >= 0 && z >= 0 && x < s[0] && y < s[1] && z < s[2] && im.At(x, y, z, 0) == 1
	}
	for z := range s[2] {
		for y := range s[1] {
			for x := range s[0] {
				if on(x, y, z) && (!on(x-1, y, z) || !on(x+1, y, z) || !on(x, y-1, z) || !on(x, y+1, z) || !on(x, y, z-1) || !on(x, y, z+1)) {
					out = append(out, im.Grid.World(float64(x), float64(y), float64(z)))
				}
			}
		}
	}
	return out
}

func TestEmptyMasks(t *testing.T) {
	size, spacing := [3]int{3, 3, 3}, [3]float64{1, 1, 2}
	empty, one := make([]float32, 27), make([]float32, 27)
	one[13] = 1
	both, err := metric.Compare(labelImage(size, spacing, empty), labelImage(size, spacing, empty), []int{1}, true)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(both[0])
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"label":1,"dice":null,"iou":null,"precision":null,"sensitivity":null,"hd95_mm":null,"assd_mm":null,"ml":0,"truth_ml":0,"volume_error":null}`
	if string(raw) != want {
		t.Errorf("both empty: %s\nwant %s", raw, want)
	}
	missed, err := metric.Compare(labelImage(size, spacing, empty), labelImage(size, spacing, one), []int{1}, true)
	if err != nil {
		t.Fatal(err)
	}
	if m := missed[0]; m.Dice != 0 || !math.IsInf(float64(m.HD95), 1) || m.VolumeError != -1 || m.TruthML != 0.002 || !m.Missed() {
		t.Errorf("missed: %+v", m)
	}
}

func TestDifferentGrids(t *testing.T) {
	a := labelImage([3]int{2, 2, 2}, [3]float64{1, 1, 1}, make([]float32, 8))
	for _, b := range []*imageio.Image{
		labelImage([3]int{2, 2, 1}, [3]float64{1, 1, 1}, make([]float32, 4)),
		labelImage([3]int{2, 2, 2}, [3]float64{1, 2, 1}, make([]float32, 8)),
		{Grid: a.Grid, Channels: 2, Data: make([]float32, 16)},
		{Grid: a.Grid, Channels: 1},
	} {
		if _, err := metric.Compare(a, b, []int{1}, false); err == nil {
			t.Errorf("%v: no error", b.Grid)
		}
	}
}

func ExampleCompare() {
	size, spacing := [3]int{4, 1, 1}, [3]float64{2, 1, 1}
	scores, err := metric.Compare(labelImage(size, spacing, []float32{0, 1, 1, 0}), labelImage(size, spacing, []float32{0, 0, 1, 1}), []int{1}, true)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("dice %.2f, HD95 %.1f mm\n", scores[0].Dice, scores[0].HD95)
	// Output: dice 0.50, HD95 1.9 mm
}

func BenchmarkCompare(b *testing.B) {
	size := [3]int{128, 128, 128}
	p, q := ball(size, 40), ball(size, 42)
	for b.Loop() {
		if _, err := metric.Compare(p, q, []int{1}, true); err != nil {
			b.Fatal(err)
		}
	}
}

func ball(size [3]int, radius int) *imageio.Image {
	im := labelImage(size, [3]float64{1, 1, 1}, make([]float32, size[0]*size[1]*size[2]))
	for z := range size[2] {
		for y := range size[1] {
			for x := range size[0] {
				dx, dy, dz := x-size[0]/2, y-size[1]/2, z-size[2]/2
				if dx*dx+dy*dy+dz*dz < radius*radius {
					im.Data[im.Grid.Index(x, y, z)] = 1
				}
			}
		}
	}
	return im
}
