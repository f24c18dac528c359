package transform

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// randomImage has an oblique, sheared affine and random samples.
func randomImage(rng *rand.Rand, channels int, kind imageio.Kind) *imageio.Image {
	g := imageio.Grid{Affine: imageio.Identity()}
	for i := range 3 {
		g.Size[i] = 2 + rng.IntN(11)
		for j := range 3 {
			g.Affine[i][j] = 0.3 * rng.NormFloat64()
		}
		g.Affine[i][i] += 1 + rng.Float64()
		g.Affine[i][3] = 50 * rng.NormFloat64()
	}
	im := imageio.New(g, channels, kind)
	for i := range im.Data {
		im.Data[i] = float32(math.Round(100 * rng.NormFloat64()))
	}
	return im
}

func axesCodes() []string {
	var codes []string
	for _, p := range []string{"RAS", "RSA", "ARS", "ASR", "SRA", "SAR"} {
		for flips := range 8 {
			c := []byte(p)
			for i := range c {
				if flips>>i&1 == 1 {
					c[i] = map[byte]byte{'R': 'L', 'A': 'P', 'S': 'I'}[c[i]]
				}
			}
			codes = append(codes, string(c))
		}
	}
	return codes
}

func wantEqual(t *testing.T, what string, got, want *imageio.Image) {
	t.Helper()
	if got.Grid.Size != want.Grid.Size || affineDifference(got.Grid.Affine, want.Grid.Affine) > 1e-9 || got.Kind != want.Kind || !slices.Equal(got.Data, want.Data) {
		_, _, n := difference(got.Data, want.Data)
		t.Errorf("%s: grid %v, want %v; %d samples differ", what, got.Grid, want.Grid, n)
	}
}

func TestOntoOwnGridIsIdentity(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		im := randomImage(rng, 2, imageio.Intensity)
		moved := im.Grid
		moved.Affine[0][3] += 1e-6 // as after a file's float32
		for _, how := range []Interpolation{Linear, Nearest, Cubic} {
			got := mustApply(t, Onto{Grid: moved, Interpolation: how}, im)
			got.Grid = im.Grid
			wantEqual(t, string(how), got, im)
		}
	}
}

// TestThereAndBackByIndex: whole turns, crops and pads come back bit for bit, in all 48 orientations.
func TestThereAndBackByIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, axes := range axesCodes() {
		im := randomImage(rng, 1+rng.IntN(2), imageio.Kind(rng.IntN(2)))
		turned := mustApply(t, Orient{Axes: axes}, im)
		if got := turned.Grid.AxisCodes(); got != axes {
			t.Errorf("axes %s, want %s", got, axes)
		}
		wantEqual(t, axes+" and back by orient", mustApply(t, Orient{Axes: im.Grid.AxisCodes()}, turned), im)
		padded := mustApply(t, Pad{Size: Size{12, 15, 13}, Value: 7}, turned)
		wantEqual(t, axes+" padded and back", mustApply(t, Onto{Grid: im.Grid}, padded), im)
	}
}

// TestOntoAfterCrop: inside the crop the samples are the scan's, outside the background.
func TestOntoAfterCrop(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		im := randomImage(rng, 1, imageio.Intensity)
		p := Pipeline{Orient{Axes: "PIR"}, CenterCrop{Size: Size{3, 4, 2}}}
		back := mustApply(t, Onto{Grid: im.Grid, Background: -9}, mustApply(t, p, im))
		kept := 0
		for i, v := range back.Data {
			switch {
			case v == im.Data[i]:
				kept++
			case v != -9:
				t.Fatalf("sample %v is neither the scan's %v nor the background", v, im.Data[i])
			}
		}
		if want := mustApply(t, p, im).Grid.Len(); kept < want {
			t.Errorf("%d samples came back, want %d", kept, want)
		}
	}
}

