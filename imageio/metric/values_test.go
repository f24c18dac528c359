package metric_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/metric"
)

// valuesReference is testdata/ref/metric_values.json.
type valuesReference struct {
	Classes []struct {
		Truth, Picked                                    []int
		Probabilities                                    [][]float64
		AUC, AP, Sensitivity, Specificity, Precision, F1 []value
		ECE, Brier                                       []value
		Macro                                            value `json:"auc_macro"`
		Micro                                            value `json:"auc_micro"`
		MacroAP                                          value `json:"ap_macro"`
		Confusion                                        [][]int
		Accuracy, Balanced                               value
	}
	Regression []struct {
		Predicted, Truth                        []float64
		MAE, RMSE, R2, Pearson, Bias, Low, High value
	}
	Similarity []struct {
		Size            [3]int
		Channels        int
		Range           float64
		MAE, RMSE, PSNR value
		SSIM, SSIM64    value
	}
	Intervals []struct {
		Values          []float64
		Percentile, BCa [2]value
	}
}

func readValues(t *testing.T) valuesReference {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/ref/metric_values.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref valuesReference
	if err := json.Unmarshal(raw, &ref); err != nil {
		t.Fatal(err)
	}
	return ref
}

// checker compares numbers and keeps the largest differences.
type checker struct {
	t     *testing.T
	limit float64
	worst map[string]float64
}

func (c *checker) check(name string, got metric.Number, want value) {
	c.t.Helper()
	d := differs(float64(got), float64(want))
	c.worst[name] = max(c.worst[name], d)
	if d > c.limit {
		c.t.Errorf("%s is %.9g, want %.9g", name, got, want)
	}
}

func TestClassesAsMONAI(t *testing.T) {
	c := checker{t, 1e-6, map[string]float64{}}
	for _, ref := range readValues(t).Classes {
		k := len(ref.AUC)
		answers := make([]metric.Answer, len(ref.Truth))
		for i := range answers {
			a := metric.Answer{Truth: make([]bool, k), Picked: make([]bool, k), Probabilities: ref.Probabilities[i]}
			a.Truth[ref.Truth[i]], a.Picked[ref.Picked[i]] = true, true
			answers[i] = a
		}
		summary, scores, err := metric.ScoreClasses(answers)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range scores {
			c.check("auc", s.AUC, ref.AUC[i])
			c.check("average precision", s.AP, ref.AP[i])
			c.check("ece", s.ECE, ref.ECE[i])
			c.check("brier", s.Brier, ref.Brier[i])
			ratios := map[string][2]value{
				"sensitivity": {value(s.Sensitivity), ref.Sensitivity[i]}, "specificity": {value(s.Specificity), ref.Specificity[i]},
				"precision": {value(s.Precision), ref.Precision[i]}, "f1": {value(s.F1), ref.F1[i]},
			}
			for name, v := range ratios {
				if math.IsNaN(float64(v[0])) && v[1] == 0 {
					continue // MONAI's aggregate makes 0 of what does not exist
				}
				c.check(name, metric.Number(v[0]), v[1])
			}
		}
		if len(ref.AUC) > 0 && !slices.ContainsFunc(ref.AUC, func(v value) bool { return v != v }) {
			c.check("macro auc", summary.AUC, ref.Macro)
			c.check("macro average precision", summary.AP, ref.MacroAP)
			c.check("balanced accuracy", summary.BalancedAccuracy, ref.Balanced)
		}
		c.check("micro auc", summary.MicroAUC, ref.Micro)
		c.check("accuracy", summary.Accuracy, ref.Accuracy)
		confusion, err := metric.Confusion(answers)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range confusion {
			if !slices.Equal(row, ref.Confusion[i]) {
				t.Errorf("confusion: row %d is %v, want %v", i, row, ref.Confusion[i])
			}
		}
	}
	t.Logf("largest differences to MONAI and scikit-learn: %v", c.worst)
}

// MONAI keeps its results in float32.
func TestRegressionAsMONAI(t *testing.T) {
	c := checker{t, 1e-6, map[string]float64{}}
	for _, ref := range readValues(t).Regression {
		r, err := metric.Regress(ref.Predicted, ref.Truth)
		if err != nil {
			t.Fatal(err)
		}
		c.check("mae", r.MAE, ref.MAE)
		c.check("rmse", r.RMSE, ref.RMSE)
		c.check("r2", r.R2, ref.R2)
		c.check("pearson", r.Pearson, ref.Pearson)
		c.check("bias", r.Bias, ref.Bias)
		c.check("limits", r.Low, ref.Low)
		c.check("limits", r.High, ref.High)
	}
	t.Logf("largest differences to MONAI, scikit-learn and scipy: %v", c.worst)
	if _, err := metric.Regress([]float64{1}, nil); err == nil {
		t.Error("one number and no truth: no error")
	}
	if r, err := metric.Regress([]float64{1}, []float64{3}); err != nil || r.MAE != 2 || !math.IsNaN(float64(r.R2)) || !math.IsNaN(float64(r.Low)) {
		t.Errorf("one case: %+v, %v", r, err)
	}
}

