package predict_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/predict"
)

// writeCase writes a scan and a truth that differs from what the model will say in the given number of
// voxels that it misses.
func writeCase(t *testing.T, dir, id string, missed int) dataset.Case {
	t.Helper()
	im := straight([3]int{8, 7, 6})
	truth := imageio.New(im.Grid, 1, imageio.Label)
	for i, v := range im.Data {
		if v > 0.4 {
			truth.Data[i] = 7
		} else if missed > 0 {
			truth.Data[i] = 7
			missed--
		}
	}
	c := dataset.Case{ID: id, Images: []string{filepath.Join(dir, id+".nii.gz")}, Label: filepath.Join(dir, id+"_label.nii.gz")}
	for path, im := range map[string]*imageio.Image{c.Images[0]: im, c.Label: truth} {
		if err := imageio.Write(path, im); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestEvaluate(t *testing.T) {
	dir := t.TempDir()
	cases := []dataset.Case{writeCase(t, dir, "a", 0), writeCase(t, dir, "b", 20)}
	spec := binary(patch.XYZ)
	spec.Labels = append(spec.Labels, predict.Label{Value: 9, Name: "absent"})
	model := pointwise(3, 1, func(v []float32) float32 { return 0.4 - v[0] }, func(v []float32) float32 { return v[0] - 0.4 },
		func(v []float32) float32 { return -9 })
	p := newPredictor(t, spec, model)
	var seen []string
	report, err := p.Evaluate(t.Context(), cases, predict.Evaluation{Surfaces: true, Progress: func(done, total int, last predict.CaseScore) {
		seen = append(seen, last.ID)
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := report.Cases[1].Labels[0]
	n := b.Counts.Predicted()
	if want := 2 * float64(n) / float64(2*n+20); math.Abs(float64(b.Dice)-want) > 1e-12 || b.Counts.FalseNegative != 20 {
		t.Errorf("case b: %+v, want Dice %g", b, want)
	}
	if want := (1 + float64(b.Dice)) / 2; report.Cases[0].Dice() != 1 || math.Abs(float64(report.Mean.Dice)-want) > 1e-12 {
		t.Errorf("mean Dice %g, want %g", report.Mean.Dice, want)
	}
	if l := report.Labels[1]; l.Cases != 0 || !math.IsNaN(float64(l.Dice)) || report.Labels[0].Cases != 2 {
		t.Errorf("label means: %+v", report.Labels)
	}
	if strings.Join(seen, " ") != "a b" {
		t.Errorf("progress: %v", seen)
	}
	checkForms(t, report)
}

func checkForms(t *testing.T, report *predict.Report) {
	t.Helper()
	var table bytes.Buffer
	if err := report.WriteCSV(&table); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[1], "a,7,bright,1,1,1,1,0,0,") || lines[2] != "a,9,absent,,,,,,,0,0," {
		t.Errorf("CSV:\n%s", table.String())
	}
	raw, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"value":9,"name":"absent","dice":null`, `"cases":[{"id":"a"`, `"mean":{"dice":0.9`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("JSON has no %s:\n%s", want, raw)
		}
	}
}

func TestEvaluateFaults(t *testing.T) {
	dir := t.TempDir()
	good := writeCase(t, dir, "good", 0)
	p := newPredictor(t, binary(patch.XYZ), above(3, 0.4))
	unlabelled := []dataset.Case{{ID: "x", Images: good.Images}, good, {ID: "y", Images: good.Images}}
	_, err := p.Evaluate(t.Context(), unlabelled, predict.Evaluation{})
	if err == nil || !strings.Contains(err.Error(), "x: has no label") || !strings.Contains(err.Error(), "y: has no label") {
		t.Errorf("two cases without labels: %v", err)
	}
	odd := imageio.New(imageio.Grid{Size: [3]int{8, 7, 6}, Affine: imageio.Identity()}, 1, imageio.Label)
	odd.Data[5] = 3
	small := imageio.New(imageio.Grid{Size: [3]int{8, 7, 5}, Affine: imageio.Identity()}, 1, imageio.Label)
	for want, truth := range map[string]*imageio.Image{"the value 3": odd, "voxels": small} {
		c := good
		c.ID, c.Label = "bad", filepath.Join(dir, "bad.nii.gz")
		if err := imageio.Write(c.Label, truth); err != nil {
			t.Fatal(err)
		}
		_, err := p.Evaluate(t.Context(), []dataset.Case{c}, predict.Evaluation{})
		var image *predict.ImageError
		if !errors.As(err, &image) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "bad") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := p.Evaluate(t.Context(), []dataset.Case{{ID: "gone", Images: []string{"gone.nii"}, Label: good.Label}}, predict.Evaluation{}); err == nil {
		t.Error("a missing file: no error")
	}
}
