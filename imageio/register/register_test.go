package register

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/internal/shared"
)

func read(t *testing.T, elem ...string) *imageio.Image {
	t.Helper()
	im, err := imageio.Read(shared.Dir(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// knownAffine returns rotations within 15 degrees, translations within 20 mm and scales within 10 %, about a point.
func knownAffine(rng *rand.Rand, center [3]float64, rigid bool) imageio.Affine {
	u := func(most float64) float64 { return (2*rng.Float64() - 1) * most }
	r := rotation([3]float64{})
	for axis := range 3 {
		var w [3]float64
		w[axis] = u(15 * math.Pi / 180)
		r = mul(rotation(w), r)
	}
	if !rigid {
		for j := range 3 {
			k := 1 + u(0.1)
			for i := range 3 {
				r[i][j] *= k
			}
		}
	}
	m := about(r, center)
	for i := range 3 {
		m[i][3] += u(20)
	}
	return m
}

// moved returns the image with its content moved by a map of the world.
func moved(t *testing.T, im *imageio.Image, m imageio.Affine) *imageio.Image {
	t.Helper()
	out, err := transform.Affine{Matrix: transform.Matrix(m)}.Apply(im)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// targetErrors returns how far, in mm, the found map takes points of the content from where the true one does: mean and largest.
func targetErrors(b body, found Map, truth imageio.Affine) (mean, largest float64) {
	n := 0.0
	f := found.Affine()
	lo, _ := limits(b.level.Data)
	limit := lo + (threshold(b.level.Data)-lo)/2
	each(b.level.Grid.Size, func(i int, v [3]float64) {
		if b.level.Data[i] <= limit {
			return
		}
		w := b.level.Grid.Affine.Apply(v)
		p, q := f.Apply(w), truth.Apply(w)
		d := math.Sqrt((p[0]-q[0])*(p[0]-q[0]) + (p[1]-q[1])*(p[1]-q[1]) + (p[2]-q[2])*(p[2]-q[2]))
		mean += d
		n++
		largest = max(largest, d)
	})
	return mean / n, largest
}

// scans are the images that known maps move.
func scans() map[string][]string {
	return map[string][]string{
		"fs_norm": {"real", "data", "brain", "fs_norm.mgz"},
		"MNI":     {"imaging", "nifti", "mni152_t1_1mm_u8.nii.gz"},
	}
}

// TestKnownAffines moves real scans by known maps and finds them again: in the ordinary tests one, otherwise
// NITRAIN_ACCEPTANCE=1 asks for 50 of each scan. The target error is that of the content's worst point.
func TestKnownAffines(t *testing.T) {
	n, names := 1, []string{"MNI"}
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		n, names = 50, []string{"fs_norm", "MNI"}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			im := read(t, scans()[name]...)
			p, err := newPyramid(im)
			if err != nil {
				t.Fatal(err)
			}
			b := p.content()
			rng := rand.New(rand.NewPCG(1, 2))
			var errs []float64
			good := 0
			for range n {
				truth := knownAffine(rng, b.center, false)
				res, err := Register(t.Context(), im, moved(t, im, truth), Options{})
				if err != nil {
					t.Fatal(err)
				}
				mean, largest := targetErrors(b, res.Map, truth)
				t.Logf("error %.3f mm, largest %.3f; information %.3f, %d evaluations", mean, largest, res.Information, res.Evaluations)
				errs = append(errs, largest)
				if largest <= p.finest {
					good++
				}
			}
			slices.Sort(errs)
			t.Logf("largest error: median %.3f mm, 95 %% %.3f, worst %.3f", errs[n/2], errs[(n*95+99)/100-1], errs[n-1])
			if good*100 < 95*n {
				t.Errorf("%d of %d within a voxel", good, n)
			}
		})
	}
}

// blobs is a made-up head: an ellipsoid of a few tissues, asymmetric, at 3 mm, with seeded noise.
func blobs(inverted bool) *imageio.Image {
	a := imageio.Affine{{-3, 0, 0, 90}, {0, 3, 0, -110}, {0, 0, 3, -80}, {0, 0, 0, 1}}
	im := imageio.New(imageio.Grid{Size: [3]int{60, 72, 58}, Affine: a}, 1, imageio.Intensity)
	rng := rand.New(rand.NewPCG(9, 9))
	balls := []struct {
		at     [3]float64
		r      [3]float64
		change float64
	}{
		{[3]float64{0, 0, 0}, [3]float64{62, 78, 55}, 100},
		{[3]float64{20, 30, 10}, [3]float64{20, 25, 18}, 60},
		{[3]float64{-25, -20, 5}, [3]float64{14, 30, 20}, -50},
		{[3]float64{5, -50, -25}, [3]float64{25, 15, 15}, 40},
		{[3]float64{-20, 35, 25}, [3]float64{9, 9, 9}, 80},
	}
	each(im.Grid.Size, func(i int, v [3]float64) {
		w := a.Apply(v)
		value := 0.0
		for _, b := range balls {
			d := 0.0
			for k := range 3 {
				d += (w[k] - b.at[k]) * (w[k] - b.at[k]) / (b.r[k] * b.r[k])
			}
			if d < 1 {
				value += b.change
			}
		}
		if inverted && value != 0 {
			value = 250 - value
		}
		im.Data[i] = float32(value + 5*rng.NormFloat64())
	})
	return im
}

// TestRegister finds each kind of map between made-up images, of equal and of inverted contrast, and is a function of its
// arguments: the same bits whatever the number of processors.
func TestRegister(t *testing.T) {
	im := blobs(false)
	p, err := newPyramid(im)
	if err != nil {
		t.Fatal(err)
	}
	b := p.content()
	rng := rand.New(rand.NewPCG(11, 12))
	for _, kind := range []Kind{Rigid, Full} {
		for _, inverted := range []bool{false, true} {
			truth := knownAffine(rng, b.center, kind == Rigid)
			mov := moved(t, blobs(inverted), truth)
			res, err := Register(t.Context(), im, mov, Options{Kind: kind})
			if err != nil {
				t.Fatal(err)
			}
			mean, largest := targetErrors(b, res.Map, truth)
			t.Logf("%s, inverted %v: error %.3f mm, largest %.3f", kind, inverted, mean, largest)
			if largest > 1.5 {
				t.Errorf("%s, inverted %v: %.3f mm off, want at most half a voxel", kind, inverted, largest)
			}
			if kind == Full {
				continue
			}
			before := runtime.GOMAXPROCS(1)
			again, err := Register(t.Context(), im, mov, Options{Kind: kind})
			runtime.GOMAXPROCS(before)
			if err != nil || again.Map != res.Map || again.Information != res.Information {
				t.Errorf("%s: another result with one processor", kind)
			}
		}
	}
}

// TestStartAndMask: a start keeps what its kind allows; a mask limits what is compared.
func TestStartAndMask(t *testing.T) {
	im := blobs(false)
	p, err := newPyramid(im)
	if err != nil {
		t.Fatal(err)
	}
	b := p.content()
	truth := knownAffine(rand.New(rand.NewPCG(13, 14)), b.center, true)
	mov := moved(t, im, truth)
	scaled, err := NewMap(truth.Mul(about([3][3]float64{{1.05}, {0, 1.05}, {0, 0, 1.05}}, b.center)))
	if err != nil {
		t.Fatal(err)
	}
	mask := imageio.New(im.Grid, 1, imageio.Label)
	for i, v := range im.Data {
		if v > 50 {
			mask.Data[i] = 1
		}
	}
	res, err := Register(t.Context(), im, mov, Options{Kind: Rigid, Start: &scaled, FixedMask: mask})
	if err != nil {
		t.Fatal(err)
	}
	if _, largest := targetErrors(b, res.Map, truth); largest > 1.5 {
		t.Errorf("%.3f mm off", largest)
	}
	if d := res.Map.Affine().Det(); math.Abs(d-1) > 1e-9 {
		t.Errorf("a rigid map with determinant %v", d)
	}
}

// TestDerivatives holds the derivative of the mutual information against differences, for every kind of map.
func TestDerivatives(t *testing.T) {
	im := blobs(false)
	for _, kind := range []Kind{Rigid, Similarity, Full} {
		s, err := newSearch(t.Context(), im, blobs(true), Options{Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.measure(stage{kind, 6, 20000})
		if err != nil {
			t.Fatal(err)
		}
		mod := newModel(kind, knownAffine(rand.New(rand.NewPCG(15, 16)), s.body.center, false), s.body)
		p, g, dummy := make([]float64, mod.size()), make([]float64, mod.size()), make([]float64, mod.size())
		if _, err := s.evaluate(m, mod, p, g); err != nil {
			t.Fatal(err)
		}
		for k := range p {
			const h = 0.02
			p[k] = h
			hi, errHi := s.evaluate(m, mod, p, dummy)
			p[k] = -h
			lo, errLo := s.evaluate(m, mod, p, dummy)
			p[k] = 0
			if err := errors.Join(errHi, errLo); err != nil {
				t.Fatal(err)
			}
			if d := (hi - lo) / (2 * h); math.Abs(d-g[k]) > 0.03*norm(g) {
				t.Errorf("%s, parameter %d: derivative %.6g, by differences %.6g", kind, k, g[k], d)
			}
		}
	}
}

func TestBadRegistrations(t *testing.T) {
	im := blobs(false)
	flat := imageio.New(im.Grid, 1, imageio.Intensity)
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		ctx           context.Context
		fixed, moving *imageio.Image
		o             Options
		want          string
	}{
		{t.Context(), nil, im, Options{}, "no fixed image"},
		{t.Context(), im, flat, Options{}, "moving image: every sample is the same"},
		{t.Context(), im, im, Options{Kind: "elastic"}, `kind: want rigid, similarity or affine, got "elastic"`},
		{t.Context(), im, im, Options{FixedMask: flat}, "mask: too few points"},
		{t.Context(), im, im, Options{Samples: -1}, "samples: want"},
		{ended, im, im, Options{}, "canceled"},
	} {
		if _, err := Register(c.ctx, c.fixed, c.moving, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// TestResampled: the moved image lies on the fixed one, and labels stay labels.
func TestResampled(t *testing.T) {
	im := blobs(false)
	truth := knownAffine(rand.New(rand.NewPCG(17, 18)), [3]float64{}, true)
	m, err := NewMap(truth)
	if err != nil {
		t.Fatal(err)
	}
	mov := moved(t, im, truth)
	back, err := m.Resampled(mov, im.Grid, transform.Linear, 0)
	if err != nil || back.Grid != im.Grid {
		t.Fatal(back, err)
	}
	i := im.Grid.Index(30, 36, 29)
	if math.Abs(float64(back.Data[i]-im.Data[i])) > 30 {
		t.Errorf("the middle has %v, want about %v", back.Data[i], im.Data[i])
	}
	label := &imageio.Image{Grid: mov.Grid, Channels: 1, Data: make([]float32, len(mov.Data)), Kind: imageio.Label}
	for i, v := range mov.Data {
		if v > 120 {
			label.Data[i] = 3
		}
	}
	out, err := m.Resampled(label, im.Grid, transform.Linear, 0)
	if err != nil || out.Kind != imageio.Label {
		t.Fatal(err)
	}
	for _, v := range out.Data {
		if v != 0 && v != 3 {
			t.Fatalf("label %v", v)
		}
	}
}
