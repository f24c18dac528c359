package evaluation

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
)

//go:embed page.html
var pageText string

// page is what the template shows.
type page struct {
	Title, Lead, Shown string
	Tables             []table
	Diagrams           []diagram
	Pictures           []framed
	Failed             []Failure
	Cases              table
	Details            *table
	Meanings, Facts    [][2]string
}

type framed struct {
	Caption string
	Source  template.URL
}

// table is a table with a title; one that is sortable sorts where a head is clicked.
type table struct {
	Title    string
	Sortable bool
	Head     []head
	Rows     [][]tableCell
}

type head struct {
	Text, Tip string
	Number    bool
}

// tableCell is one cell: Key is what it is sorted by, where Keyed says so.
type tableCell struct {
	Text, Sub, Class, Key string
	Keyed                 bool
	Style                 template.CSS
}

// WriteHTML writes a self-contained page: the summary with intervals, diagrams over the cases, the worst
// cases' pictures, a table of cases that sorts by a click, and what the numbers mean. It loads nothing from
// elsewhere.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	p := page{Title: "Evaluation", Failed: r.Failed, Meanings: r.meanings(), Facts: r.facts()}
	if r.About.Model != "" {
		p.Title += " of " + filepath.Base(r.About.Model)
	}
	p.Lead = fmt.Sprintf("%d cases", len(r.Cases))
	if len(r.Failed) > 0 {
		p.Lead += fmt.Sprintf(", and %d that failed", len(r.Failed))
	}
	switch {
	case r.Task == predict.Segmentation:
		r.labelPage(&p)
	case len(r.Cases) == 0:
	case r.Task == predict.Classification:
		r.classPage(&p)
	case r.Task == predict.Regression:
		r.numberPage(&p)
	default:
		r.imagePage(&p)
	}
	for _, worst := range r.worst {
		p.Pictures = append(p.Pictures, framed{
			worst.Caption,
			template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(worst.PNG)), //nolint:gosec // made here
		})
	}
	return t.Execute(w, p)
}

// labelPage fills in what is said about a segmentation.
func (r *Report) labelPage(p *page) {
	i := r.MeanIntervals["dice"]
	p.Lead += ", mean Dice " + within(r.Mean.Dice, i) + "."
	p.Shown = "Planes through the middle of the largest error. Above: the truth outlined in white, the prediction over it in the labels' colours. Below: where they differ."
	p.Tables = append(p.Tables, r.labelTable("Labels", r.Summary, len(r.Cases)))
	if len(r.Groups) > 0 {
		p.Tables = append(p.Tables, r.groupTable())
	}
	for _, m := range r.o.shown() {
		switch m.Key {
		case "dice", "hd95_mm", "surface_dice", "volume_error":
			p.Diagrams = append(p.Diagrams, r.boxes(m))
		}
	}
	p.Cases = r.caseTable()
	if len(r.Labels) > 1 {
		details := r.detailTable()
		p.Details = &details
	}
}

func (r *Report) labelTable(title string, s Summary, cases int) table {
	t := table{Title: title, Head: append(r.meanHead("label"), head{Text: "missed or extra", Tip: "cases in which it is only one of both: their distances are infinite and left out", Number: true})}
	for _, l := range s.Labels {
		row := r.meanRow(fmt.Sprintf("%d %s", l.Value, l.Name), &l.Means, l.Intervals, l.Cases)
		t.Rows = append(t.Rows, append(row, tableCell{Text: strconv.Itoa(l.Missed), Class: "n"}))
	}
	t.Rows = append(t.Rows, append(r.meanRow("mean", s.Mean, s.MeanIntervals, cases), tableCell{Class: "n"}))
	return t
}

