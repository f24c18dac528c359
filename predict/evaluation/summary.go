package evaluation

import (
	"slices"

	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
)

// Summary is what is said about some cases together. Intervals are over cases, by the names of the numbers.
type Summary struct {
	Labels        []LabelMean                `json:"labels,omitempty"` // over cases
	Mean          *Means                     `json:"mean,omitempty"`   // over labels within each case, then over cases
	MeanIntervals map[string]metric.Interval `json:"mean_intervals,omitempty"`
	Classes       *ClassSummary              `json:"classification,omitempty"`
	Numbers       []NumberSummary            `json:"regression,omitempty"` // in the order of the Spec's labels
	Images        *ImageSummary              `json:"images,omitempty"`
}

// LabelMean is how one label does over all cases.
type LabelMean struct {
	Value int    `json:"value"`
	Name  string `json:"name"`
	Means
	Intervals map[string]metric.Interval `json:"intervals,omitempty"`
	Tolerance *float64                   `json:"tolerance_mm,omitempty"` // of surface Dice
	Cases     int                        `json:"cases"`                  // in which the label is predicted or true
	Missed    int                        `json:"missed"`                 // of these, in which it is only one of both: their distances are left out
}

// ClassSummary is how a classifier does.
type ClassSummary struct {
	metric.ClassSummary
	Intervals map[string]metric.Interval `json:"intervals,omitempty"`
	Classes   []ClassMean                `json:"classes"`
	// Confusion counts cases by true class (rows) and picked class (columns), in the order of Names; nil where a
	// case may have several classes.
	Confusion [][]int  `json:"confusion,omitempty"`
	Names     []string `json:"names,omitempty"`
}

// ClassMean is how one class is told from the others.
type ClassMean struct {
	Value int    `json:"value"`
	Name  string `json:"name"`
	metric.ClassScore
}

// NumberSummary is how well one number is predicted.
type NumberSummary struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	metric.Regression
	Intervals map[string]metric.Interval `json:"intervals,omitempty"`
}

// ImageSummary are means over cases.
type ImageSummary struct {
	MAE       metric.Number              `json:"mae"`
	RMSE      metric.Number              `json:"rmse"`
	PSNR      metric.Number              `json:"psnr"`
	SSIM      metric.Number              `json:"ssim"`
	Intervals map[string]metric.Interval `json:"intervals,omitempty"`
}

// summarize sums up cases.
func summarize(task predict.Task, pick predict.Pick, labels []predict.Label, cases []Case, o Options) (Summary, error) {
	switch {
	case task == predict.Segmentation:
		return segmentation(foreground(labels), cases, o), nil
	case len(cases) == 0:
		return Summary{}, nil
	case task == predict.Classification:
		return classification(pick, cases, o)
	case task == predict.Regression:
		return regression(cases, o)
	}
	return images(cases, o), nil
}

func segmentation(labels []predict.Label, cases []Case, o Options) Summary {
	s := Summary{Labels: []LabelMean{}, Mean: &Means{}}
	columns := o.shown()
	var table [][]float64 // of each measure of each label, then of each measure's mean over labels: a value for each case
	for i, l := range labels {
		row := LabelMean{Value: l.Value, Name: l.Name}
		if o.Surfaces {
			mm := o.tolerance(l)
			row.Tolerance = &mm
		}
		for _, c := range cases {
			if !c.Labels[i].Absent() {
				row.Cases++
			}
			if c.Labels[i].Missed() {
				row.Missed++
			}
		}
		for _, m := range measures() {
			column := make([]float64, len(cases))
			for k, c := range cases {
				column[k] = float64(m.of(c.Labels[i]))
			}
			*m.in(&row.Means) = metric.Number(metric.Mean(column))
			if o.Surfaces || !m.Surface {
				table = append(table, column)
			}
		}
		s.Labels = append(s.Labels, row)
	}
	for _, m := range measures() {
		column := make([]float64, len(cases))
		for k, c := range cases { // within each case first, as MONAI's reduction "mean" does
			column[k] = mean(c.Labels, m.of)
		}
		*m.in(s.Mean) = metric.Number(metric.Mean(column))
		if o.Surfaces || !m.Surface {
			table = append(table, column)
		}
	}
	if o.Interval.Resamples == 0 {
		return s
	}
	found := o.Interval.Means(table)
	for i := range labels {
		s.Labels[i].Intervals = byKey(columns, found[i*len(columns):])
	}
	s.MeanIntervals = byKey(columns, found[len(labels)*len(columns):])
	return s
}

