package predict_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/predict"
)

// exampleSpec reads one of the Specs that docs/examples shows.
func exampleSpec(t testing.TB, name string) predict.Spec {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../docs/examples/specs", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := predict.ParseSpec(raw)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return spec
}

// openReal opens one of the community models with its example Spec.
func openReal(t testing.TB, model string) *predict.Predictor {
	t.Helper()
	path := shared.Dir(t, "real/models", model+".onnx")
	if _, err := native.Library("onnxruntime"); err != nil {
		t.Skip("onnxruntime is not set up: ", err)
	}
	spec := exampleSpec(t, model)
	p, err := predict.Open(path, predict.Options{Spec: &spec})
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

func readImage(t testing.TB, read func(string) (*imageio.Image, error), elem ...string) *imageio.Image {
	t.Helper()
	im, err := read(shared.Dir(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// scans are the inputs of ../shared/real/expected; the first is the small sample.
func scans() map[string][]string {
	return map[string][]string{
		"fs":     {"real/data/brain/fs_norm.mgz"},
		"mni152": {"imaging/nifti/mni152_t1_1mm_u8.nii.gz"},
		"stroke": {"imaging/nifti/stroke_T1_u8.nii.gz"},
	}
}

// The label maps of ../shared/real were made with numpy and onnxruntime; the limits are a Dice of
// 0.999 for each label and volumes within 0.5 %.
func TestBrainchop(t *testing.T) {
	long := os.Getenv("NITRAIN_ACCEPTANCE") != ""
	for _, model := range []string{"tissue_light", "subcortical", "tissue_high", "subcortical_light", "mindgrab"} {
		for _, scan := range []string{"fs", "mni152", "stroke"} {
			t.Run(model+"/"+scan, func(t *testing.T) {
				if !long && (model != "tissue_light" || scan != "fs") {
					t.Skip("takes up to a minute: set NITRAIN_ACCEPTANCE=1")
				}
				brainchop(t, model, scan)
			})
		}
	}
}

func brainchop(t *testing.T, model, scan string) {
	truth := readImage(t, imageio.ReadLabel, "real/expected", scan+"_"+model+".nii.gz")
	p := openReal(t, "brainchop_"+model)
	im := readImage(t, imageio.Read, scans()[scan]...)
	start := time.Now()
	prepared, err := p.Prepare(im)
	if err != nil {
		t.Fatal(err)
	}
	checkBox(t, model, scan, prepared)
	onModel, err := p.PredictPrepared(t.Context(), prepared, predict.Request{Space: predict.Model})
	if err != nil {
		t.Fatal(err)
	}
	seconds := time.Since(start)
	worst, spread := compareReal(t, p.Spec(), onModel.Labels, truth, 0.999, 0.005)
	t.Logf("%s on %s: %.1f s, worst Dice %.6f, largest volume difference %.4f %%", model, scan, seconds.Seconds(), worst, 100*spread)
	if !testing.Short() {
		ownGrid(t, p, im, prepared, truth)
	}
}

// checkBox compares the box that the model sees with the reference's.
func checkBox(t *testing.T, model, scan string, prepared *predict.Prepared) {
	t.Helper()
	raw, err := os.ReadFile(shared.Dir(t, "real/expected/brainchop.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	var byModel map[string]json.RawMessage
	if err := json.Unmarshal(all[scan], &byModel); err != nil {
		t.Skip("no reference for ", scan)
	}
	var want struct {
		Box [3][2]int `json:"box_xyz"`
	}
	if err := json.Unmarshal(byModel[model], &want); err != nil {
		t.Fatal(err)
	}
	for a, b := range want.Box {
		if prepared.Image.Grid.Size[a] != b[1]-b[0] {
			t.Errorf("%s on %s: the box has %v voxels, want %v", model, scan, prepared.Image.Grid.Size, want.Box)
		}
	}
}

// compareReal compares labels with the reference on the conformed grid.
func compareReal(t *testing.T, spec predict.Spec, got, want *imageio.Image, dice, volume float64) (worst, spread float64) {
	t.Helper()
	scores, err := metric.Compare(got, want, spec.Foreground(), false)
	if err != nil {
		t.Fatal(err)
	}
	worst = 1
	for _, s := range scores {
		worst, spread = min(worst, float64(s.Dice)), max(spread, math.Abs(float64(s.VolumeError)))
		if !(float64(s.Dice) >= dice) || !(math.Abs(float64(s.VolumeError)) <= volume) {
			t.Errorf("label %d: Dice %.5f, volume %.3f ml, want %.3f", s.Label, s.Dice, s.ML, s.TruthML)
		}
	}
	return worst, spread
}

// ownGrid predicts on the scan's own grid. On the conformed scan the same voxels come out. On another grid
// the reference, moved there label by label with linear weights, agrees but for the borders of labels: the
// model's probabilities are softer than its labels.
func ownGrid(t *testing.T, p *predict.Predictor, im *imageio.Image, prepared *predict.Prepared, truth *imageio.Image) {
	t.Helper()
	own, err := p.PredictPrepared(t.Context(), prepared, predict.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if own.Labels.Grid != im.Grid {
		t.Fatalf("labels lie on %v, scan on %v", own.Labels.Grid, im.Grid)
	}
	dice, volume := 0.999, 0.005
	if prepared.Model.Size != im.Grid.Size {
		dice, volume = 0.95, 0.05
	}
	worst, spread := compareReal(t, p.Spec(), own.Labels, movedLabels(t, truth, im.Grid), dice, volume)
	t.Logf("on the scan's own grid %v: worst Dice %.4f, largest volume difference %.3f %%", im.Grid.Size, worst, 100*spread)
}

// movedLabels takes labels to another grid: the largest of their linearly resampled masks.
func movedLabels(t *testing.T, labels *imageio.Image, grid imageio.Grid) *imageio.Image {
	t.Helper()
	out := imageio.New(grid, 1, imageio.Label)
	best := make([]float32, grid.Len())
	for value := range 18 {
		mask := imageio.New(labels.Grid, 1, imageio.Intensity)
		for i, v := range labels.Data {
			if v == float32(value) {
				mask.Data[i] = 1
			}
		}
		moved, err := transform.Onto{Grid: grid}.Apply(mask)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range moved.Data {
			if v > best[i] {
				best[i], out.Data[i] = v, float32(value)
			}
		}
	}
	return out
}

func TestOpenWithoutSpec(t *testing.T) {
	path := shared.Dir(t, "real/models/brainchop_tissue_light.onnx")
	if _, err := predict.Open(path, predict.Options{}); !errors.Is(err, predict.ErrNoSpec) {
		t.Errorf("a model without a Spec: %v", err)
	}
}
