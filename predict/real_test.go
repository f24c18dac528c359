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
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx/ort"
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
	if _, _, err := ort.Library(""); err != nil {
		t.Skip("onnxruntime cannot run: ", err)
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
		ownGrid(t, p, scan, model, im, prepared, truth)
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

// ownGrid predicts on the scan's own grid. On the conformed scan the same voxels come out. On another one
// the volumes are those of testdata/gen/own_grid.py, which takes probabilities back with scipy.
func ownGrid(t *testing.T, p *predict.Predictor, scan, model string, im *imageio.Image, prepared *predict.Prepared, truth *imageio.Image) {
	t.Helper()
	own, err := p.PredictPrepared(t.Context(), prepared, predict.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if own.Labels.Grid != im.Grid {
		t.Fatalf("labels lie on %v, scan on %v", own.Labels.Grid, im.Grid)
	}
	if im.Grid.Same(truth.Grid, 1e-3) {
		compareReal(t, p.Spec(), own.Labels, truth, 0.999, 0.005)
		return
	}
	raw, err := os.ReadFile("../testdata/ref/own_grid.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref struct{ Voxels map[string]map[string][]int }
	if err := json.Unmarshal(raw, &ref); err != nil {
		t.Fatal(err)
	}
	want, spread := ref.Voxels[scan][model], 0.0
	for _, v := range own.Volumes() {
		d := math.Abs(float64(v.Voxels)/float64(want[v.Value]) - 1)
		if spread = max(spread, d); !(d <= 0.005) {
			t.Errorf("%s on the scan's own grid: %d voxels, want %d", v.Name, v.Voxels, want[v.Value])
		}
	}
	t.Logf("on the scan's own grid %v: largest volume difference %.4f %%", im.Grid.Size, 100*spread)
}

func TestOpenWithoutSpec(t *testing.T) {
	path := shared.Dir(t, "real/models/brainchop_tissue_light.onnx")
	if _, err := predict.Open(path, predict.Options{}); !errors.Is(err, predict.ErrNoSpec) {
		t.Errorf("a model without a Spec: %v", err)
	}
}
