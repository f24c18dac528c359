package finetune

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nitrain/nitrain/internal/record"
)

// derive rewrites what follows from the events: metrics.csv and report.html.
func (t *Trainer) derive() error {
	if t.dir == nil {
		return nil
	}
	head, rows := t.metrics()
	return errors.Join(t.dir.WriteTable(record.Metrics, head, rows), t.dir.WriteReport(t.report()))
}

// metrics is the table of steps and validations.
func (t *Trainer) metrics() (head []string, rows [][]string) {
	head = []string{"step", "epoch", "loss", "lr", "norm", "cases", "dice"}
	labels := t.plan.spec.Foreground()
	for _, v := range labels {
		head = append(head, "dice_"+strconv.Itoa(v))
	}
	head = append(head, "seconds")
	for _, e := range t.history {
		row := make([]string, len(head))
		row[0], row[1], row[len(row)-1] = strconv.Itoa(e.Step), text(t.plan.epochs(e.Step)), text(e.Elapsed)
		switch e.Kind {
		case Stepped:
			row[2], row[3], row[4] = text(e.Loss), text(e.Rate), text(e.Norm)
			row[5] = strings.Join(e.Cases, ";")
		case Validated:
			row[6] = text(e.Validation.Score)
			for i, v := range labels {
				if d, ok := e.Validation.Dice[v]; ok {
					row[7+i] = text(d)
				}
			}
		default:
			continue
		}
		rows = append(rows, row)
	}
	return head, rows
}

func text(v float64) string { return strconv.FormatFloat(v, 'g', 7, 64) }

// report is the page about the run.
func (t *Trainer) report() *record.Report {
	r := &record.Report{
		Title: "Fine-tuning", Lead: t.lead(), Curves: t.curves(), Pictures: t.samples,
		Note: "Validation cases at the best step: prediction outlined in the labels' colours, truth in white.",
	}
	if t.source.name != "" {
		r.Title += " of " + t.source.name
	}
	if table := t.caseTable(); table != nil {
		r.Tables = append(r.Tables, *table)
	}
	r.Facts = append(t.Settings(), [2]string{"device", t.backend.Name()}, [2]string{"tool", tool()})
	for k, v := range versions() {
		if k == "go" || k == "platform" {
			r.Facts = append(r.Facts, [2]string{k, v})
		}
	}
	return r
}

func (t *Trainer) lead() string {
	s := fmt.Sprintf("Step %d of %d", t.state.Step, t.plan.Steps)
	if t.state.HasBest {
		s += fmt.Sprintf(", best Dice %.4f after step %d", t.state.Best, t.state.BestStep)
	}
	if n := len(t.history); n > 0 {
		s += ", " + time.Duration(t.history[n-1].Elapsed*float64(time.Second)).Round(time.Second).String()
	}
	return s + "."
}

func (t *Trainer) curves() []record.Curve {
	var steps, losses, rates []float64
	var at, mean []float64
	labels := t.plan.spec.Foreground()
	byLabel := make([]record.Series, len(labels))
	for i, v := range labels {
		byLabel[i] = record.Series{Name: t.labelName(v)}
	}
	for _, e := range t.history {
		if e.Kind == Stepped {
			steps, losses, rates = append(steps, float64(e.Step)), append(losses, e.Loss), append(rates, e.Rate)
		}
		if e.Kind == Validated {
			at, mean = append(at, float64(e.Step)), append(mean, e.Validation.Score)
			for i, v := range labels {
				if d, ok := e.Validation.Dice[v]; ok {
					byLabel[i].X, byLabel[i].Y = append(byLabel[i].X, float64(e.Step)), append(byLabel[i].Y, d)
				}
			}
		}
	}
	out := []record.Curve{{Title: "Loss", Series: []record.Series{
		{Name: "mean of 20", X: steps, Y: running(losses, 20)}, {Name: "step", X: steps, Y: losses, Faint: true},
	}}}
	if len(at) > 0 {
		series := []record.Series{{Name: "mean", X: at, Y: mean}}
		if len(labels) > 1 && len(labels) <= 3 {
			series = append(series, byLabel...)
		}
		out = append(out, record.Curve{Title: "Dice", Series: series, Range: [2]float64{0, 1}})
	}
	return append(out, record.Curve{Title: "Learning rate", Series: []record.Series{{Name: "lr", X: steps, Y: rates}}})
}

func (t *Trainer) labelName(value int) string {
	for _, l := range t.plan.spec.Labels {
		if l.Value == value {
			return l.Name
		}
	}
	return strconv.Itoa(value)
}

// running is the mean of the last n values.
func running(v []float64, n int) []float64 {
	out := make([]float64, len(v))
	sum := 0.0
	for i, x := range v {
		sum += x
		if i >= n {
			sum -= v[i-n]
		}
		out[i] = sum / float64(min(i+1, n))
	}
	return out
}

// caseTable lists the validation cases of the best validation.
func (t *Trainer) caseTable() *record.Table {
	var best *Event
	for i, e := range t.history {
		if e.Kind == Validated && e.Validation.Best {
			best = &t.history[i]
		}
	}
	if best == nil {
		return nil
	}
	table := &record.Table{Title: fmt.Sprintf("Validation cases after step %d (Dice)", best.Step), Head: []string{"case", "mean"}}
	labels := t.plan.spec.Foreground()
	for _, v := range labels {
		table.Head = append(table.Head, t.labelName(v))
	}
	for _, c := range best.Validation.Cases {
		row := []string{c.ID, fmt.Sprintf("%.4f", c.Score)}
		for _, v := range labels {
			cell := ""
			if d, ok := c.Dice[v]; ok {
				cell = fmt.Sprintf("%.4f", d)
			}
			row = append(row, cell)
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}
