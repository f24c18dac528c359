package predict

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"

	"github.com/nitrain/nitrain/imageio/metric"
)

// Report is the result of an evaluation. Its JSON form has null where a number does not exist.
type Report struct {
	Cases  []CaseScore `json:"cases"`
	Labels []LabelMean `json:"labels"` // over cases
	Mean   Means       `json:"mean"`   // over labels within each case, then over cases
}

// LabelMean is how one label does over all cases.
type LabelMean struct {
	Value int    `json:"value"`
	Name  string `json:"name"`
	Means
	Cases  int `json:"cases"`  // in which the label is predicted or true
	Missed int `json:"missed"` // of these, in which it is only one of both: their distances are left out
}

// Means are averages over what exists: values that are NaN or infinite are left out.
type Means struct {
	Dice        metric.Number `json:"dice"`
	IoU         metric.Number `json:"iou"`
	Precision   metric.Number `json:"precision"`
	Sensitivity metric.Number `json:"sensitivity"`
	HD95        metric.Number `json:"hd95_mm"`
	ASSD        metric.Number `json:"assd_mm"`
	VolumeError metric.Number `json:"volume_error"` // of the absolute values
}

// NewReport sums up the scores of cases.
func NewReport(spec Spec, cases []CaseScore) *Report {
	r := &Report{Cases: cases, Labels: []LabelMean{}}
	names := map[int]string{}
	for _, l := range spec.Labels {
		names[l.Value] = l.Name
	}
	for i, value := range spec.Foreground() {
		var column []metric.Score
		m := LabelMean{Value: value, Name: names[value]}
		for _, c := range cases {
			s := c.Labels[i]
			column = append(column, s)
			if !s.Absent() {
				m.Cases++
			}
			if s.Missed() {
				m.Missed++
			}
		}
		m.Means = meansOf(column)
		r.Labels = append(r.Labels, m)
	}
	r.Mean = meanOfCases(cases)
	return r
}

func meansOf(scores []metric.Score) Means {
	var m Means
	for i, f := range fields() {
		*m.at(i) = metric.Number(mean(scores, f))
	}
	return m
}

// meanOfCases averages within each case and then over the cases, as MONAI's reduction "mean" does.
func meanOfCases(cases []CaseScore) Means {
	var m Means
	for i, f := range fields() {
		sum, n := 0.0, 0
		for _, c := range cases {
			if v := mean(c.Labels, f); finite(v) {
				sum += v
				n++
			}
		}
		*m.at(i) = metric.Number(math.NaN())
		if n > 0 {
			*m.at(i) = metric.Number(sum / float64(n))
		}
	}
	return m
}

// fields lists what is averaged, in the order of [Means].
func fields() []func(metric.Score) metric.Number {
	return []func(metric.Score) metric.Number{
		func(s metric.Score) metric.Number { return s.Dice },
		func(s metric.Score) metric.Number { return s.IoU },
		func(s metric.Score) metric.Number { return s.Precision },
		func(s metric.Score) metric.Number { return s.Sensitivity },
		func(s metric.Score) metric.Number { return s.HD95 },
		func(s metric.Score) metric.Number { return s.ASSD },
		func(s metric.Score) metric.Number { return metric.Number(math.Abs(float64(s.VolumeError))) },
	}
}

func (m *Means) at(i int) *metric.Number {
	return [...]*metric.Number{&m.Dice, &m.IoU, &m.Precision, &m.Sensitivity, &m.HD95, &m.ASSD, &m.VolumeError}[i]
}

// WriteCSV writes a row for each case and label. Numbers that do not exist are empty, infinite ones "inf".
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"case", "label", "name", "dice", "iou", "precision", "sensitivity", "hd95_mm", "assd_mm", "ml", "truth_ml", "volume_error"}}
	for _, c := range r.Cases {
		for i, s := range c.Labels {
			row := []string{c.ID, strconv.Itoa(s.Label), r.Labels[i].Name}
			for _, v := range []metric.Number{s.Dice, s.IoU, s.Precision, s.Sensitivity, s.HD95, s.ASSD, s.ML, s.TruthML, s.VolumeError} {
				row = append(row, cell(float64(v)))
			}
			rows = append(rows, row)
		}
	}
	return out.WriteAll(rows)
}

func cell(v float64) string {
	switch {
	case math.IsNaN(v):
		return ""
	case math.IsInf(v, 1):
		return "inf"
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