// groupTable has a row for each group's means over labels, and where the labels are few, for each label.
func (r *Report) groupTable() table {
	const few = 6
	t := table{Title: "Groups", Sortable: true, Head: append([]head{{Text: "group"}}, r.meanHead("label")...)}
	for _, g := range r.Groups {
		name := tableCell{Text: g.Name}
		if n := len(g.Labels); n > 1 && n <= few {
			for _, l := range g.Labels {
				t.Rows = append(t.Rows, append([]tableCell{name}, r.meanRow(fmt.Sprintf("%d %s", l.Value, l.Name), &l.Means, l.Intervals, l.Cases)...))
			}
		}
		t.Rows = append(t.Rows, append([]tableCell{name}, r.meanRow("mean", g.Mean, g.MeanIntervals, g.Cases)...))
	}
	return t
}

// meanHead and meanRow are the columns of means.
func (r *Report) meanHead(first string) []head {
	h := []head{{Text: first}}
	for _, m := range r.o.shown() {
		h = append(h, head{Text: m.Title, Tip: m.Meaning, Number: true})
	}
	return append(h, head{Text: "cases", Tip: "in which the label is predicted or true", Number: true})
}

func (r *Report) meanRow(name string, means *Means, intervals map[string]metric.Interval, cases int) []tableCell {
	cells := []tableCell{{Text: name}}
	for _, m := range r.o.shown() {
		cells = append(cells, ranged(*m.in(means), intervals, m.Key, m.MM))
	}
	return append(cells, tableCell{Text: strconv.Itoa(cases), Class: "n"})
}

