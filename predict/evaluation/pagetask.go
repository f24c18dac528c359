package evaluation

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/metric"
)

// classPage fills in what is said about a classifier.
func (r *Report) classPage(p *page) {
	s := r.Classes
	p.Lead += ", accuracy " + within(s.Accuracy, s.Intervals["accuracy"]) + ", AUC " + within(s.AUC, s.Intervals["auc"]) + "."
	p.Shown = "Cases whose true class has the least probability beside the largest other one."
	p.Tables = append(p.Tables, classSummaryTable("Summary", s), classTable("Classes", s))
	if s.Confusion != nil {
		p.Tables = append(p.Tables, confusionTable(s))
	}
	p.Tables = append(p.Tables, r.grouped(func(g Group) table { return classSummaryTable("", g.Classes) })...)
	p.Diagrams = append(p.Diagrams, r.rocs(), r.reliability())
	p.Cases = table{Title: "Cases", Sortable: true, Head: append(r.caseHead(), head{Text: "truth"}, head{Text: "picked"}, head{Text: "right"})}
	for _, c := range s.Classes {
		p.Cases.Head = append(p.Cases.Head, head{Text: "P " + c.Name, Number: true})
	}
	for _, c := range r.Cases {
		right := "no"
		if c.Class.Right() {
			right = "yes"
		}
		cells := append(r.caseCells(c), tableCell{Text: strings.Join(c.Class.Truth, ", ")}, tableCell{Text: strings.Join(c.Class.Picked, ", ")}, tableCell{Text: right})
		for _, k := range c.Class.Probabilities {
			cells = append(cells, numeric(metric.Number(k.Probability), false))
		}
		p.Cases.Rows = append(p.Cases.Rows, cells)
	}
}

// grouped puts the groups' tables below each other as one; nil where there are no groups.
func (r *Report) grouped(of func(Group) table) []table {
	var all table
	for _, g := range r.Groups {
		t := of(g)
		all.Head = append([]head{{Text: "group"}, {Text: "cases", Number: true}}, t.Head...)
		for _, row := range t.Rows {
			all.Rows = append(all.Rows, append([]tableCell{{Text: g.Name}, {Text: strconv.Itoa(g.Cases), Class: "n"}}, row...))
		}
	}
	if all.Rows == nil {
		return nil
	}
	all.Title, all.Sortable = "Groups", true
	return []table{all}
}

func classSummaryTable(title string, s *ClassSummary) table {
	t := table{Title: title}
	var row []tableCell
	for _, c := range []struct {
		text, key string
		v         metric.Number
	}{
		{"accuracy", "accuracy", s.Accuracy},
		{"balanced accuracy", "balanced_accuracy", s.BalancedAccuracy},
		{"AUC", "auc", s.AUC},
		{"AUC, all classes together", "auc_micro", s.MicroAUC},
		{"average precision", "average_precision", s.AP},
		{"F1", "f1", s.F1},
		{"calibration error", "ece", s.ECE},
		{"Brier score", "brier", s.Brier},
	} {
		t.Head = append(t.Head, head{Text: c.text, Number: true})
		row = append(row, ranged(c.v, s.Intervals, c.key, false))
	}
	t.Rows = [][]tableCell{row}
	return t
}

