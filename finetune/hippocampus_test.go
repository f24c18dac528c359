package finetune

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// TestHippocampus follows PyTorch's fine-tuning of a published brain tissue model to the hippocampus: its
// losses in the order of its cases, within 1e-3. The 20 steps and the 300 that reach a Dice of 0.83 run with
// NITRAIN_ACCEPTANCE=1.
func TestHippocampus(t *testing.T) {
	root := shared.Dir(t, "real")
	backend := engine(t)
	model := tissueModel(t, filepath.Join(root, "models", "brainchop_tissue_high.onnx"))
	train, test := hippocampi(t, root)
	order, err := ReadOrder(filepath.Join(root, "data", "hippocampus", "order.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	want := expectedLosses(t, filepath.Join(root, "expected", "hippocampus_losses.csv"))
	c := Defaults()
	c.Steps, c.Whole, c.Pad, c.Order = 3, true, [3]int{48, 48, 64}, order
	c.InitHead, c.Rate = ZeroHead, 1e-3
	compared := 3
	if os.Getenv("NITRAIN_ACCEPTANCE") == "1" {
		c.Steps, compared = 300, 20
	} else {
		test, train = nil, used(train, order[:3])
		c.Order = order[:3]
	}
	if c.LossOptions, err = ParseLossOptions("smooth=1,background=false"); err != nil {
		t.Fatal(err)
	}
	c.ValidateEvery = c.Steps
	trainer, err := New(t.Context(), model, backend, train, test, c)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	var last Event
	err = trainer.Run(t.Context(), func(e Event) {
		if e.Kind == Stepped && e.Step <= compared {
			if math.Abs(e.Loss-want[e.Step-1]) > 1e-3 {
				t.Errorf("step %d: want loss %.6f, got %.6f", e.Step, want[e.Step-1], e.Loss)
			}
		}
		if e.Kind == Stepped && (e.Step <= 3 || e.Step%50 == 0) {
			t.Logf("step %d: loss %.6f, PyTorch %.6f, %.1f s", e.Step, e.Loss, want[e.Step-1], e.Elapsed)
		}
		last = e
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d steps in %.1f s", c.Steps, last.Elapsed)
	if len(test) > 0 {
		checkHippocampi(t, trainer, test)
	}
}

// checkHippocampi measures the whole hippocampus on the test volumes, as the reference does: the mean of the
// Dice of everything that is not background.
func checkHippocampi(t *testing.T, trainer *Trainer, test []dataset.Case) {
	t.Helper()
	var sum float64
	for i := range test {
		s, err := trainer.validShelf.get(i)
		if err != nil {
			t.Fatal(err)
		}
		out, err := trainer.predictor.PredictPrepared(t.Context(), s.prepared, predict.Request{})
		if err != nil {
			t.Fatal(err)
		}
		var both, a, b int
		for j, v := range out.Labels.Data {
			p, q := v > 0, s.truth.Data[j] > 0
			if p {
				a++
			}
			if q {
				b++
			}
			if p && q {
				both++
			}
		}
		sum += 2 * float64(both) / float64(a+b)
	}
	whole := sum / float64(len(test))
	t.Logf("Dice whole %.4f (PyTorch 0.846), by label %v", whole, trainer.history[len(trainer.history)-2].Validation.Dice)
	if whole < 0.83 {
		t.Errorf("Dice whole: want at least 0.83, got %.4f", whole)
	}
}

func tissueModel(t *testing.T, path string) *onnx.Model {
	t.Helper()
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	spec := predict.Spec{
		Version: predict.Version, Task: predict.Segmentation,
		Input:   predict.Input{Name: "input", Layout: patch.XYZ, Channels: []predict.Channel{{Name: "T1w"}}},
		Prepare: transform.Pipeline{transform.Orient{Axes: "LIA"}, transform.Percentiles{Lower: 0, Upper: 99, Clip: true}},
		Decode:  predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax},
		Labels:  []predict.Label{{Value: 0, Name: "background"}, {Value: 1, Name: "anterior"}, {Value: 2, Name: "posterior"}},
	}
	if err := predict.WriteSpec(m, spec); err != nil {
		t.Fatal(err)
	}
	return m
}

func hippocampi(t *testing.T, root string) (train, test []dataset.Case) {
	t.Helper()
	dir := filepath.Join(root, "data", "hippocampus")
	for _, row := range table(t, filepath.Join(dir, "split.tsv"), '\t') {
		c := dataset.Case{ID: row["file"], Images: []string{filepath.Join(dir, "images", row["file"])}, Label: filepath.Join(dir, "labels", row["file"])}
		if row["split"] == "train" {
			train = append(train, c)
		} else {
			test = append(test, c)
		}
	}
	return train, test
}

func used(cases []dataset.Case, names []string) []dataset.Case {
	var out []dataset.Case
	for _, n := range names {
		if i, err := dataset.Named(cases, n); err == nil {
			out = append(out, cases[i])
		}
	}
	return out
}

func expectedLosses(t *testing.T, path string) []float64 {
	t.Helper()
	var losses []float64
	for _, row := range table(t, path, ',') {
		v, err := strconv.ParseFloat(row["loss"], 64)
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, v)
	}
	return losses
}

func table(t *testing.T, path string, comma rune) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = comma
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, h := range rows[0] {
			m[h] = row[i]
		}
		out = append(out, m)
	}
	return out
}

// engine is the fast engine of this machine; the test is skipped where there is none.
func engine(t *testing.T) *convert.Backend {
	t.Helper()
	b, err := convert.NewBackend(convert.BackendOptions{})
	if err != nil {
		t.Skipf("no training engine: %v", err)
	}
	t.Cleanup(b.Close)
	return b
}
