package predict_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
)

const demoModel = "../testdata/models/unet3d_a.onnx"

// demoSpec returns the Spec of demoModel with windows that are tried fast.
func demoSpec(t *testing.T) *predict.Spec {
	t.Helper()
	raw, err := os.ReadFile("../testdata/models/unet3d_a.json")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := predict.ParseSpec(raw)
	if err != nil {
		t.Fatal(err)
	}
	spec.Prepare = nil
	spec.Tile = &predict.Tile{Size: [3]int{48, 48, 48}, Overlap: predict.Overlap{0.25, 0.25, 0.25}, Batch: 2}
	return &spec
}

// ownHome makes a home with the machine's libraries and nothing remembered.
func ownHome(t *testing.T) {
	t.Helper()
	if _, _, err := ort.Library(""); err != nil {
		t.Skip("onnxruntime cannot run: ", err)
	}
	home, err := native.Home()
	if err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	if err := os.Symlink(filepath.Join(home, "lib"), filepath.Join(own, "lib")); err != nil {
		t.Skip("the libraries cannot be shown in another home: ", err)
	}
	t.Setenv("NITRAIN_HOME", own)
}

func noise(t *testing.T, size [3]int) *imageio.Image {
	t.Helper()
	grid := imageio.Grid{Size: size, Affine: imageio.Identity()}
	im := &imageio.Image{Grid: grid, Channels: 1, Data: make([]float32, grid.Len())}
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range im.Data {
		im.Data[i] = float32(rng.NormFloat64())
	}
	return im
}

func open(t *testing.T, o predict.Options) *predict.Predictor {
	t.Helper()
	p, err := predict.Open(demoModel, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestAutoTriesOnceAndRemembers(t *testing.T) {
	ownHome(t)
	o := predict.Options{Spec: demoSpec(t), Provider: predict.Auto, Options: ort.Options{Threads: 1, Untrusted: true}}
	first := open(t, o).Provider()
	if first.Remembered || !slices.Contains([]string{predict.CPU, predict.Engine, predict.OpenVINO}, first.Name) || first.SecondsPerTile <= 0 || first.Peak <= 0 {
		t.Errorf("want a provider that was tried, got %+v", first)
	}
	if tried := len(first.Refused) + 1; tried < 2 {
		t.Errorf("want every other to be refused with a reason, got %+v", first.Refused)
	}
	for _, r := range first.Refused {
		if r.Name == predict.Engine && !(r.Why[:8] == "it takes") {
			t.Errorf("the engine computes this model right, got %q", r.Why)
		}
	}
	second := open(t, o).Provider()
	if !second.Remembered || second.Name != first.Name || second.SecondsPerTile != first.SecondsPerTile {
		t.Errorf("want the same choice remembered, got %+v", second)
	}
	o.Threads = 2
	if third := open(t, o).Provider(); third.Remembered {
		t.Errorf("want other threads to be tried anew, got %+v", third)
	}
}

// Tolerances: what rounding does to a network of 9 convolutions, and its labels where they are no tie.
func TestEnginePredictsAsThePlainProvider(t *testing.T) {
	ownHome(t)
	im := noise(t, [3]int{56, 50, 48})
	var got [2]*predict.Prediction
	for i, name := range []string{predict.CPU, predict.Engine} {
		p := open(t, predict.Options{Spec: demoSpec(t), Provider: name})
		if c := p.Provider(); c.Name != name || c.Why != "asked for" {
			t.Errorf("want %s because it was asked for, got %v", name, c)
		}
		var err error
		if got[i], err = p.PredictWith(context.Background(), im, predict.Request{Probabilities: true}); err != nil {
			t.Fatal(err)
		}
	}
	plain, engine := got[0], got[1]
	for i, v := range plain.Probabilities.Data {
		if d := engine.Probabilities.Data[i] - v; d > 1e-5 || d < -1e-5 {
			t.Fatalf("probability %d: want %g, got %g", i, v, engine.Probabilities.Data[i])
		}
	}
	differ := 0
	for i, v := range plain.Labels.Data {
		if engine.Labels.Data[i] != v {
			differ++
		}
	}
	if differ > len(plain.Labels.Data)/10_000 {
		t.Errorf("%d of %d labels differ", differ, len(plain.Labels.Data))
	}
}

func TestProvidersAreNamed(t *testing.T) {
	for _, name := range []string{"", "auto", "cpu", "openvino", "cuda", "cuda:1", "engine"} {
		if err := predict.CheckProvider(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"gpu", "cuda:x", "openvino:1", "engine "} {
		if err := predict.CheckProvider(name); err == nil {
			t.Errorf("%q: want an error", name)
		}
		if _, err := predict.Open(demoModel, predict.Options{Provider: name}); err == nil {
			t.Errorf("%q: want an error", name)
		}
	}
}

func TestOpenVINOIsMissed(t *testing.T) {
	t.Setenv("NITRAIN_HOME", t.TempDir())
	_, err := predict.Open(demoModel, predict.Options{Spec: demoSpec(t), Provider: predict.OpenVINO})
	var h interface{ Hint() string }
	if !errors.As(err, &h) || h.Hint() == "" {
		t.Fatalf("want an error with a hint, got %v", err)
	}
}