// patterns are the two images of testdata/gen/metric_values.py.
func patterns(size [3]int, channels int) (p, t *imageio.Image) {
	g := imageio.Grid{Size: size, Affine: imageio.Identity()}
	p, t = imageio.New(g, channels, imageio.Intensity), imageio.New(g, channels, imageio.Intensity)
	for c := range channels {
		for z := range size[2] {
			for y := range size[1] {
				for x := range size[0] {
					i := 3*x + 5*y + 7*z
					v := float32(float64((i*13+29*c*(1+i/7))%97) / 97)
					t.Channel(c)[g.Index(x, y, z)] = v
					p.Channel(c)[g.Index(x, y, z)] = v + float32(float64((i*7+c)%23)/92)
				}
			}
		}
	}
	return p, t
}

// MONAI computes SSIM in float32, whose variances are differences of squares: its own distance from the same
// code in float64 is 1.4e-6 here.
func TestSimilarityAsMONAI(t *testing.T) {
	c := checker{t, 1e-6, map[string]float64{}}
	for _, ref := range readValues(t).Similarity {
		p, q := patterns(ref.Size, ref.Channels)
		s, err := metric.CompareImages(p, q, ref.Range)
		if err != nil {
			t.Fatal(err)
		}
		c.check("mae", s.MAE, ref.MAE)
		c.check("rmse", s.RMSE, ref.RMSE)
		c.check("psnr", s.PSNR, ref.PSNR)
		c.check("ssim in float64", s.SSIM, ref.SSIM64)
		c.limit = 3e-6
		c.check("ssim", s.SSIM, ref.SSIM)
		c.limit = 1e-6
	}
	t.Logf("largest differences to MONAI: %v", c.worst)
	p, q := patterns([3]int{9, 9, 1}, 1)
	if s, err := metric.CompareImages(q, q, 0); err != nil || !math.IsInf(float64(s.PSNR), 1) || !math.IsNaN(float64(s.SSIM)) || s.Range < 0.5 || s.Range >= 1 {
		t.Errorf("equal small images: %+v, %v", s, err)
	}
	p.Grid.Affine[0][3] = 5
	if _, err := metric.CompareImages(p, q, 1); err == nil {
		t.Error("images in different places: no error")
	}
}

// 200,000 replicates on both sides leave noise of about a hundredth of the width at these tails.
func TestIntervalsAsSciPy(t *testing.T) {
	for _, ref := range readValues(t).Intervals {
		for method, want := range map[metric.Method][2]value{metric.Percentile: ref.Percentile, metric.BCa: ref.BCa} {
			b := metric.Bootstrap{Resamples: 200000, Method: method, Seed: 3}
			got := b.Means([][]float64{ref.Values})[0]
			width := float64(want[1] - want[0])
			if d := math.Abs(float64(got.Low) - float64(want[0])); d > 0.01*width {
				t.Errorf("%s of %d: low %.5f, want %.5f", method, len(ref.Values), got.Low, want[0])
			}
			if d := math.Abs(float64(got.High) - float64(want[1])); d > 0.01*width {
				t.Errorf("%s of %d: high %.5f, want %.5f", method, len(ref.Values), got.High, want[1])
			}
		}
	}
}

func TestIntervalsOfLittle(t *testing.T) {
	nan := math.NaN()
	b := metric.Bootstrap{Resamples: 500}
	found := b.Means([][]float64{{1, 1, 1}, {nan, nan, nan}, {0.5, nan, 0.7}, {math.Inf(1), 2, 4}})
	if found[0].Low != 1 || found[0].High != 1 {
		t.Errorf("equal values: %v", found[0])
	}
	if !math.IsNaN(float64(found[1].Low)) {
		t.Errorf("no values: %v", found[1])
	}
	if f := found[2]; f.Low < 0.5 || f.High > 0.7 || f.Low >= f.High {
		t.Errorf("two values: %v", f)
	}
	if f := found[3]; f.Low < 2 || f.High > 4 || f.Low >= f.High {
		t.Errorf("what is infinite counts: %v", f)
	}
	if one := b.Means([][]float64{{1}})[0]; !math.IsNaN(float64(one.Low)) {
		t.Errorf("one case: %v", one)
	}
	again := metric.Bootstrap{Resamples: 500}.Means([][]float64{{1, 5, 2}, {3, 1, 4}})
	if twice := b.Means([][]float64{{1, 5, 2}, {3, 1, 4}}); again[0] != twice[0] || again[1] != twice[1] {
		t.Errorf("equal seeds: %v and %v", again, twice)
	}
}

func TestROCHasTheArea(t *testing.T) {
	scores := []float64{0.1, 0.4, 0.4, 0.8, 0.8, 0.9}
	truth := []bool{false, true, false, true, false, true}
	x, y := metric.ROC(scores, truth)
	area := 0.0
	for i := 1; i < len(x); i++ {
		area += (x[i] - x[i-1]) * (y[i] + y[i-1]) / 2
	}
	if auc := metric.AUC(scores, truth); math.Abs(area-auc) > 1e-12 {
		t.Errorf("area %g, AUC %g", area, auc)
	}
	if x, _ := metric.ROC(scores, make([]bool, 6)); x != nil {
		t.Error("no positive case: want no curve")
	}
}
