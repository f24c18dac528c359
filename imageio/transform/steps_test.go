package transform

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// TestLabelsStayLabels: every prepare step gives a label image only values that it had, or the padding's zero.
func TestLabelsStayLabels(t *testing.T) {
	im := randomImage(rand.New(rand.NewPCG(6, 6)), 4, imageio.Label)
	had := map[float32]bool{0: true}
	for i := range im.Data {
		im.Data[i] = float32(i % 5)
		had[im.Data[i]] = true
	}
	for _, s := range everyStep() {
		if strings.Contains(s, "conform") || strings.Contains(s, "fraction") || strings.Contains(s, "above") || strings.Contains(s, `"value"`) {
			continue
		}
		out := mustApply(t, mustSteps(t, "["+s+"]"), im)
		if out.Kind != imageio.Label {
			t.Errorf("%s: kind %v", s, out.Kind)
		}
		for _, v := range out.Data {
			if !had[v] {
				t.Fatalf("%s: new value %v", s, v)
			}
		}
	}
}

// TestConformGrids: grid and range of the rules that give bytes; nibabel's is held by its reference numbers.
func TestConformGrids(t *testing.T) {
	im := randomImage(rand.New(rand.NewPCG(7, 7)), 1, imageio.Intensity)
	label := &imageio.Image{Grid: im.Grid, Channels: 1, Data: im.Data, Kind: imageio.Label}
	for rule, in := range map[ConformRule]*imageio.Image{NiiVue: label, FreeSurfer: im} {
		out := mustApply(t, Conform{Rule: rule}, in)
		if out.Grid.Size != [3]int{256, 256, 256} || out.Grid.AxisCodes() != "LIA" || out.Grid.Spacing() != [3]float64{1, 1, 1} {
			t.Errorf("%s: %v", rule, out.Grid)
		}
		middle := in.Grid.World(float64(in.Grid.Size[0])/2, float64(in.Grid.Size[1])/2, float64(in.Grid.Size[2])/2)
		for i, v := range out.Grid.World(128, 128, 128) {
			if math.Abs(v-middle[i]) > 1e-9 {
				t.Errorf("%s: voxel 128 lies %v mm off the middle along axis %d", rule, v-middle[i], i)
			}
		}
		for _, v := range out.Data {
			if v != float32(math.Round(float64(v))) || in == im && (v < 0 || v > 255) {
				t.Fatalf("%s: sample %v", rule, v)
			}
		}
	}
}

func TestConcat(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	a := randomImage(rng, 1, imageio.Intensity)
	b := &imageio.Image{Grid: a.Grid, Channels: 1, Data: slices.Clone(a.Data)}
	b.Data[0] += 50
	p := Pipeline{Scale{To: Pair{0, 2}}, ConcatChannels{}, Scale{}}
	got, err := p.ApplyAll([]*imageio.Image{a, b})
	if err != nil || got.Channels != 2 {
		t.Fatal(got, err)
	}
	if _, hi := extremes(got.Channel(0)); hi != 1 {
		t.Error("the first step did not see the images alone")
	}
	b.Grid.Affine[0][3]++
	if _, err := p.ApplyAll([]*imageio.Image{a, b}); err == nil || !strings.Contains(err.Error(), "lies elsewhere") {
		t.Errorf("images on different grids: %v", err)
	}
	if _, err := (Pipeline{}).ApplyAll(nil); err == nil {
		t.Error("no images were joined")
	}
}

