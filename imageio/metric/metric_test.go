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

// reference is testdata/ref/metric.json.
type reference struct {
	Tolerances []float64
	Cases      []struct {
		Size              [3]int
		Spacing           [3]float64
		Prediction, Truth []float32
		Scores            []referenceScore
	}
}

type referenceScore struct {
	Label                                         int
	Dice, IoU, HD95, HD, ASSD, ASD                value
	Precision, Sensitivity, Specificity, Accuracy value
	DiceOne                                       value   `json:"dice_one"`
	IoUOne                                        value   `json:"iou_one"`
	Directed                                      value   `json:"hd95_directed"`
	Surface                                       []value `json:"surface_dice"`
	NSD                                           []value
	Counts                                        [4]int // true and false positive, true and false negative
}

// MONAI computes in float32: 1e-6 relative.
func TestMONAI(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/ref/metric.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref reference
	if err := json.Unmarshal(raw, &ref); err != nil {
		t.Fatal(err)
	}
	worst := map[string]float64{}
	for _, c := range ref.Cases {
		p, q := labelImage(c.Size, c.Spacing, c.Prediction), labelImage(c.Size, c.Spacing, c.Truth)
		for k, tolerance := range ref.Tolerances {
			compare := metric.Comparison{Regions: metric.RegionsOf([]int{1, 2, 3}), Surfaces: true, Tolerance: []float64{tolerance, tolerance, tolerance}}
			scores, err := compare.Scores(p, q)
			if err != nil {
				t.Fatal(err)
			}
			compare.Empty, compare.Surfaces = metric.EmptyOne, false
			ones, err := compare.Scores(p, q)
			if err != nil {
				t.Fatal(err)
			}
			compare.Empty = metric.EmptyIgnore
			ignored, err := compare.Scores(p, q)
			if err != nil {
				t.Fatal(err)
			}
			for j, want := range c.Scores {
				got := scores[j]
				check := func(name string, got metric.Number, reference value) {
					t.Helper()
					d := differs(float64(got), float64(reference))
					worst[name] = max(worst[name], d)
					if d > 1e-6 {
						t.Errorf("size %v label %d: %s is %g, want %g", c.Size, want.Label, name, got, reference)
					}
				}
				surface, err := metric.NewSurface(p, q, want.Label)
				if err != nil {
					t.Fatal(err)
				}
				check("dice", ignored[j].Dice, want.Dice)
				check("iou", ignored[j].IoU, want.IoU)
				check("dice, ignore_empty=False", ones[j].Dice, want.DiceOne)
				check("iou, ignore_empty=False", ones[j].IoU, want.IoUOne)
				check("precision", got.Precision, want.Precision)
				check("sensitivity", got.Sensitivity, want.Sensitivity)
				check("specificity", got.Specificity, want.Specificity)
				check("accuracy", metric.Number(got.Accuracy()), want.Accuracy)
				check("hd", got.HD, want.HD)
				check("assd", got.ASSD, want.ASSD)
				check("asd", got.ASD, want.ASD)
				check("surface dice", got.SurfaceDice, want.Surface[k])
				check("surface dice with use_subvoxels", got.NSD, want.NSD[k])
				if counts := [4]int{got.TruePositive, got.FalsePositive, got.TrueNegative, got.FalseNegative}; counts != want.Counts {
					t.Errorf("size %v label %d: counts %v, want %v", c.Size, want.Label, counts, want.Counts)
				}
				if got.Missed() { // MONAI's quantile of infinities is NaN: here the distance is infinite, as without a percentile
					want.HD95, want.Directed = value(math.Inf(1)), value(math.Inf(1))
				}
				check("hd95", got.HD95, want.HD95)
				check("hd95, directed", metric.Number(surface.Directed(95)), want.Directed)
			}
		}
	}
	t.Logf("largest differences to MONAI: %v", worst)
}

// differs is how far two numbers are apart, as a part of the larger one where it is above 1; infinite where
// only one of them is a number.
func differs(a, b float64) float64 {
	if a == b || math.IsNaN(a) && math.IsNaN(b) {
		return 0
	}
	if d := math.Abs(a-b) / max(1, math.Abs(b)); !math.IsNaN(d) {
		return d
	}
	return math.Inf(1)
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

// Points that lie farther apart than the rows that are searched first.
func TestSurfaceFar(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	for range 12 {
		size := [3]int{1 + rng.IntN(60), 1 + rng.IntN(60), 1 + rng.IntN(60)}
		spacing := [3]float64{0.2 + rng.Float64(), 0.2 + 2*rng.Float64(), 0.3 + 3*rng.Float64()}
		n := size[0] * size[1] * size[2]
		a, b := make([]float32, n), make([]float32, n)
		for range 1 + rng.IntN(9) {
			a[rng.IntN(n)], b[rng.IntN(n)] = 1, 1
		}
		p, q := labelImage(size, spacing, a), labelImage(size, spacing, b)
		s, err := metric.NewSurface(p, q, 1)
		if err != nil {
			t.Fatal(err)
		}
		if want := slowest(p, q); math.Abs(s.ToTruth[len(s.ToTruth)-1]-want) > 1e-9 {
			t.Fatalf("size %v spacing %v: largest distance %g, want %g", size, spacing, s.ToTruth[len(s.ToTruth)-1], want)
		}
	}
}

// A region is one mask: its inner borders are none. What is ignored belongs to nothing.
func TestRegionsAndIgnored(t *testing.T) {
	size, spacing := [3]int{5, 4, 3}, [3]float64{1, 1, 2}
	rng := rand.New(rand.NewPCG(4, 4))
	p, q := make([]float32, 60), make([]float32, 60)
	merged, other := make([]float32, 60), make([]float32, 60)
	for i := range p {
		p[i], q[i] = float32(rng.IntN(5)), float32(rng.IntN(5))
		if q[i] == 4 {
			continue
		}
		for of, to := range map[*float32]*float32{&p[i]: &merged[i], &q[i]: &other[i]} {
			if *of == 1 || *of == 3 {
				*to = 1
			}
		}
	}
	ignore := 4
	c := metric.Comparison{Regions: []metric.Region{{Label: 1, Values: []int{1, 3}}}, Surfaces: true, Tolerance: []float64{1}, Ignore: &ignore}
	got, err := c.Scores(labelImage(size, spacing, p), labelImage(size, spacing, q))
	if err != nil {
		t.Fatal(err)
	}
	c = metric.Comparison{Regions: metric.RegionsOf([]int{1}), Surfaces: true, Tolerance: []float64{1}}
	want, err := c.Scores(labelImage(size, spacing, merged), labelImage(size, spacing, other))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range q {
		if v == 4 {
			want[0].TrueNegative--
		}
	}
	want[0].Specificity = got[0].Specificity // of fewer voxels
	if got[0] != want[0] {
		t.Errorf("got %+v\nwant %+v", got[0], want[0])
	}
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
	const want = `{"label":1,"dice":null,"iou":null,"precision":null,"sensitivity":null,"specificity":1,"hd_mm":null,"hd95_mm":null,` +
		`"assd_mm":null,"asd_mm":null,"surface_dice":null,"nsd":null,"ml":0,"truth_ml":0,"volume_error":null,` +
		`"tp":0,"fp":0,"fn":0,"tn":27,"n_pred":0,"n_ref":0}`
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
