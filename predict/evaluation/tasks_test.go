package evaluation_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/evaluation"
)

// ramps writes scans whose means grow, with what the list says about each.
func ramps(t *testing.T, targets ...string) []dataset.Case {
	t.Helper()
	dir := t.TempDir()
	var cases []dataset.Case
	for i, target := range targets {
		id := fmt.Sprint("case", i)
		path := write(t, filepath.Join(dir, id+".nii.gz"), ramp([3]int{12, 12, 12}, float32(i)))
		cases = append(cases, dataset.Case{ID: id, Images: []string{path}, Label: filepath.Join(dir, target), Target: target, Group: []string{"a", "b"}[i%2]})
	}
	return cases
}

func forms(t *testing.T, r *evaluation.Report) (table, page string) {
	t.Helper()
	var a, b bytes.Buffer
	if err := errors.Join(r.WriteCSV(&a), r.WriteHTML(&b)); err != nil {
		t.Fatal(err)
	}
	return a.String(), b.String()
}

func options() evaluation.Options {
	return evaluation.Options{Pictures: 2, Interval: metric.Bootstrap{Resamples: 200, Confidence: 0.95}}
}

// The model says "late" above a mean of 2: it is right about the cases 0, 1, 3 and 4.
func TestClassification(t *testing.T) {
	labels := []predict.Label{{Value: 0, Name: "early"}, {Value: 3, Name: "late"}}
	p := predictor(t, spec(predict.Classification, labels...), pooled(func(m float32) float32 { return 2 - m }, func(m float32) float32 { return m - 2 }))
	r := run(t, evaluation.OfModel(p, options()), append(ramps(t, "early", "0", "early", "3", "LATE"), ramps(t, "never")...))
	if len(r.Cases) != 5 || len(r.Failed) != 1 || !strings.Contains(r.Failed[0].Error, `got "never"`) {
		t.Fatalf("judged %d, failed %+v", len(r.Cases), r.Failed)
	}
	s := r.Classes
	if got := fmt.Sprint(s.Confusion); got != "[[2 1] [0 2]]" || s.Accuracy != 0.8 || s.AUC != 1 {
		t.Errorf("confusion %s, accuracy %g, AUC %g", got, s.Accuracy, s.AUC)
	}
	if want := metric.Number((2.0/3 + 1) / 2); math.Abs(float64(s.BalancedAccuracy-want)) > 1e-12 {
		t.Errorf("balanced accuracy %g, want %g", s.BalancedAccuracy, want)
	}
	if i := s.Intervals["accuracy"]; !(i.Low < 0.8 && i.High <= 1) {
		t.Errorf("interval: %v", i)
	}
	if len(r.Groups) != 2 || r.Groups[0].Classes == nil {
		t.Errorf("groups: %+v", r.Groups)
	}
	table, page := forms(t, r)
	if !strings.HasPrefix(table, "case,group,truth,picked,correct,p_early,p_late\ncase0,a,early,early,true,0.9") {
		t.Errorf("CSV:\n%s", table)
	}
	checkPage(t, page, "Confusion", "Receiver operating characteristic", "Calibration", "case2: early, picked late", "late")
}

// Each class by itself, several at once, or in columns of 0 and 1.
func TestSeveralClasses(t *testing.T) {
	s := spec(predict.Classification, predict.Label{Value: 1, Name: "big"}, predict.Label{Value: 2, Name: "odd"})
	s.Decode.Activation, s.Decode.Pick = predict.Sigmoid, predict.Threshold
	p := predictor(t, s, pooled(func(m float32) float32 { return m - 1 }, func(float32) float32 { return -1 }))
	cases := ramps(t, "0", "", "big;odd", "1")
	cases[1].Label, cases[1].Extra = "", map[string]string{"big": "0", "odd": "1"}
	r := run(t, evaluation.OfModel(p, options()), cases)
	if len(r.Cases) != 4 || r.Classes.Confusion != nil {
		t.Fatalf("judged %d (%v), confusion %v", len(r.Cases), r.Failed, r.Classes.Confusion)
	}
	if c := r.Classes.Classes[0].Counts; c != (metric.Counts{TruePositive: 2, FalsePositive: 1, TrueNegative: 1}) {
		t.Errorf("big: %+v", c)
	}
	if c := r.Classes.Classes[1].Counts; c != (metric.Counts{FalseNegative: 2, TrueNegative: 2}) {
		t.Errorf("odd: %+v", c)
	}
	_, page := forms(t, r)
	checkPage(t, page, "big, odd")
}

// The model says ten times the mean.
func TestRegression(t *testing.T) {
	p := predictor(t, spec(predict.Regression, predict.Label{Value: 0, Name: "age", Unit: "years"}), pooled(func(m float32) float32 { return 10 * m }))
	r := run(t, evaluation.OfModel(p, options()), append(ramps(t, "6", "15", "24", "37"), ramps(t, "old")...))
	if len(r.Cases) != 4 || len(r.Failed) != 1 || !strings.Contains(r.Failed[0].Error, `got "old"`) {
		t.Fatalf("judged %d, failed %+v", len(r.Cases), r.Failed)
	}
	var bias, mae float64
	for _, c := range r.Cases {
		d := c.Numbers[0].Predicted - c.Numbers[0].Truth
		bias, mae = bias+d/4, mae+math.Abs(d)/4
	}
	if n := r.Numbers[0]; math.Abs(float64(n.Bias)-bias) > 1e-12 || math.Abs(float64(n.MAE)-mae) > 1e-12 || n.Pearson < 0.98 || n.Unit != "years" {
		t.Errorf("got %+v, want bias %g and MAE %g", n, bias, mae)
	}
	table, page := forms(t, r)
	if !strings.HasPrefix(table, "case,group,name,unit,truth,predicted,difference\ncase0,a,age,years,6,5.0041") {
		t.Errorf("CSV:\n%s", table)
	}
	checkPage(t, page, "limits of agreement", "predicted over true", "agreement (bias and limits)", "case3: age 35, truth 37 years")
}

// The model says a little more than the scan, which is the truth.
func TestImages(t *testing.T) {
	p := predictor(t, spec(predict.ImageToImage), pointwise(func(v float32) float32 { return v + 0.125 }))
	cases := ramps(t, "x", "y")
	for i := range cases {
		cases[i].Label = cases[i].Images[0]
	}
	o := options()
	o.Range = 1
	r := run(t, evaluation.OfModel(p, o), cases)
	if len(r.Cases) != 2 {
		t.Fatalf("failed: %+v", r.Failed)
	}
	if s := r.Images; math.Abs(float64(s.MAE)-0.125) > 1e-6 || math.Abs(float64(s.PSNR)-18.0618) > 1e-3 || s.SSIM < 0.9 || s.SSIM >= 1 {
		t.Errorf("got %+v", s)
	}
	table, page := forms(t, r)
	if !strings.HasPrefix(table, "case,group,mae,rmse,psnr,ssim,range\ncase0,a,0.125") {
		t.Errorf("CSV:\n%s", table)
	}
	checkPage(t, page, "mean SSIM", "case0: SSIM")
	if err := r.WriteNNUNet(&bytes.Buffer{}); err == nil {
		t.Error("nnU-Net's summary of images: no error")
	}
}