// TestRoundTripGrid: orient, spacing, crop, pad and back has the scan's size and affine exactly, and a smooth
// image comes back nearly.
func TestRoundTripGrid(t *testing.T) {
	g := imageio.Grid{Size: [3]int{24, 20, 16}, Affine: imageio.Affine{{-0.9, 0.1, 0.2, 10}, {0.1, 0, 2, -20}, {0.05, -1.2, 0.1, 5}, {0, 0, 0, 1}}}
	im := imageio.New(g, 1, imageio.Intensity)
	for i := range im.Data {
		p := g.World(float64(i%24), float64(i/24%20), float64(i/480))
		im.Data[i] = float32(100 + p[0] - 2*p[1] + 0.5*p[2]) // linear, so that interpolation is exact
	}
	for _, rule := range []SpacingRule{MONAI, NNUNet, ITK} {
		p := Pipeline{Orient{Axes: "RAS"}, Spacing{MM: Vector{0.7, 0.8, 0.9}, Rule: rule}, PadMultiple{K: Each{8, 8, 8}}}
		back := mustApply(t, Onto{Grid: g}, mustApply(t, p, im))
		if back.Grid != g {
			t.Errorf("%s: grid %v, want %v", rule, back.Grid, g)
		}
		for z := 2; z < 14; z++ {
			for y := 2; y < 18; y++ {
				for x := 2; x < 22; x++ {
					if d := math.Abs(float64(back.At(x, y, z, 0) - im.At(x, y, z, 0))); d > 1e-3 {
						t.Fatalf("%s: voxel %d %d %d differs by %g", rule, x, y, z, d)
					}
				}
			}
		}
	}
}

// TestOntoHalfVoxel: the border reaches half a voxel beyond its centre.
func TestOntoHalfVoxel(t *testing.T) {
	im := imageio.New(imageio.Grid{Size: [3]int{2, 1, 1}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	im.Data[0], im.Data[1] = 10, 20
	for _, c := range []struct {
		x    float64
		want float32
	}{{-0.6, -1}, {-0.5, 10}, {-0.25, 10}, {0.25, 12.5}, {1.25, 20}, {1.5, 20}, {1.6, -1}} {
		g := imageio.Grid{Size: [3]int{1, 1, 1}, Affine: imageio.Identity()}
		g.Affine[0][3] = c.x
		if got := mustApply(t, Onto{Grid: g, Background: -1}, im).Data[0]; got != c.want {
			t.Errorf("at %v: %v, want %v", c.x, got, c.want)
		}
	}
}

// TestWaysAgree: the separable way and the pointwise way give the same numbers.
func TestWaysAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 40 {
		im := randomImage(rng, 1, imageio.Intensity)
		a := imageio.Affine{{0, 0.83, 0, -1.2}, {-1.3, 0, 0, float64(im.Grid.Size[1])}, {0, 0, 0.41, -0.7}, {0, 0, 0, 1}}
		for _, edge := range []Edge{Border, Zeros, Reflect, Mirror, strict, halfVoxel} {
			for _, how := range []Interpolation{Linear, Nearest, Cubic} {
				r := resampling{from: im.Grid.Size, to: [3]int{13, 9, 17}, m: a, how: how, edge: edge, outside: -5}
				if edge == Zeros {
					r.outside = 0
				}
				fast, slow := make([]float32, 13*9*17), make([]float32, 13*9*17)
				r.plan()(fast, im.Data)
				r.pointwise()(slow, im.Data)
				if d, scale, _ := difference(fast, slow); d > 1e-5*scale {
					t.Errorf("%s %s: the ways differ by %g of %g", edge, how, d, scale)
				}
			}
		}
	}
}

func TestOntoChannels(t *testing.T) {
	im := randomImage(rand.New(rand.NewPCG(5, 5)), 5, imageio.Intensity)
	o := Onto{Grid: mustApply(t, Spacing{MM: Vector{1, 1, 1}}, im).Grid}
	whole := mustApply(t, o, im)
	n := 0
	err := o.Channels(im, func(c int, samples []float32) error {
		if !slices.Equal(samples, whole.Channel(c)) {
			t.Errorf("channel %d differs", c)
		}
		n++
		return nil
	})
	if err != nil || n != 5 {
		t.Errorf("%d channels, %v", n, err)
	}
	stop := errors.New("stop")
	if err := o.Channels(im, func(int, []float32) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}