func byKey(columns []measure, found []metric.Interval) map[string]metric.Interval {
	out := map[string]metric.Interval{}
	for i, m := range columns {
		out[m.Key] = found[i]
	}
	return out
}

func classification(pick predict.Pick, cases []Case, o Options) (Summary, error) {
	answers := make([]metric.Answer, len(cases))
	for i, c := range cases {
		answers[i] = c.Class.answer
	}
	all, each, err := metric.ScoreClasses(answers)
	if err != nil {
		return Summary{}, err
	}
	s := &ClassSummary{ClassSummary: all}
	for i, p := range cases[0].Class.Probabilities {
		s.Classes = append(s.Classes, ClassMean{p.Value, p.Name, each[i]})
		s.Names = append(s.Names, p.Name)
	}
	switch {
	case pick == predict.Argmax:
		s.Confusion, err = metric.Confusion(answers)
	case len(each) == 1: // one class or none
		n := each[0].Counts
		s.Names = []string{"not " + s.Names[0], s.Names[0]}
		s.Confusion = [][]int{{n.TrueNegative, n.FalsePositive}, {n.FalseNegative, n.TruePositive}}
	default:
		s.Names = nil
	}
	if o.Interval.Resamples > 0 {
		s.Intervals = o.Interval.Classes(answers)
	}
	return Summary{Classes: s}, err
}

func regression(cases []Case, o Options) (Summary, error) {
	var s Summary
	for i, n := range cases[0].Numbers {
		predicted, truth := numbers(cases, i)
		r, err := metric.Regress(predicted, truth)
		if err != nil {
			return Summary{}, err
		}
		row := NumberSummary{Name: n.Name, Unit: n.Unit, Regression: r}
		if o.Interval.Resamples > 0 {
			row.Intervals = o.Interval.Regression(predicted, truth)
		}
		s.Numbers = append(s.Numbers, row)
	}
	return s, nil
}

// numbers returns the predicted and the true numbers of one output.
func numbers(cases []Case, i int) (predicted, truth []float64) {
	for _, c := range cases {
		predicted, truth = append(predicted, c.Numbers[i].Predicted), append(truth, c.Numbers[i].Truth)
	}
	return predicted, truth
}

// imageNumbers are the names of an image's numbers, in their order.
func imageNumbers() []string { return []string{"mae", "rmse", "psnr", "ssim"} }

func images(cases []Case, o Options) Summary {
	columns := make([][]float64, 4)
	for _, c := range cases {
		for i, v := range []metric.Number{c.Image.MAE, c.Image.RMSE, c.Image.PSNR, c.Image.SSIM} {
			columns[i] = append(columns[i], float64(v))
		}
	}
	var means [4]metric.Number
	for i, column := range columns {
		means[i] = metric.Number(metric.Mean(column))
	}
	s := &ImageSummary{MAE: means[0], RMSE: means[1], PSNR: means[2], SSIM: means[3]}
	if o.Interval.Resamples > 0 {
		s.Intervals = map[string]metric.Interval{}
		for i, found := range o.Interval.Means(columns) {
			s.Intervals[imageNumbers()[i]] = found
		}
	}
	return Summary{Images: s}
}

// groups sums up the cases of each group, in the order of their names; nil where no case has one.
func groups(task predict.Task, pick predict.Pick, labels []predict.Label, cases []Case, o Options) ([]Group, error) {
	members := map[string][]Case{}
	var names []string
	for _, c := range cases {
		if _, ok := members[c.Group]; !ok {
			names = append(names, c.Group)
		}
		members[c.Group] = append(members[c.Group], c)
	}
	if len(names) == 0 || len(names) == 1 && names[0] == "" {
		return nil, nil
	}
	slices.Sort(names)
	var out []Group
	for _, n := range names {
		s, err := summarize(task, pick, labels, members[n], o)
		if err != nil {
			return nil, err
		}
		out = append(out, Group{Name: n, Cases: len(members[n]), Summary: s})
	}
	return out, nil
}