func classTable(title string, s *ClassSummary) table {
	t := table{Title: title, Head: []head{{Text: "class"}}}
	for _, n := range []string{"cases", "AUC", "average precision", "sensitivity", "specificity", "precision", "F1", "calibration error", "Brier score"} {
		t.Head = append(t.Head, head{Text: n, Number: true})
	}
	for _, c := range s.Classes {
		row := []tableCell{{Text: fmt.Sprintf("%d %s", c.Value, c.Name)}, {Text: strconv.Itoa(c.Truth()), Class: "n"}}
		for _, v := range []metric.Number{c.AUC, c.AP, c.Sensitivity, c.Specificity, c.Precision, c.F1, c.ECE, c.Brier} {
			row = append(row, numeric(v, false))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// confusionTable shades each cell by its part of the row.
func confusionTable(s *ClassSummary) table {
	t := table{Title: "Confusion: true class by row, picked class by column", Head: []head{{}}}
	for _, n := range s.Names {
		t.Head = append(t.Head, head{Text: n})
	}
	for i, row := range s.Confusion {
		total := 0
		for _, n := range row {
			total += n
		}
		cells := []tableCell{{Text: s.Names[i]}}
		for j, n := range row {
			colour := "--b"
			if i == j {
				colour = "--c"
			}
			share := 100 * float64(n) / math.Max(1, float64(total))
			style := template.CSS(fmt.Sprintf("background: color-mix(in srgb, var(%s) %.0f%%, transparent)", colour, 0.6*share)) //nolint:gosec // numbers only
			cells = append(cells, tableCell{Text: strconv.Itoa(n), Sub: fmt.Sprintf("%.0f %%", share), Class: "cell", Style: style})
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// answersOf returns the probabilities and the truth of one class over all cases.
func (r *Report) answersOf(class int) ([]float64, []bool) {
	var p []float64
	var t []bool
	for _, c := range r.Cases {
		p, t = append(p, c.Class.answer.Probabilities[class]), append(t, c.Class.answer.Truth[class])
	}
	return p, t
}

// mostCurves is how many classes a diagram shows.
const mostCurves = 6

func (r *Report) rocs() diagram {
	unit := axis{low: 0, high: 1}
	p := newPlot("ROC", "1 - specificity", "sensitivity", unit, unit)
	p.dashed(0, 1)
	var names []string
	for i, c := range r.Classes.Classes[:min(mostCurves, len(r.Classes.Classes))] {
		x, y := metric.ROC(r.answersOf(i))
		p.line(x, y, i, c.Name)
		names = append(names, fmt.Sprintf("%s %.3f", c.Name, c.AUC))
	}
	p.key(names)
	return p.diagram("Receiver operating characteristic and its area")
}

func (r *Report) reliability() diagram {
	unit := axis{low: 0, high: 1}
	p := newPlot("reliability", "probability", "frequency", unit, unit)
	p.dashed(0, 1)
	var names []string
	for i, c := range r.Classes.Classes[:min(mostCurves, len(r.Classes.Classes))] {
		var x, y []float64
		for _, b := range metric.Reliability(r.answersOf(i)) {
			if b.Cases > 0 {
				x, y = append(x, b.Probability), append(y, b.Frequency)
				p.dot(b.Probability, b.Frequency, fmt.Sprintf("%s: %d cases", c.Name, b.Cases))
			}
		}
		p.line(x, y, i, c.Name)
		names = append(names, c.Name)
	}
	p.key(names)
	return p.diagram("Calibration: how often what is said to be so likely is true")
}

func classMeanings() [][2]string {
	return [][2]string{
		{"accuracy", "Part of the cases whose picked classes are exactly the true ones."},
		{"balanced accuracy", "Mean sensitivity over the classes; where there is one class, of sensitivity and specificity."},
		{"AUC", "Area under the receiver operating characteristic by rank, ties counting half; mean over the classes that have positive and negative cases."},
		{"average precision", "Mean of the precision over the positive cases, from the largest probability down."},
		{"sensitivity, specificity, precision, F1", "At the model's own pick."},
		{"calibration error", "Mean distance between probability and frequency, in 20 bins of probability, weighted by their cases; in the summary of the largest probability."},
		{"Brier score", "Mean squared distance between the probability and 1 or 0; in the summary summed over the classes."},
	}
}

// numberPage fills in what is said about a regression.
func (r *Report) numberPage(p *page) {
	p.Lead += "."
	p.Shown = "Cases with the largest mean absolute error."
	p.Tables = append(p.Tables, numberTable("Summary", r.Numbers))
	p.Tables = append(p.Tables, r.grouped(func(g Group) table { return numberTable("", g.Numbers) })...)
	p.Cases = table{Title: "Cases", Sortable: true, Head: append(r.caseHead(), head{Text: "number"}, head{Text: "truth", Number: true}, head{Text: "predicted", Number: true}, head{Text: "difference", Number: true})}
	for _, c := range r.Cases {
		for _, n := range c.Numbers {
			p.Cases.Rows = append(p.Cases.Rows, append(r.caseCells(c), tableCell{Text: n.Name}, numeric(metric.Number(n.Truth), false),
				numeric(metric.Number(n.Predicted), false), numeric(metric.Number(n.Predicted-n.Truth), false)))
		}
	}
	for i := range r.Numbers {
		p.Diagrams = append(p.Diagrams, r.scatter(i), r.agreement(i))
	}
}

func numberTable(title string, numbers []NumberSummary) table {
	t := table{Title: title, Head: []head{{Text: "number"}}}
	for _, n := range []string{"MAE", "RMSE", "R²", "Pearson's r", "bias", "lower limit of agreement", "upper limit", "cases"} {
		t.Head = append(t.Head, head{Text: n, Number: true})
	}
	for _, n := range numbers {
		row := []tableCell{{Text: strings.TrimSpace(n.Name + " " + n.Unit)}}
		for k, v := range []metric.Number{n.MAE, n.RMSE, n.R2, n.Pearson, n.Bias, n.Low, n.High} {
			row = append(row, ranged(v, n.Intervals, []string{"mae", "rmse", "r2", "pearson", "bias", "limits_low", "limits_high"}[k], false))
		}
		t.Rows = append(t.Rows, append(row, tableCell{Text: strconv.Itoa(n.Cases), Class: "n"}))
	}
	return t
}

func (r *Report) scatter(i int) diagram {
	predicted, truth := numbers(r.Cases, i)
	ax := newAxis(append(append([]float64{}, predicted...), truth...), math.NaN(), math.NaN(), 0, 1).padded()
	n := r.Numbers[i]
	p := newPlot(n.Name, "truth "+n.Unit, "predicted "+n.Unit, ax, ax)
	p.dashed(ax.low, ax.high)
	for k, c := range r.Cases {
		p.dot(truth[k], predicted[k], c.ID)
	}
	return p.diagram(n.Name + ": predicted over true")
}

// agreement is Bland and Altman's diagram.
func (r *Report) agreement(i int) diagram {
	predicted, truth := numbers(r.Cases, i)
	n := r.Numbers[i]
	mean, difference := make([]float64, len(truth)), make([]float64, len(truth))
	for k, t := range truth {
		mean[k], difference[k] = (predicted[k]+t)/2, predicted[k]-t
	}
	x := newAxis(mean, math.NaN(), math.NaN(), 0, 1).padded()
	y := newAxis(append(append([]float64{0}, difference...), float64(n.Low), float64(n.High)), math.NaN(), math.NaN(), 0, 1).padded()
	p := newPlot(n.Name, "mean of truth and predicted "+n.Unit, "predicted - truth "+n.Unit, x, y)
	p.dashed(0, 0)
	for k, v := range []metric.Number{n.Bias, n.Low, n.High} {
		if f := float64(v); f == f {
			p.line([]float64{x.low, x.high}, []float64{f, f}, min(k, 1), []string{"bias", "lower limit of agreement", "upper limit of agreement"}[k])
		}
	}
	for k, c := range r.Cases {
		p.dot(mean[k], difference[k], c.ID)
	}
	return p.diagram(n.Name + ": agreement (bias and limits)")
}

// imagePage fills in what is said about images.
func (r *Report) imagePage(p *page) {
	s := r.Images
	p.Lead += ", mean SSIM " + within(s.SSIM, s.Intervals["ssim"]) + "."
	p.Shown = "Planes through the largest difference: the predicted image, the true one, and over it the predicted less the true intensity."
	p.Tables = append(p.Tables, imageTable("Summary", s))
	p.Tables = append(p.Tables, r.grouped(func(g Group) table { return imageTable("", g.Images) })...)
	p.Cases = table{Title: "Cases", Sortable: true, Head: append(r.caseHead(), imageHead()...)}
	for _, c := range r.Cases {
		p.Cases.Rows = append(p.Cases.Rows, append(r.caseCells(c), numeric(c.Image.MAE, false), numeric(c.Image.RMSE, false), numeric(c.Image.PSNR, true), numeric(c.Image.SSIM, false)))
	}
}

func imageHead() []head {
	return []head{{Text: "MAE", Number: true}, {Text: "RMSE", Number: true}, {Text: "PSNR dB", Number: true}, {Text: "SSIM", Number: true}}
}

func imageTable(title string, s *ImageSummary) table {
	t := table{Title: title, Head: imageHead()}
	var row []tableCell
	for k, v := range []metric.Number{s.MAE, s.RMSE, s.PSNR, s.SSIM} {
		row = append(row, ranged(v, s.Intervals, imageNumbers()[k], false))
	}
	t.Rows = [][]tableCell{row}
	return t
}
