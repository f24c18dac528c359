package evaluation_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/evaluation"
)

func run(t testing.TB, e *evaluation.Evaluation, cases []dataset.Case) *evaluation.Report {
	t.Helper()
	r, err := e.Run(t.Context(), cases)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSegmentation(t *testing.T) {
	dir := t.TempDir()
	cases := []dataset.Case{writeCase(t, dir, "a", 0), writeCase(t, dir, "b", 20)}
	cases[0].Group, cases[1].Group = "north", "south"
	var seen []string
	report := run(t, evaluation.OfModel(bright(t), evaluation.Options{
		Surfaces: true, Interval: metric.Bootstrap{Resamples: 100}, Pictures: 1,
		Progress: func(p evaluation.Progress) { seen = append(seen, p.ID) },
	}), cases)
	b := report.Cases[1].Labels[0]
	n := b.Predicted
	if want := 2 * float64(n) / float64(2*n+20); math.Abs(float64(b.Dice)-want) > 1e-12 || b.FalseNegative != 20 {
		t.Errorf("case b: %+v, want Dice %g", b, want)
	}
	if want := (1 + float64(b.Dice)) / 2; report.Cases[0].Dice() != 1 || math.Abs(float64(report.Mean.Dice)-want) > 1e-12 {
		t.Errorf("mean Dice %g, want %g", report.Mean.Dice, want)
	}
	if l := report.Labels[1]; l.Cases != 0 || !math.IsNaN(float64(l.Dice)) || report.Labels[0].Cases != 2 {
		t.Errorf("label means: %+v", report.Labels)
	}
	if i := report.Labels[0].Intervals["dice"]; i.Low < b.Dice || i.High > 1 || i.Low > i.High {
		t.Errorf("interval %v of %g and 1", i, b.Dice)
	}
	if len(report.Groups) != 2 || report.Groups[1].Name != "south" || report.Groups[1].Mean.Dice != b.Dice {
		t.Errorf("groups: %+v", report.Groups)
	}
	if strings.Join(seen, " ") != "a b" {
		t.Errorf("progress: %v", seen)
	}
	checkForms(t, report)
}

func checkForms(t *testing.T, report *evaluation.Report) {
	t.Helper()
	var table, page bytes.Buffer
	if err := errors.Join(report.WriteCSV(&table), report.WriteHTML(&page)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[1], "a,7,bright,1,1,1,1,0,0,") || !strings.HasPrefix(lines[2], "a,9,absent,,,,,,,0,0,,1,") {
		t.Errorf("CSV:\n%s", table.String())
	}
	raw, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"value":9,"name":"absent","dice":null`, `"cases":[{"id":"a","group":"north"`, `"mean":{"dice":0.9`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("JSON has no %s:\n%s", want, raw)
		}
	}
	checkPage(t, page.String(), "Surface Dice", "<svg", "data:image/png;base64,", "b: mean Dice", "north", "Cases by label")
}

// checkPage looks for texts in a page, and for anything that it would load from elsewhere.
func checkPage(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("page has no %q", w)
		}
	}
	for _, bad := range []string{"http:", "https:", "src=\"/", "href=", "@import", ">NaN<", "\"NaN", "ZgotmplZ", "%!"} {
		if strings.Contains(page, bad) {
			at := strings.Index(page, bad)
			t.Errorf("page has %q: ...%s", bad, page[max(0, at-60):min(len(page), at+60)])
		}
	}
}

// One bad case is reported, the others are judged.
func TestBadCases(t *testing.T) {
	dir := t.TempDir()
	good := writeCase(t, dir, "good", 3)
	odd := imageio.New(imageio.Grid{Size: [3]int{8, 7, 6}, Affine: imageio.Identity()}, 1, imageio.Label)
	odd.Data[5] = 3
	small := imageio.New(imageio.Grid{Size: [3]int{8, 7, 5}, Affine: imageio.Identity()}, 1, imageio.Label)
	moved := imageio.New(odd.Grid, 1, imageio.Label)
	moved.Grid.Affine[0][3] = 4
	cases := []dataset.Case{
		{ID: "unlabelled", Images: good.Images},
		{ID: "odd", Images: good.Images, Label: write(t, filepath.Join(dir, "odd.nii"), odd)},
		{ID: "small", Images: good.Images, Label: write(t, filepath.Join(dir, "small.nii"), small)},
		{ID: "moved", Images: good.Images, Label: write(t, filepath.Join(dir, "moved.nii"), moved)},
		{ID: "gone", Images: []string{"gone.nii"}, Label: good.Label},
		good,
	}
	report := run(t, evaluation.OfModel(bright(t), evaluation.Options{}), cases)
	if len(report.Cases) != 1 || report.Cases[0].ID != "good" {
		t.Errorf("judged: %+v", report.Cases)
	}
	for i, want := range []string{"has no label", "the value 3", "[8 7 5] voxels", "4 mm away", "no such file"} {
		if got := report.Failed[i].Error; !strings.HasPrefix(got, cases[i].ID+": ") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", cases[i].ID, got, want)
		}
	}
	var image *predict.ImageError
	if err := report.Err(); !errors.As(err, &image) || !strings.Contains(err.Error(), "5 of 6 cases failed") {
		t.Errorf("error: %v", err)
	}
	if _, err := evaluation.OfModel(bright(t), evaluation.Options{}).Run(t.Context(), cases[:1]); !errors.As(err, &image) {
		t.Errorf("no case with a label: %v", err)
	}
}

// summary is nnU-Net's summary.json.
type summary struct {
	Foreground map[string]metric.Number            `json:"foreground_mean"`
	Mean       map[string]map[string]metric.Number `json:"mean"`
	Cases      []struct {
		Metrics map[string]map[string]metric.Number `json:"metrics"`
	} `json:"metric_per_case"`
}

// The numbers are those of nnU-Net 2.8.1, to rounding.
func TestNNUNetSummary(t *testing.T) {
	var maps struct {
		Cases []struct {
			Size              [3]int
			Spacing           [3]float64
			Prediction, Truth []float32
		}
	}
	readJSON(t, "../../testdata/ref/metric.json", &maps)
	var parts map[string]json.RawMessage
	readJSON(t, "../../testdata/ref/nnunet_summary.json", &parts)
	want := map[string]summary{}
	for _, name := range []string{"labels", "regions", "ignored"} {
		var s summary
		if err := json.Unmarshal(parts[name], &s); err != nil {
			t.Fatal(err)
		}
		want[name] = s
	}
	dir := t.TempDir()
	files := map[string]string{}
	var cases []dataset.Case
	for i, c := range maps.Cases {
		g := imageio.Grid{Size: c.Size, Affine: imageio.Identity()}
		for a := range 3 {
			g.Affine[a][a] = c.Spacing[a]
		}
		id := strconv.Itoa(i)
		files[id] = write(t, filepath.Join(dir, id+".nii.gz"), &imageio.Image{Grid: g, Channels: 1, Data: c.Prediction, Kind: imageio.Label})
		cases = append(cases, dataset.Case{ID: id, Label: write(t, filepath.Join(dir, id+"_truth.nii.gz"), &imageio.Image{Grid: g, Channels: 1, Data: c.Truth, Kind: imageio.Label})})
	}
	three := 3
	regions := []predict.Label{{Value: 1, Name: "all", Region: []int{1, 2, 3}}, {Value: 2, Name: "core", Region: []int{2, 3}}, {Value: 3, Name: "three", Region: []int{3}}}
	two := []predict.Label{{Value: 1, Name: "one"}, {Value: 2, Name: "two"}}
	for name, e := range map[string]*evaluation.Evaluation{
		"labels":  evaluation.OfFiles(files, nil, evaluation.Options{Empty: metric.EmptyIgnore}),
		"regions": evaluation.OfFiles(files, regions, evaluation.Options{}),
		"ignored": evaluation.OfFiles(files, two, evaluation.Options{Ignore: &three}),
	} {
		var text bytes.Buffer
		if err := run(t, e, cases).WriteNNUNet(&text); err != nil {
			t.Fatal(err)
		}
		var got summary
		if err := json.Unmarshal(bytes.ReplaceAll(text.Bytes(), []byte("NaN"), []byte("null")), &got); err != nil {
			t.Fatalf("%v:\n%s", err, text.String())
		}
		sameNumbers(t, name+": foreground mean", got.Foreground, want[name].Foreground)
		for label := range want[name].Mean {
			sameNumbers(t, name+": mean of "+label, got.Mean[label], want[name].Mean[label])
			for i, c := range want[name].Cases {
				sameNumbers(t, fmt.Sprintf("%s: case %d, %s", name, i, label), got.Cases[i].Metrics[label], c.Metrics[label])
			}
		}
	}
}

func sameNumbers(t *testing.T, what string, got, want map[string]metric.Number) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for k, w := range want {
		g := got[k]
		if math.IsNaN(float64(g)) && math.IsNaN(float64(w)) {
			continue
		}
		if !(math.Abs(float64(g-w)) <= 1e-9*math.Max(1, math.Abs(float64(w)))) {
			t.Errorf("%s: %s is %v, want %v", what, k, g, w)
		}
	}
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Without labels every value that occurs in any case is one, and each case has a score for all of them.
func TestFilesWithoutLabels(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	var cases []dataset.Case
	for i, value := range []float32{2, 5} {
		im := imageio.New(imageio.Grid{Size: [3]int{4, 4, 4}, Affine: imageio.Identity()}, 1, imageio.Label)
		im.Data[3+i] = value
		id := fmt.Sprint("c", i)
		files[id] = write(t, filepath.Join(dir, id+".nii"), im)
		cases = append(cases, dataset.Case{ID: id, Label: files[id]})
	}
	cases = append(cases, dataset.Case{ID: "other", Label: cases[0].Label})
	report := run(t, evaluation.OfFiles(files, nil, evaluation.Options{Surfaces: true, Pictures: 2}), cases)
	if len(report.Labels) != 2 || report.Labels[1].Value != 5 || report.Labels[1].Cases != 1 || report.Mean.Dice != 1 {
		t.Errorf("labels: %+v", report.Labels)
	}
	if s := report.Cases[0].Labels[1]; s.Label != 5 || !s.Absent() || s.TrueNegative != 64 {
		t.Errorf("absent: %+v", s)
	}
	if len(report.Failed) != 1 || !strings.Contains(report.Failed[0].Error, "no prediction") {
		t.Errorf("failed: %+v", report.Failed)
	}
}