// TestBadImages: what the image makes impossible is an error, never a panic.
func TestBadImages(t *testing.T) {
	good := imageio.New(imageio.Grid{Size: [3]int{4, 4, 4}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	nan := imageio.New(good.Grid, 1, imageio.Intensity)
	nan.Data[5] = float32(math.NaN())
	short := &imageio.Image{Grid: good.Grid, Channels: 1, Data: good.Data[:60]}
	for _, c := range []struct {
		name string
		t    Transform
		im   *imageio.Image
		want string
	}{
		{"nil", Orient{Axes: "RAS"}, nil, "transform: orient: no image"},
		{"short", Orient{Axes: "RAS"}, short, "64 samples"},
		{"zeros", CropForeground{}, good, "transform: crop_foreground: no sample lies above"},
		{"zeros", CropNonzero{}, good, "every sample is zero"},
		{"not a number", Percentiles{Upper: 50}, nan, "not a number"},
		{"huge", Spacing{MM: Vector{0.001, 0.001, 0.001}}, good, "want at most"},
		{"vanishing", Zoom{Factor: Factors{0.1, 1, 1}}, good, "want at least 1"},
		{"far", Pad{Size: Size{20, 4, 4}, Mode: PadReflect}, good, "mode reflect"},
		{"channel", SelectChannels{List: []int{1}}, good, "channel 1: the image has 1"},
		{"no axes", Orient{}, good, "axes: want three letters"},
		{"singular", Onto{}, good, "transform: onto: imageio: grid size"},
		{"labels", OneHot{Classes: 1}, mustApply(t, Range{From: Pair{-1, 0}}, good), "want labels 0 to 0"},
	} {
		if out, err := c.t.Apply(c.im); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", c.name, out, err, c.want)
		}
	}
	if lo, hi := extremes(mustApply(t, Scale{}, nan).Data); lo != 0 || hi != 0 {
		t.Error("a sample that is not a number counts in the range")
	}
}

// TestConstantImages follows MONAI where a range is empty.
func TestConstantImages(t *testing.T) {
	im := imageio.New(imageio.Grid{Size: [3]int{3, 3, 3}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	setAll(im.Data, 5)
	for _, c := range []struct {
		t    Transform
		want float32
	}{
		{Scale{}, 0},
		{Scale{To: Pair{2, 4}}, 10},
		{ZScore{}, 0},
		{ZScore{Nonzero: true}, 0},
		{Percentiles{Lower: 1, Upper: 99, To: Pair{3, 4}}, 3},
		{Range{From: Pair{2, 2}, To: Pair{1, 2}}, 4},
	} {
		if got := mustApply(t, c.t, im).Data[13]; got != c.want {
			t.Errorf("%T %+v: %v, want %v", c.t, c.t, got, c.want)
		}
	}
}

func TestKeep(t *testing.T) {
	g := imageio.Grid{Size: [3]int{9, 1, 1}, Affine: imageio.Identity()}
	im := &imageio.Image{Grid: g, Channels: 1, Kind: imageio.Label, Data: []float32{1, 1, 2, 0, 1, 0, 2, 2, 3}}
	for _, c := range []struct {
		k    Keep
		want []float32
	}{
		{Keep{Labels: []int{1}, Largest: 1}, []float32{1, 1, 2, 0, 0, 0, 2, 2, 3}},
		{Keep{Labels: []int{1, 2}, Largest: 1}, []float32{1, 1, 2, 0, 0, 0, 0, 0, 3}},
		{Keep{Labels: []int{1, 2}, Largest: 1, Each: true}, []float32{1, 1, 0, 0, 0, 0, 2, 2, 3}},
		{Keep{Largest: 1}, []float32{1, 1, 2, 0, 0, 0, 0, 0, 0}}, // of equal ones the first
		{Keep{Largest: 1, Each: true}, []float32{1, 1, 0, 0, 0, 0, 2, 2, 3}},
		{Keep{MinSize: 2}, []float32{1, 1, 2, 0, 0, 0, 2, 2, 3}},
		{Keep{Largest: 2, MinSize: 4}, make([]float32, 9)},
	} {
		if got := mustApply(t, c.k, im).Data; !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.k, got, c.want)
		}
	}
}

// TestComponentsConnectivity: two voxels that touch by a corner, an edge, a face.
func TestComponentsConnectivity(t *testing.T) {
	for touch, joins := range map[[3]int]int{{1, 1, 1}: 26, {1, 0, 1}: 18, {0, 1, 1}: 18, {1, 1, 0}: 18, {0, 1, 0}: 6, {0, 0, 1}: 6, {1, 0, 0}: 6, {2, 0, 0}: 99} {
		for flip := range 4 { // the second voxel before or behind along x and y
			im := imageio.New(imageio.Grid{Size: [3]int{5, 5, 5}, Affine: imageio.Identity()}, 1, imageio.Label)
			x, y := 2+touch[0]*(1-flip%2*2), 2+touch[1]*(1-flip/2*2)
			im.Data[im.Grid.Index(2, 2, 2)], im.Data[im.Grid.Index(x, y, 2+touch[2])] = 1, 1
			for _, c := range []int{6, 18, 26} {
				r, err := Components(im, c)
				if err != nil {
					t.Fatal(err)
				}
				if got := len(r.Sizes) == 1; got != (c >= joins) {
					t.Errorf("touch %v at connectivity %d: %d components", touch, c, len(r.Sizes))
				}
			}
		}
	}
	if _, err := Components(imageio.New(imageio.Grid{Size: [3]int{1, 1, 1}, Affine: imageio.Identity()}, 1, imageio.Label), 7); err == nil {
		t.Error("connectivity 7 was accepted")
	}
}

// TestConcurrentUse: one step, many goroutines.
func TestConcurrentUse(t *testing.T) {
	im := randomImage(rand.New(rand.NewPCG(9, 9)), 2, imageio.Intensity)
	p := Pipeline{Orient{Axes: "PIR"}, Spacing{MM: Vector{1, 1, 1}, Interpolation: Cubic}, ZScore{}}
	want := mustApply(t, p, im)
	done := make(chan []float32)
	for range 4 {
		go func() {
			out, err := p.Apply(im)
			if err != nil {
				done <- nil
				return
			}
			done <- out.Data
		}()
	}
	for range 4 {
		if !slices.Equal(<-done, want.Data) {
			t.Error("results differ")
		}
	}
}