// caseTable has a row for each case with its means over labels.
func (r *Report) caseTable() table {
	t := table{Title: "Cases (means over their labels)", Sortable: true, Head: r.caseHead()}
	for _, m := range r.o.shown() {
		t.Head = append(t.Head, head{Text: m.Title, Tip: m.Meaning, Number: true})
	}
	for _, c := range r.Cases {
		cells := r.caseCells(c)
		for _, m := range r.o.shown() {
			cells = append(cells, numeric(metric.Number(mean(c.Labels, m.of)), m.MM))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func (r *Report) detailTable() table {
	t := table{Title: "Cases by label", Sortable: true, Head: append(r.caseHead(), head{Text: "label"})}
	for _, m := range r.o.shown() {
		t.Head = append(t.Head, head{Text: m.Title, Tip: m.Meaning, Number: true})
	}
	t.Head = append(t.Head, head{Text: "mL", Number: true}, head{Text: "true mL", Number: true})
	for _, c := range r.Cases {
		for i, s := range c.Labels {
			if s.Absent() {
				continue
			}
			cells := append(r.caseCells(c), tableCell{Text: r.Labels[i].Name})
			for _, m := range r.o.shown() {
				cells = append(cells, numeric(m.of(s), m.MM))
			}
			t.Rows = append(t.Rows, append(cells, numeric(s.ML, true), numeric(s.TruthML, true)))
		}
	}
	return t
}

// caseHead and caseCells begin a row about a case.
func (r *Report) caseHead() []head {
	h := []head{{Text: "case"}}
	if r.Groups != nil {
		h = append(h, head{Text: "group"})
	}
	return h
}

func (r *Report) caseCells(c Case) []tableCell {
	cells := []tableCell{{Text: c.ID}}
	if r.Groups != nil {
		cells = append(cells, tableCell{Text: c.Group})
	}
	return cells
}

// numeric is a cell that sorts by its number; what is infinite comes last.
func numeric(v metric.Number, coarse bool) tableCell {
	c := tableCell{Text: digits(v, coarse), Class: "n", Keyed: true}
	switch f := float64(v); {
	case math.IsInf(f, 1):
		c.Key = "1e300"
	case f == f:
		c.Key = strconv.FormatFloat(f, 'g', -1, 64)
	}
	return c
}

// ranged is numeric with the number's interval below it, where it has one.
func ranged(v metric.Number, intervals map[string]metric.Interval, key string, coarse bool) tableCell {
	c := numeric(v, coarse)
	if i, ok := intervals[key]; ok && i.Low == i.Low {
		c.Sub = digits(i.Low, coarse) + " to " + digits(i.High, coarse)
	}
	return c
}

// digits writes a number with two decimals where coarse, else with four; – where there is none.
func digits(v metric.Number, coarse bool) string {
	f := float64(v)
	switch {
	case math.IsNaN(f):
		return "–"
	case math.IsInf(f, 1):
		return "∞"
	case coarse || math.Abs(f) >= 100:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'f', 4, 64)
}

// within is a number with its interval; both ends 0 are no interval.
func within(v metric.Number, i metric.Interval) string {
	text := digits(v, false)
	if i.Low == i.Low && (i.Low != 0 || i.High != 0) {
		text += fmt.Sprintf(" [%s, %s]", digits(i.Low, false), digits(i.High, false))
	}
	return text
}

// facts say what was judged by what.
func (r *Report) facts() [][2]string {
	a := r.About
	f := [][2]string{{"task", string(r.Task)}}
	add := func(name, value string) {
		if value != "" {
			f = append(f, [2]string{name, value})
		}
	}
	add("model", a.Model)
	add("model's SHA-256", a.ModelDigest)
	add("cases", a.Data)
	add("list's SHA-256", a.DataDigest)
	for _, name := range []string{"nitrain", "onnxruntime", "go", "platform"} {
		add(name, a.Versions[name])
	}
	return f
}

// meanings define the numbers and their means.
func (r *Report) meanings() [][2]string {
	var out [][2]string
	switch r.Task {
	case predict.Segmentation:
		for _, m := range r.o.shown() {
			out = append(out, [2]string{m.Title, m.Meaning + "."})
		}
		if r.o.Surfaces {
			out = append(out, [2]string{"tolerance", r.tolerances()})
		}
		out = append(out,
			[2]string{"mean of a label", "Over the cases in which the number exists; infinite distances are left out, and such cases are counted as missed or extra."},
			[2]string{"mean", "Over the labels that exist within each case, then over cases."},
			[2]string{"empty truth", emptyMeaning(r.o.Empty)})
	case predict.Classification:
		out = classMeanings()
	case predict.Regression:
		out = [][2]string{
			{"MAE, RMSE", "Mean absolute error, root of the mean squared error."},
			{"R²", "1 less the sum of squared errors over that of the truth's squared deviations from its mean."},
			{"bias, limits of agreement", "Mean of predicted less true; bias ± 1.96 standard deviations of the differences (Bland and Altman)."},
		}
	default:
		out = [][2]string{
			{"PSNR, SSIM", "Relative to the range of intensities; SSIM with a Gaussian window of 11 voxels and a deviation of 1.5, k1 0.01, k2 0.03, inside the image."},
			{"mean", "Over cases; infinite PSNR (equal images) is left out."},
		}
	}
	if b := r.o.Interval; b.Resamples > 0 {
		kind := "BCa (corrected for bias and skewness)"
		if b.Method == metric.Percentile {
			kind = "percentile"
		}
		out = append(out, [2]string{"intervals", fmt.Sprintf("%g %% bootstrap over cases, %s, %d resamples, seed %d.", 100*b.Confidence, kind, b.Resamples, b.Seed)})
	}
	return out
}

// emptyMeaning says what overlaps are where the truth lacks a label.
func emptyMeaning(e metric.Empty) string {
	switch e {
	case metric.EmptyIgnore:
		return "An overlap does not exist where the truth lacks the label."
	case metric.EmptyOne:
		return "An overlap is 1 where prediction and truth both lack the label, 0 where only the truth does."
	}
	return "An overlap is 0 where only one of prediction and truth has the label, and does not exist where both lack it."
}

// tolerances lists those of the labels, together where they are equal.
func (r *Report) tolerances() string {
	var parts []string
	same := true
	for _, l := range r.Labels {
		parts = append(parts, fmt.Sprintf("%s %g mm", l.Name, *l.Tolerance))
		same = same && *l.Tolerance == *r.Labels[0].Tolerance
	}
	if same && len(r.Labels) > 0 {
		return fmt.Sprintf("%g mm for all labels.", *r.Labels[0].Tolerance)
	}
	return strings.Join(parts, ", ") + "."
}
